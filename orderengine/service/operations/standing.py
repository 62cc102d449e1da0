"""Ask the database how lanes and processes stand, and keep each answer for a moment.

Balancers and monitors ask often and all at once; the database is asked once for all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import anyio

from orderengine.errors import Unavailable
from orderengine.model.order import Priority
from orderengine.service.operations.heartbeat import Process
from orderengine.storage.database import Database, Lane

__all__ = ["Standing"]

T = TypeVar("T")
_ANSWER_S_MAX = 1.0
_ERROR_KEPT_S = 0.25


class _Kept(Generic[T]):
    """Ask when the last answer is too old, one at a time, within a second."""

    def __init__(self, ask: Callable[[], Awaitable[T]], kept_s: float) -> None:
        self._ask = ask
        self._kept_s = kept_s
        self._until = 0.0
        self._answer: tuple[T] | None = None
        self._said = ""
        self._one = anyio.Lock()

    async def get(self) -> T:
        """Return the answer. Raises ``Unavailable``."""
        async with self._one:
            if self._until <= anyio.current_time():
                await self._renew()
            if self._answer is None:
                raise Unavailable(self._said)
            return self._answer[0]

    async def _renew(self) -> None:
        self._answer, self._said = None, f"no answer within {_ANSWER_S_MAX:g} s"
        try:
            with anyio.move_on_after(_ANSWER_S_MAX):
                self._answer = (await self._ask(),)
        except Unavailable as error:
            self._said = str(error)
        kept_s = _ERROR_KEPT_S if self._answer is None else self._kept_s
        self._until = anyio.current_time() + kept_s


class Standing:
    """Hold how things stood a moment ago; every method may raise ``Unavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        operations = database.operations
        self._answers = _Kept(database.orders.position, 0.25)
        self._lanes = _Kept(operations.lanes, 2.0)
        self._takeovers = _Kept(operations.takeovers, 2.0)
        self._processes = _Kept(self._ask_processes, 0.5)

    async def require_store(self) -> None:
        """Have the database answer, now or a quarter of a second ago."""
        await self._answers.get()

    async def lanes(self) -> Mapping[Priority, Lane]:
        """Return how each lane stood at most two seconds ago."""
        return await self._lanes.get()

    async def takeovers(self) -> int:
        """Return how many leases had run out under their holders two seconds ago or later."""
        return await self._takeovers.get()

    async def processes(self) -> Sequence[Process]:
        """Return what every process said of itself last, the silent ones too."""
        return await self._processes.get()

    async def _ask_processes(self) -> Sequence[Process]:
        found = [Process.of(beat) for beat in await self._database.operations.beats()]
        return [process for process in found if process is not None]
