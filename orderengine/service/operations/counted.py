"""Count the calls that the database could not answer, at the one place where all of them pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from orderengine.errors import LeaseLost, SequenceConflict, Unavailable
from orderengine.storage.database import Database, Keys, Operations, OrderStore

__all__ = ["ErrorCount", "counted"]


class ErrorCount:
    """Hold how many calls failed so far."""

    def __init__(self) -> None:
        self.total = 0


class _Counted:
    """Pass every call on to one part of the database, and note those that it could not answer."""

    def __init__(self, part: object, errors: ErrorCount) -> None:
        self._part = part
        self._errors = errors

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method, errors = getattr(self._part, name), self._errors

        async def call(*values: object, **named: object) -> Any:  # noqa: ANN401  (the part's own)
            try:
                return await method(*values, **named)
            except Unavailable as error:
                # These are answers: somebody else was first.
                errors.total += not isinstance(error, SequenceConflict | LeaseLost)
                raise

        setattr(self, name, call)  # it is found at once from now on
        return call


def counted(database: Database, errors: ErrorCount) -> Database:
    """Return the database with its failures counted."""
    return Database(
        orders=cast("OrderStore", _Counted(database.orders, errors)),
        keys=cast("Keys", _Counted(database.keys, errors)),
        operations=cast("Operations", _Counted(database.operations, errors)),
        description=database.description,
    )
