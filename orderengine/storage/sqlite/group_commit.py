"""Commit many callers' operations in one transaction.

A commit that must reach the disk takes about as long for one row as for hundreds. So callers put
what they want done into a list and wait; one task takes what has gathered, runs it in one
transaction in a worker thread, and wakes them. While the disk works, the next group gathers: with
one caller a group is one operation, with a thousand it is hundreds. One caller never waits for a
timer; where many come, a pause of 2 ms after each group makes the next one larger.

An operation is a function of the connection. It looks first and raises one of our errors before it
changes anything; then it alone is refused. If anything else goes wrong in a group, the transaction
is undone: where the database is at fault (locked, disk full), all of the group are told
``Unavailable``; where one operation is at fault, each is run again in a transaction of its own, so
that only the culprit fails. The next group starts afresh in either case.

Every wait ends: the list is bounded, a group is bounded, and an operation that has waited too long
is not begun but told ``Unavailable``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Generic, TypeVar

import anyio
from anyio import to_thread

from orderengine.errors import InvariantViolated, OrderEngineError, Unavailable
from orderengine.storage.sqlite.connections import execute_when_free

__all__ = ["GroupCommit"]

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

GROUP_MAX = 512
"""Operations a transaction: some 30 ms, so that another process soon has its turn."""
_PATIENCE_S = 10.0
_CROWD = 4
"""A group of so many operations is followed by a pause, in which more gather."""
_GATHER_S = 0.002


class _Pending(Generic[T]):
    """Hold one operation, then what became of it."""

    __slots__ = (
        "_after",
        "_on_done",
        "_operation",
        "_result",
        "_waiter",
        "error",
        "has_ended",
        "until",
    )

    def __init__(
        self,
        operation: Operation[T],
        until: float,
        on_done: Callable[[], None] | None,
        after: object,
    ) -> None:
        self._after = after if isinstance(after, _Pending) else None
        self._operation = operation
        self._result: tuple[T] | None = None
        self.error: Exception | None = None
        self.has_ended = False
        """Whether ``error`` is the last word."""
        self.until = until
        self._on_done = on_done
        self._waiter: asyncio.Future[None] | None = None
        if on_done is None:  # a future of asyncio costs a fraction of an event of anyio
            self._waiter = asyncio.get_running_loop().create_future()

    def attempt(self, db: sqlite3.Connection) -> None:
        """Run the operation; being refused is a result."""
        self._result = self.error = None
        if self._after is not None and self._after.error is not None:
            self.error = self._after.error
            return
        try:
            self._result = (self._operation(db),)
        except OrderEngineError as error:
            self.error = error

    def fail(self, error: Exception) -> None:
        """Make this the outcome, whatever it was before."""
        self._result, self.error = None, error

    def end(self) -> None:
        """Wake who waits, or tell who does not that it was done."""
        self.has_ended = True
        self._after = None  # no chain of them is kept alive
        if self._waiter is not None:
            if not self._waiter.done():  # the caller may have been cancelled
                self._waiter.set_result(None)
        elif self._on_done is not None and self._result is not None:
            # What it raises must not keep the others of the group waiting.
            asyncio.get_running_loop().call_soon(self._on_done)

    async def outcome(self) -> T:
        """Wait until it was done; return or raise what became of it."""
        if self._waiter is not None:
            await self._waiter
        if self.error is not None:
            raise self.error
        if self._result is None:
            raise InvariantViolated("an operation was never run")
        return self._result[0]


class GroupCommit:
    """Run operations on one connection, in groups.

    Args:
        db: in autocommit mode and with no busy timeout of its own; nobody else uses it.
        capacity: how many operations may wait.
        wait_s: how long a group waits while other processes write.
    """

    def __init__(self, db: sqlite3.Connection, *, capacity: int, wait_s: float) -> None:
        self._db = db
        self._wait_s = wait_s
        self._capacity = capacity
        self._pending: deque[_Pending[Any]] = deque()
        self._work = anyio.Event()
        self._is_closed = False
        self._one_thread = anyio.CapacityLimiter(1)

    async def run(self, operation: Operation[T], *, first: bool = False, after: object = None) -> T:
        """Run an operation with others in one transaction; return once that is committed.

        A caller that is cancelled while it waits has taken nothing back: the operation may still
        be committed.

        Args:
            operation: looks before it writes.
            first: do it before all that waits, for what must not be late.
            after: what ``begin`` returned: if that operation was refused, so is this.

        Raises:
            OrderEngineError: what the operation raised; it changed nothing.
            Unavailable: the database cannot be written now, or too much waits. Where the disk
                failed during the commit itself, it may have been stored all the same: look.
            InvariantViolated: the database refused what no operation of ours should ask.
        """
        return await self._add(operation, None, after, first=first).outcome()

    def begin(
        self, operation: Operation[T], on_done: Callable[[], None], after: object = None
    ) -> object:
        """Have an operation run without waiting; ``on_done`` is called once it is committed.

        Nobody is told if it is refused, but what is done ``after`` what this returns is refused
        too. Raises ``Unavailable`` where too much waits.
        """
        return self._add(operation, on_done, after)

    def _add(
        self,
        operation: Operation[T],
        on_done: Callable[[], None] | None,
        after: object,
        *,
        first: bool = False,
    ) -> _Pending[T]:
        if self._is_closed:
            raise Unavailable("the event store is closed")
        if len(self._pending) >= self._capacity:
            raise Unavailable(f"{self._capacity} writes wait for the database already")
        if isinstance(after, _Pending) and after.has_ended and after.error is not None:
            raise after.error
        pending = _Pending(operation, monotonic() + _PATIENCE_S, on_done, after)
        if first:
            self._pending.appendleft(pending)
        else:
            self._pending.append(pending)
        self._work.set()
        return pending

    def close(self) -> None:
        """Take no more operations, and let ``serve`` return once those that wait are done."""
        self._is_closed = True
        self._work.set()

    async def serve(self) -> None:
        """Commit group after group until ``close``, also while cancelled: callers wait for it."""
        with anyio.CancelScope(shield=True):
            try:
                while self._pending or not self._is_closed:
                    if not self._pending:
                        self._work = anyio.Event()
                        await self._work.wait()
                        continue
                    if await self._commit_next() >= _CROWD and not self._is_closed:
                        await asyncio.sleep(_GATHER_S)
            finally:
                self._is_closed = True
                for pending in self._pending:
                    pending.fail(Unavailable("the event store stopped"))
                    pending.end()

    async def _commit_next(self) -> int:
        """Commit the next group; return how many operations it had."""
        now, group = monotonic(), list[_Pending[Any]]()
        taken = [self._pending.popleft() for _ in range(min(GROUP_MAX, len(self._pending)))]
        for pending in taken:
            if pending.until < now:
                pending.fail(Unavailable(f"the database was busy for {_PATIENCE_S:g} s"))
            else:
                group.append(pending)
        try:
            if group:
                commit = partial(_commit, self._db, group, self._wait_s)
                await to_thread.run_sync(commit, limiter=self._one_thread)
        finally:
            for pending in taken:
                pending.end()
        return len(taken)


def _commit(db: sqlite3.Connection, group: list[_Pending[Any]], wait_s: float) -> None:
    """Run a group in one transaction; give every operation its outcome and raise nothing."""
    try:
        # A plain BEGIN could fail later, when it first writes.
        execute_when_free(db, "BEGIN IMMEDIATE", wait_s)
        for pending in group:
            pending.attempt(db)
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        _roll_back(db)
        for pending in group:
            pending.fail(Unavailable(f"the database cannot be written: {error}"))
    except Exception as error:  # noqa: BLE001  (the operation's caller gets it)
        _roll_back(db)
        if len(group) == 1:
            group[0].fail(_explained(error))
            return
        for pending in group:
            _commit(db, [pending], wait_s)


def _explained(error: Exception) -> Exception:
    if not isinstance(error, (sqlite3.Error, OverflowError)):  # a number beyond 64 bits
        return error
    explained = InvariantViolated(f"the database refused a write: {error}")
    explained.__cause__ = error
    return explained


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:  # some errors end the transaction by themselves
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
