"""Do many callers' operations in one statement.

A round trip and a commit take about as long for one row as for hundreds. So callers put what they
want done into a list and wait; one task a connection takes what has gathered, asks the database
once, and wakes them. While the database works, the next batch gathers: with one caller a batch is
one operation, with a thousand it is hundreds. One caller never waits for a timer; where many come,
a pause of 2 ms after each statement makes the next one larger, which saves more than it costs.

A batch is one statement, committed by itself, that gives each operation its own answer: being
refused is an answer. Two operations that touch the same thing never share a batch. Where the
statement fails for what one operation holds, or for a row that somebody else keeps locked, each is
done again alone, so that only the culprit fails; where the connection or the server is at fault,
all of the batch are told ``Unavailable``. So are all that wait where there is no connection to be
had: each would wait for one in its turn, and in vain.

Every wait ends: the list is bounded, a batch is bounded, a statement is bounded, and an operation
that has waited too long is not begun but told ``Unavailable``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from enum import Enum
from time import monotonic
from typing import Any, Generic, TypeVar

import anyio
from msgspec import Struct

from orderengine.errors import InvariantViolated, OrderEngineError, Unavailable
from orderengine.storage.postgres.connections import Link, Locked, Unreachable

__all__ = ["AGAIN", "Again", "Kind", "Line"]

T = TypeVar("T")
R = TypeVar("R")

BATCH_MAX = 512
"""Operations a statement: some 30 ms of the server's time."""
_PATIENCE_S = 10.0
_TRIES_MAX = 8
_LOCKED_MAX = 2
_CROWD = 4
"""A statement that did so many operations is followed by a pause, in which more gather."""
_GATHER_S = 0.002


class Again(Enum):
    """Say that another process was first, and the next statement will see what it wrote."""

    AGAIN = "again"


AGAIN = Again.AGAIN
_LEFT = object()


class Kind(Struct, Generic[T, R], frozen=True, eq=False):
    """Describe operations that can be done together."""

    run: Callable[[Link, Sequence[T]], Awaitable[Sequence[R | OrderEngineError | Again]]]
    """Do them in one statement; return one answer each, in their order."""
    touches: Callable[[T], tuple[Hashable, ...]]
    """Return what an operation touches; two with something in common are done one after another."""
    size: int = BATCH_MAX
    follows: Callable[[Any, T], bool] = lambda earlier, operation: False
    """Return whether an operation may be in the same statement as an earlier one that touches the
    same: the statement then does it after that one, or refuses both."""


class _Pending(Generic[T, R]):
    """Hold one operation, then what became of it.

    A future of asyncio, which the connection needs anyway, costs a fraction of an event of anyio.
    """

    __slots__ = ("after", "answer", "done", "on_done", "operation", "tries", "until")

    def __init__(
        self, operation: T, until: float, on_done: Callable[[], None] | None, after: object
    ) -> None:
        self.operation = operation
        self.after = after if isinstance(after, _Pending) else None
        """What this rests on."""
        self.until = until
        self.tries = 0
        self.answer: R | OrderEngineError | Again = AGAIN
        self.on_done = on_done
        self.done: asyncio.Future[None] | None = None
        if on_done is None:
            self.done = asyncio.get_running_loop().create_future()

    @property
    def refusal(self) -> OrderEngineError | None:
        """Why what this rests on was refused, which refuses this too."""
        before = None if self.after is None else self.after.answer
        return before if isinstance(before, OrderEngineError) else None

    def end(self) -> None:
        """Wake who waits, or tell who does not that it was done."""
        if self.on_done is not None and not isinstance(self.answer, OrderEngineError):
            # What it raises must not keep the others of the batch waiting.
            asyncio.get_running_loop().call_soon(self.on_done)
        self.after = None  # no chain of them is kept alive
        if self.done is not None and not self.done.done():  # the caller may have been cancelled
            self.done.set_result(None)

    async def outcome(self) -> R:
        """Wait until it was done; return or raise its answer."""
        if self.done is not None:
            await self.done
        if isinstance(self.answer, OrderEngineError):
            raise self.answer
        if isinstance(self.answer, Again):
            raise InvariantViolated("an operation was never done")
        return self.answer


