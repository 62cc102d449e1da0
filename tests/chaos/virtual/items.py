"""Name what can happen in a run: what users do, and everything that can go wrong.

Times are milliseconds from the start.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.model.order import Priority

__all__ = [
    "Again",
    "Away",
    "Cancel",
    "Deliveries",
    "Follow",
    "Freeze",
    "Item",
    "Jump",
    "Kill",
    "Lag",
    "LostAnswer",
    "Luck",
    "Mute",
    "Pause",
    "Place",
    "SignError",
    "Slow",
    "Stop",
    "VenueFault",
    "Wipe",
]


class Place(Struct, frozen=True, tag=True):
    """A user places an order; with a key, again and again until it is answered."""

    order: int
    at_ms: int
    priority: Priority
    user: str
    key: str
    """Empty without one."""
    due_ms: int
    """0 without a deadline."""


class Again(Struct, frozen=True, tag=True):
    """The same user sends the same request, or another under the same key."""

    order: int
    at_ms: int
    is_other: bool


class Cancel(Struct, frozen=True, tag=True):
    """The user cancels, and later asks for the same once more."""

    order: int
    at_ms: int


class Follow(Struct, frozen=True, tag=True):
    """Someone reads the order's log as it grows, cut off after every few events."""

    order: int
    at_ms: int
    cut_after: int


class Luck(Struct, frozen=True, tag=True):
    """What becomes of the n-th transaction that is stored for an order."""

    order: int
    nth: int
    kind: str
    lost: int
    """So many sendings do not arrive."""
    send_errors: int
    """So many sendings are answered with an error, whether or not they arrive."""
    slots: int
    """How late, or how long it is seen on a fork."""


class SignError(Struct, frozen=True, tag=True):
    """The n-th signing for an order fails."""

    order: int
    nth: int
    is_rejected: bool


class Kill(Struct, frozen=True, tag=True):
    """A process ends at the n-th passing of a place, and comes back."""

    process: int
    place: str
    nth: int
    after_ms: int
    down_ms: int


class Freeze(Struct, frozen=True, tag=True):
    """A process stands still from the n-th passing of a place on, often past its leases."""

    process: int
    place: str
    nth: int
    after_ms: int
    for_ms: int


class LostAnswer(Struct, frozen=True, tag=True):
    """The n-th call of the store fails: done or not done, or done later."""

    process: int
    place: str
    nth: int
    after_ms: int
    kind: str


class Away(Struct, frozen=True, tag=True):
    """The store answers nobody, or one process not."""

    process: int
    """-1 for all."""
    at_ms: int
    for_ms: int


class Slow(Struct, frozen=True, tag=True):
    """Everything that a process asks for takes longer."""

    process: int
    at_ms: int
    for_ms: int
    by_ms: int


class Stop(Struct, frozen=True, tag=True):
    """A process is told to end: it hands back what it has not done after a while, and restarts."""

    process: int
    at_ms: int
    grace_ms: int
    down_ms: int


class Pause(Struct, frozen=True, tag=True):
    """An operator pauses all work, or a venue."""

    at_ms: int
    for_ms: int
    venue: str
    """Empty for all work."""


class Wipe(Struct, frozen=True, tag=True):
    """All wake-ups that wait anywhere are gone."""

    at_ms: int


class Deliveries(Struct, frozen=True, tag=True):
    """Wake-ups are lost, come twice to everybody, or come late and in another order."""

    at_ms: int
    for_ms: int
    kind: str


class Jump(Struct, frozen=True, tag=True):
    """The date of a process's machine jumps, and is put right later."""

    process: int
    at_ms: int
    for_ms: int
    by_ms: int


class Lag(Struct, frozen=True, tag=True):
    """The chain's node that a process asks stands some slots behind."""

    process: int
    at_ms: int
    for_ms: int
    slots: int


class Mute(Struct, frozen=True, tag=True):
    """The node that a process asks hangs, or errs."""

    process: int
    at_ms: int
    for_ms: int
    is_error: bool


class VenueFault(Struct, frozen=True, tag=True):
    """A venue errs, refuses, or does not answer."""

    venue: int
    at_ms: int
    for_ms: int
    kind: str


Item = (
    Place
    | Again
    | Cancel
    | Follow
    | Luck
    | SignError
    | Kill
    | Freeze
    | LostAnswer
    | Away
    | Slow
    | Wipe
    | Deliveries
    | Jump
    | Lag
    | Mute
    | VenueFault
    | Stop
    | Pause
)
