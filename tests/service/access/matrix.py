"""List who may do what to which object: every route of the rules, by every caller, to each object.

What is expected of a cell follows from principles, so that a new route needs none of its own: only
a word on how it is asked, if it takes an object or a body that no route before it took.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from orderengine.model.api_key import Role
from orderengine.service.access.rules import RULES, Access, Rule

__all__ = ["BODIES", "CALLERS", "OBJECTS", "Caller", "Cell", "Outcome", "cells", "expected"]

_SWAP = b'{"sell":"SOL","buy":"USDC","amount":"%s"}'
BODIES = {"/execute": _SWAP, "/quote": _SWAP}
"""What is sent to routes that take a body, with a place for the caller's amount."""
OBJECTS = {
    "order_id": ("own", "another's", "unknown", "malformed"),
    "name": ("file", "no file", "malformed"),
}
"""What may stand in a path, by the name of its place. Of these only some are there for a caller:"""
_THERE = {"", "own", "file"}


class Outcome(StrEnum):
    """Name how a cell ends: done, or refused with a status and a code."""

    DONE = "done"
    UNAUTHENTICATED = "401 UNAUTHENTICATED"
    FORBIDDEN = "403 FORBIDDEN"
    NOT_FOUND = "404 NOT_FOUND"
    NO_ORDER = "404 UNKNOWN_ORDER"


class Caller(Struct, frozen=True):
    """Describe somebody who asks."""

    name: str
    user: str = ""
    """Nobody, if empty."""
    role: Role = Role.USER
    is_of_sockets: bool = False
    """Whether this way to say who one is holds for sockets only."""


CALLERS = (
    Caller("anonymous"),
    Caller("malformed secret"),
    Caller("unknown secret"),
    Caller("revoked key"),
    Caller("expired key"),
    Caller("ticket used twice"),
    Caller("ticket", "adelheid", is_of_sockets=True),
    Caller("user", "adelheid"),
    Caller("another user", "bartholomew"),
    Caller("operator", "cassiopeia", Role.OPERATOR),
)


class Cell(Struct, frozen=True):
    """Hold one question: a route, a caller, an object."""

    rule: Rule
    caller: Caller
    what: str
    """One of ``OBJECTS``; empty for a route that takes none."""

    def __str__(self) -> str:
        """Name it."""
        rule = self.rule
        return f"{rule.method} {rule.path} by {self.caller.name} {self.what}".rstrip()

    @property
    def is_socket(self) -> bool:
        """Whether a socket is opened."""
        return self.rule.method == "WEBSOCKET"

    @property
    def is_known(self) -> bool:
        """Whether the service can tell who asks."""
        return bool(self.caller.user) and (self.is_socket or not self.caller.is_of_sockets)

    @property
    def is_open(self) -> bool:
        """Whether everybody may ask."""
        return self.rule.access in {Access.PROBE, Access.OPEN}


_PRINCIPLES: tuple[tuple[Callable[[Cell], bool], Outcome], ...] = (
    # What is open is the same for everybody.
    (lambda cell: cell.is_open and cell.what in _THERE, Outcome.DONE),
    (lambda cell: cell.is_open, Outcome.NOT_FOUND),
    # Who cannot be told apart from strangers learns nothing, not even what there is.
    (lambda cell: not cell.is_known, Outcome.UNAUTHENTICATED),
    # What is for operators is for no other role.
    (
        lambda cell: cell.rule.access is Access.OPERATOR and cell.caller.role is not Role.OPERATOR,
        Outcome.FORBIDDEN,
    ),
    # What is one's own is done. No role reaches what is another's.
    (lambda cell: cell.what in _THERE, Outcome.DONE),
    (lambda _: True, Outcome.NO_ORDER),
)
"""The first that holds decides."""


def expected(cell: Cell, *, is_served: bool) -> Outcome:
    """Return how a cell must end; a route that nothing serves is a path that is not there."""
    outcome = next(outcome for holds, outcome in _PRINCIPLES if holds(cell))
    return outcome if is_served or outcome is not Outcome.DONE else Outcome.NOT_FOUND


def cells() -> tuple[Cell, ...]:
    """Return every cell."""
    return tuple(
        Cell(rule, caller, what)
        for rule in RULES
        for what in _objects_of(rule)
        for caller in CALLERS
    )


def _objects_of(rule: Rule) -> tuple[str, ...]:
    """Return which objects a route is asked for."""
    places = re.findall(r"\{(\w+)\}", rule.path)
    return OBJECTS.get(places[0], ("",)) if places else ("",)
