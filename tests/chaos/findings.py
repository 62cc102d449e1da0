"""Count what was checked, and collect what was found wrong."""

from __future__ import annotations

__all__ = ["Findings"]


class Findings:
    """Hold what one check found."""

    def __init__(self) -> None:
        self.checked = 0
        self.violations: list[str] = []

    def require(self, is_so: bool, otherwise: str) -> None:
        """Note one thing that was looked at, and what is wrong unless it is so."""
        self.checked += 1
        if not is_so:
            self.violations.append(otherwise)
