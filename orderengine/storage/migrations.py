"""Decide which versions of a schema go with this code, the same for every database.

A schema grows by numbered SQL files. The first line of each says the oldest code that still works
once it is applied: ``-- oldest code: 1``. Code of version K brings files up to K along. It works
with a database of version V where V is at least K, and K is at least what V's file says. So a
deploy first expands the schema, while processes of the older code go on beside it; what only they
need is taken away by a later version, once none of them runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from orderengine.errors import InvalidData, InvariantViolated

__all__ = ["Migration", "migrations_of", "require_usable"]

_HEADER = re.compile(r"-- oldest code: (\d+)\n")


class Migration(NamedTuple):
    """Hold one step of a schema."""

    version: int
    oldest_code: int
    """The lowest version of code that works with a database of this version."""
    script: str


def migrations_of(package: str) -> tuple[Migration, ...]:
    """Return the steps in the folder ``schema`` of a package, in turn.

    Raises:
        InvariantViolated: a number is missing, or a file does not say its oldest code.
    """
    scripts = [entry for entry in (files(package) / "schema").iterdir() if entry.name[:4].isdigit()]
    found = []
    for version, entry in enumerate(sorted(scripts, key=lambda entry: entry.name), 1):
        script = entry.read_text("utf-8")
        header = _HEADER.match(script)
        if header is None or int(entry.name[:4]) != version or int(header[1]) > version:
            raise InvariantViolated(f"{entry.name} is no step {version} of a schema")
        found.append(Migration(version, int(header[1]), script))
    return tuple(found)


def require_usable(
    source: str, version: int, oldest_code: int, known: Sequence[Migration], *, hint: str = ""
) -> None:
    """Refuse a database that this code cannot work with.

    Args:
        source: names the database in errors.
        version: what the database is at.
        oldest_code: what the database itself says of that version.
        known: the steps that this code knows.
        hint: what to do about an older one.

    Raises:
        InvalidData: it is too old, or too new.
    """
    code = len(known)
    if version < code:
        raise InvalidData(source, f"schema version {version}", f"at least version {code}{hint}")
    if code < oldest_code:
        expected = f"one that works with code of version {code}"
        found = f"schema version {version}, for code from version {oldest_code} on"
        raise InvalidData(source, found, expected)