class Line:
    """Do operations on one connection, batch after batch; kinds take turns.

    Args:
        link: the connection; nobody else uses it.
        capacity: how many operations may wait.
    """

    def __init__(self, link: Link, *, capacity: int) -> None:
        self._link = link
        self._capacity = capacity
        self._waiting: dict[Kind[Any, Any], deque[_Pending[Any, Any]]] = {}
        self._count = 0
        self._work = anyio.Event()
        self._is_closed = False

    def __len__(self) -> int:
        """Return how many operations wait or are being done."""
        return self._count

    async def do(self, kind: Kind[T, R], operation: T, after: object = None) -> R:
        """Do an operation with others in one statement; return once that is committed.

        A caller that is cancelled while it waits has taken nothing back: the operation may still
        be done.

        Args:
            kind: how it is done.
            operation: what.
            after: what ``begin`` returned: if that operation was refused, so is this.

        Raises:
            OrderEngineError: why it was refused; it changed nothing.
            Unavailable: the database cannot be used now, or too much waits. Where the connection
                broke, it may have been done all the same: look.
            InvariantViolated: the database refused what no operation of ours should ask.
        """
        return await self._add(kind, operation, None, after).outcome()

    async def do_all(self, kind: Kind[T, R], operations: Iterable[T]) -> list[R]:
        """Do operations together; return what each gave. Raises as ``do`` does."""
        waiting = [self._add(kind, operation) for operation in operations]
        return [await pending.outcome() for pending in waiting]

    def begin(
        self, kind: Kind[T, R], operation: T, on_done: Callable[[], None], after: object = None
    ) -> object:
        """Have an operation done without waiting; ``on_done`` is called once it is committed.

        Nobody is told if it is refused, but what is done ``after`` what this returns is refused
        too. Raises ``Unavailable`` where too much waits.
        """
        return self._add(kind, operation, on_done, after)

    def _add(
        self,
        kind: Kind[T, R],
        operation: T,
        on_done: Callable[[], None] | None = None,
        after: object = None,
    ) -> _Pending[T, R]:
        if self._is_closed:
            raise Unavailable("the database is closed")
        if self._count >= self._capacity:
            raise Unavailable(f"{self._capacity} operations wait for the database already")
        pending: _Pending[T, R] = _Pending(operation, monotonic() + _PATIENCE_S, on_done, after)
        if (refusal := pending.refusal) is not None:
            raise _ours(refusal)
        waiting = self._waiting.get(kind)
        if waiting is None:
            waiting = self._waiting[kind] = deque()
        waiting.append(pending)
        if not self._count:
            self._work.set()
        self._count += 1
        return pending

    def close(self) -> None:
        """Take no more operations, and let ``serve`` return once those that wait are done."""
        self._is_closed = True
        self._work.set()

    async def serve(self) -> None:
        """Do batch after batch until ``close``, also while cancelled: callers wait for it."""
        with anyio.CancelScope(shield=True):
            try:
                while self._count or not self._is_closed:
                    if not self._count:
                        self._work = anyio.Event()
                        await self._work.wait()
                        continue
                    done = 0
                    for kind, waiting in list(self._waiting.items()):
                        if waiting:
                            done += await self._do_next(kind, waiting)
                    if done >= _CROWD and not self._is_closed:
                        await asyncio.sleep(_GATHER_S)
            finally:
                self._is_closed = True
                self._end_waiting("the database was closed")
                await self._link.close()

    async def _do_next(self, kind: Kind[Any, Any], waiting: deque[_Pending[Any, Any]]) -> int:
        """Do the next batch; return how many operations it had."""
        batch = self._take(kind, waiting)
        try:
            if batch:
                await self._attempt(kind, batch)
        finally:
            again = [pending for pending in batch if pending.answer is AGAIN]
            waiting.extendleft(reversed(again))
            self._end([pending for pending in batch if pending.answer is not AGAIN])
        return len(batch)

    def _take(
        self, kind: Kind[Any, Any], waiting: deque[_Pending[Any, Any]]
    ) -> list[_Pending[Any, Any]]:
        """Take the next that have nothing in common; end those that have waited too long."""
        now = monotonic()
        touched: dict[Hashable, Any] = {}
        batch, left = list[_Pending[Any, Any]](), deque[Any]()
        while waiting and len(batch) < kind.size:
            pending = waiting.popleft()
            operation = pending.operation
            if (refusal := pending.refusal) is not None:
                self._end([pending], _ours(refusal))
                continue
            if pending.until < now or pending.tries >= _TRIES_MAX:
                self._end([pending], Unavailable("the database is busy: this waited too long"))
                continue
            touches, fits = kind.touches(operation), True
            for name in touches:
                if name in touched:
                    earlier = touched[name]
                    fits = fits and earlier is not _LEFT and kind.follows(earlier, operation)
            for name in touches:
                # What comes after one that is left on the same must not overtake it.
                touched[name] = operation if fits else _LEFT
            (batch if fits else left).append(pending)
        waiting.extendleft(reversed(left))
        return batch

    def _end(
        self, ended: Sequence[_Pending[Any, Any]], error: OrderEngineError | None = None
    ) -> None:
        for pending in ended:
            if error is not None:
                pending.answer = error
            self._count -= 1
            pending.end()

    async def _attempt(self, kind: Kind[Any, Any], batch: list[_Pending[Any, Any]]) -> None:
        for pending in batch:
            pending.tries += 1
        try:
            answers = await kind.run(self._link, [pending.operation for pending in batch])
        except Exception as error:  # noqa: BLE001  (the operation's caller gets it)
            if len(batch) > 1 and (isinstance(error, Locked) or not isinstance(error, Unavailable)):
                await self._attempt_each(kind, batch)
                return
            for pending in batch:
                pending.answer = _ours(error)
            if isinstance(error, Unreachable):
                self._end_waiting(str(error))
        else:
            for pending, answer in zip(batch, answers, strict=True):
                pending.answer = answer

    def _end_waiting(self, why: str) -> None:
        for waiting in self._waiting.values():
            for pending in waiting:
                self._end([pending], Unavailable(why))
            waiting.clear()

    async def _attempt_each(self, kind: Kind[Any, Any], batch: list[_Pending[Any, Any]]) -> None:
        """Do each alone; once several were locked out, leave the rest for later."""
        locked = 0
        for pending in batch:
            if (refusal := pending.refusal) is not None:
                pending.answer = _ours(refusal)
            elif locked < _LOCKED_MAX:
                await self._attempt(kind, [pending])
                locked += isinstance(pending.answer, Locked)
            else:
                pending.answer = Unavailable("the database is busy: much of it is locked")


def _ours(error: Exception) -> OrderEngineError:
    if isinstance(error, OrderEngineError):
        # Each caller raises one of its own.
        if isinstance(error, Locked):
            return Locked(*error.args)
        return Unavailable(*error.args) if type(error) in {Unavailable, Unreachable} else error
    ours = InvariantViolated(f"an operation broke: {type(error).__name__}: {error}")
    ours.__cause__ = error
    return ours
