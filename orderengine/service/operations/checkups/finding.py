"""Hold one line of the checklist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

__all__ = ["Finding", "failed", "fine", "worth"]


class Finding(Struct, frozen=True):
    """Say how one thing stands, and what to do about it."""

    name: str
    state: Literal["ok", "look", "failed"]
    said: str
    do: str = ""

    def cleaned(self, clean: Callable[[str], str]) -> Finding:
        """Return the same without secrets, on one line."""
        said, do = (" ".join(clean(text).split()) for text in (self.said, self.do))
        return Finding(self.name, self.state, said, do)


def fine(name: str, said: str) -> Finding:
    """Say that all is well."""
    return Finding(name, "ok", said)


def worth(name: str, said: str, do: str = "") -> Finding:
    """Say that it is worth a look, and may be meant so."""
    return Finding(name, "look", said, do)


def failed(name: str, said: str, do: str) -> Finding:
    """Say that it must be mended."""
    return Finding(name, "failed", said, do)
