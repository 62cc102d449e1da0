"""Name what is measured: how orders are sent, how many at once, in which world."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["CASES", "COMPARED", "ORIGINAL", "SCALE", "SCALING", "Case"]


class Case(Struct, frozen=True):
    """Hold one way to load a service."""

    name: str
    mode: Literal["e2e", "post"]
    """``e2e`` follows each order to its end on one socket for all; ``post`` only counts answers,
    while orders are executed all the same."""
    in_flight: int
    profile: str = "instant"

    @property
    def words(self) -> str:
        """What a reader is told of it."""
        what = "to the end, on one socket" if self.mode == "e2e" else "POST only"
        return f"{what}, {self.in_flight:,} in flight, profile {self.profile}"


COMPARED = (
    Case("e2e-200", "e2e", 200),
    Case("e2e-50", "e2e", 50),
    Case("post-50", "post", 50),
    Case("post-200", "post", 200),
)
"""Each target in turn, the peer among them."""

ORIGINAL = Case("original", "e2e", 1_000, "original")
"""All orders at once, with the delays of the service that ours grew from."""

SCALING = tuple(Case(f"e2e-{many}", "e2e", many) for many in (10, 50, 200, 500, 1_000))
"""Ours on PostgreSQL, with one working process and with more."""

SCALE = "scaling"
CASES = (*(case.name for case in COMPARED), ORIGINAL.name, SCALE)
"""What may be asked for by name."""
