"""Say what a seeded bug is: one small edit of the source, and the tests that must notice it."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

__all__ = ["ROOT", "Bug"]

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder."""


class Bug(Struct, frozen=True, kw_only=True):
    """Hold one mistake that a tired developer might make."""

    name: str
    says: str
    """What they wrote, in a sentence."""
    breaks: str
    """The invariant that no longer holds."""
    file: str
    old: str
    """Occurs once in the file."""
    new: str
    caught_by: tuple[str, ...]
    """Ids of tests, each of which passes without the bug; one of them must fail with it."""

    def patched(self, source: str) -> str:
        """Return the file's text with the bug in it. Raises ``ValueError`` if it has moved."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: the old text occurs {found} times in {self.file}")
        return source.replace(self.old, self.new)
