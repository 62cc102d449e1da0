"""Every seeded bug can still be put in its place, and its tests are there."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.seeded_bugs.bug import ROOT, Bug
from tests.seeded_bugs.catalogue import BUGS

each_bug = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


def test_there_are_enough_of_them() -> None:
    """At least 25, each under a name of its own."""
    assert len(BUGS) >= 25
    assert max(Counter(bug.name for bug in BUGS).values()) == 1


@each_bug
def test_a_bug_fits(bug: Bug) -> None:
    """What it replaces stands there once, and the file is Python with the bug in it, too."""
    source = (ROOT / bug.file).read_text("utf-8")
    patched = bug.patched(source)
    assert patched != source
    compile(patched, bug.file, "exec")


@each_bug
def test_its_tests_are_there(bug: Bug) -> None:
    """Their files exist, and the names stand in them or in a contract that they import."""
    assert bug.caught_by
    for test in bug.caught_by:
        file, *names = test.partition("[")[0].split("::")
        text = (ROOT / file).read_text("utf-8")
        contracts = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*_contract.py")]
        for name in names:
            kind = "class" if name.startswith("Test") else "def"
            assert any(f"{kind} {name}(" in found for found in (text, *contracts)), test
