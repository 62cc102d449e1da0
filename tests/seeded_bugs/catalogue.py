"""List all seeded bugs."""

from __future__ import annotations

from tests.seeded_bugs.bug import Bug
from tests.seeded_bugs.bugs.execution import EXECUTION
from tests.seeded_bugs.bugs.service import SERVICE
from tests.seeded_bugs.bugs.storage import STORAGE
from tests.seeded_bugs.bugs.studies import STUDIES

__all__ = ["BUGS"]

BUGS: tuple[Bug, ...] = (*EXECUTION, *STORAGE, *SERVICE, *STUDIES)
