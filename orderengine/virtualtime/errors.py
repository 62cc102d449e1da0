"""What can end a wait, or a run, that plain anyio code does not expect."""

from __future__ import annotations

__all__ = ["Cancelled", "Deadlock", "NoVirtualTime"]

_NAMED_MAX = 20


class Cancelled(BaseException):
    """Be raised in a task where it waits, because a scope around it was cancelled."""


class NoVirtualTime(RuntimeError):
    """Say that something waits on the real world, which a jumping clock cannot wait for."""


class Deadlock(RuntimeError):
    """Say that every task waits for another one and no timer is set.

    Attributes:
        parked: each task's name and the place where it waits, in spawn order; the message holds
            the first 20 of them.
    """

    def __init__(self, now_ns: int, parked: list[tuple[str, str]]) -> None:
        named = "; ".join(f"{name} waits in {place}" for name, place in parked[:_NAMED_MAX])
        more = f"; and {len(parked) - _NAMED_MAX} more" if len(parked) > _NAMED_MAX else ""
        super().__init__(f"at {now_ns} ns every task waits and no timer is set: {named}{more}")
        self.parked = parked
