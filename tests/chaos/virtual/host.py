"""Be a process: a thing that is slow, stands still, dies at any await, and starts again.

Everything that a process asks of the outside passes ``Host.reach`` before it is done and again
after, under the name of the place. There the process may be killed or stopped. A killed one does
nothing more: its tasks are cancelled, and what they still ask for on their way out fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from orderengine import virtualtime
from orderengine.errors import InvariantViolated, OrderEngineError, Unavailable
from orderengine.execution.engine import Engine
from orderengine.execution.workers import Workers
from orderengine.service.clock import WallClock
from tests.chaos.virtual.chain import START_NS
from tests.chaos.virtual.items import Away, Freeze, Jump, Kill, Lag, LostAnswer, Mute, Slow
from tests.chaos.virtual.plan import Plan

__all__ = ["MS", "Host", "MachineTime", "Process", "running"]

T = TypeVar("T")

MS = 1_000_000
_ANSWER_S_MAX = 4.0
_TRAVELS_MAX = 20_000
"""A process that asks more often in its life goes round in circles, though no time passes."""

running: ContextVar[Process] = ContextVar("running")
"""Whose code runs now."""


class MachineTime:
    """Stand in for the module ``time`` where the service's clock reads it."""

    @staticmethod
    def time_ns() -> int:
        """Return the date that the machine of the running process believes."""
        return START_NS + virtualtime.now_ns() + running.get().date_error_ns

    @staticmethod
    def monotonic_ns() -> int:
        """Return a clock that never jumps."""
        return virtualtime.now_ns()


class MachineClock(WallClock):
    """Be the service's clock, but wait in virtual time: its own waits are asyncio's."""

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until a date; if it has come, only let others run."""
        await anyio.sleep(max(at_ns - self.now_ns(), 0) / 1e9)


class _Countdown:
    """Wait for the n-th passing of a place after an instant."""

    __slots__ = ("after_ns", "item", "left", "place")

    def __init__(self, item: Kill | Freeze | LostAnswer) -> None:
        self.item = item
        self.place = item.place
        self.left = item.nth
        self.after_ns = item.after_ms * MS


class Process:
    """Hold what outlives the deaths of a process: its name, and what will strike it.

    Args:
        number: its place in the plan.
        plan: what strikes it.
        struck: counts what did.
    """

    def __init__(self, number: int, plan: Plan, struck: Counter[str]) -> None:
        self.number = number
        self.role = plan.roles[number]
        self.name = f"{self.role}{number}"
        self.struck = struck
        self.host: Host | None = None
        self.lives = 0
        self.disturbed: list[tuple[int, int]] = []
        """From when to when it could not do its work."""
        self.skew_ns_max = 0
        """By how much the dates of any life of it were wrong."""
        mine = [item for item in plan.items if getattr(item, "process", None) in (number, -1)]
        self.strikes = [_Countdown(item) for item in mine if isinstance(item, Kill | Freeze)]
        self.lost = [_Countdown(item) for item in mine if isinstance(item, LostAnswer)]
        self._jumps = [item for item in mine if isinstance(item, Jump)]
        self._away = [item for item in mine if isinstance(item, Away)]
        self._slow = [item for item in mine if isinstance(item, Slow)]
        weather: list[Away | Slow] = [*self._away, *self._slow]
        for over in weather:
            self.disturb(over.at_ms * MS, over.for_ms)
        self._lags = [item for item in mine if isinstance(item, Lag)]
        self._mutes = [item for item in mine if isinstance(item, Mute)]
        self._waits = plan.seed * 1_000_003 + number * 7_919

    def disturb(self, from_ns: int, for_ms: int) -> None:
        """Take note that it cannot do its work for a while."""
        self.disturbed.append((from_ns, from_ns + for_ms * MS))

    @property
    def date_error_ns(self) -> int:
        """By how much the machine's date is wrong now."""
        now_ms = virtualtime.now_ns() // MS
        return sum(item.by_ms * MS for item in self._jumps if _lies_over(item, now_ms))

    @property
    def slots_behind(self) -> int:
        """How far the chain's node that is asked stands behind."""
        now_ms = virtualtime.now_ns() // MS
        behind = sum(item.slots for item in self._lags if _lies_over(item, now_ms))
        if behind:
            self.struck["lagging node"] += 1
        return behind

    def muted(self) -> Mute | None:
        """Return what keeps the node from answering now."""
        now_ms = virtualtime.now_ns() // MS
        return next((item for item in self._mutes if _lies_over(item, now_ms)), None)

    @property
    def is_cut_off(self) -> bool:
        """Whether the store does not answer."""
        if not self._away:
            return False
        now_ms = virtualtime.now_ns() // MS
        return any(_lies_over(item, now_ms) for item in self._away)

    def wait_s(self) -> float:
        """Return how long the way to the outside takes this time."""
        # A plain linear congruential step: this is drawn at every await.
        self._waits = waits = (self._waits * 6364136223846793005 + 1442695040888963407) % 2**64
        wait_ns = (waits >> 33) % (4 * MS)
        if self._slow:
            now_ms = virtualtime.now_ns() // MS
            for item in self._slow:
                if _lies_over(item, now_ms):
                    self.struck["slow"] += 1
                    wait_ns += item.by_ms * MS // 2
        return wait_ns / 1e9

    def lost_answer(self, place: str) -> str:
        """Return how this call of the store fails, empty if it does not."""
        for countdown in self.lost:
            if _is_due(countdown, place):
                self.lost.remove(countdown)
                assert isinstance(countdown.item, LostAnswer)
                self.disturb(virtualtime.now_ns(), 1_000)
                self.struck[f"lost answer, {countdown.item.kind}: {place}"] += 1
                return countdown.item.kind
        return ""

    def strike_at(self, place: str) -> Kill | Freeze | None:
        """Return what strikes the process here and now."""
        for countdown in self.strikes:
            if _is_due(countdown, place):
                self.strikes.remove(countdown)
                assert not isinstance(countdown.item, LostAnswer)
                return countdown.item
        return None

    async def request(self, handler: Callable[[Host, Engine], Awaitable[T]]) -> T:
        """Have a request answered by this process. Raises what it raises, or ``Unavailable``."""
        host = self.host
        if host is None or host.engine is None or host.group is None:
            raise Unavailable("connection refused")
        answer = _Answer()
        host.group.start_soon(host.serve, handler, answer)
        with anyio.move_on_after(_ANSWER_S_MAX):
            await answer.is_there.wait()
        if answer.error is not None:
            raise answer.error
        value: T = answer.value
        return value


def _lies_over(item: Away | Slow | Jump | Lag | Mute, now_ms: int) -> bool:
    return item.at_ms <= now_ms < item.at_ms + item.for_ms


def _is_due(countdown: _Countdown, place: str) -> bool:
    if countdown.place not in (place, "any") or virtualtime.now_ns() < countdown.after_ns:
        return False
    countdown.left -= 1
    return countdown.left <= 0


class _Answer:
    def __init__(self) -> None:
        self.is_there = anyio.Event()
        self.value: Any = None
        self.error: OrderEngineError | None = Unavailable("the connection broke")


class Host:
    """Be one life of a process, from its start to its death."""

    def __init__(self, process: Process, spawn: Callable[..., object]) -> None:
        self.process = process
        self.spawn = spawn
        """Starts what goes on without the process: a write that is under way."""
        self.scope = anyio.CancelScope()
        self.clock = MachineClock()
        process.lives += 1
        error_ns = abs(self.clock.now_ns() - START_NS - virtualtime.now_ns())
        if error_ns:
            process.struck["wrong date"] += 1
        process.skew_ns_max = max(process.skew_ns_max, error_ns)
        self.down_ms = 0
        self.engine: Engine | None = None
        self.group: TaskGroup | None = None
        """Where it answers requests; None until it does."""
        self.tasks: TaskGroup | None = None
        """What it does beside all else."""
        self.workers: Workers | None = None
        self._travels = 0
        self._is_dead = False
        self._thaw: anyio.Event | None = None

    async def travel(self, place: str) -> None:
        """Pass a place after the time that the way there takes."""
        self._travels += 1
        if self._travels > _TRAVELS_MAX:
            raise InvariantViolated(f"{self.process.name} asks without end, last at {place}")
        await anyio.sleep(self.process.wait_s())
        if self.process.strikes or self._thaw is not None or self._is_dead:
            await self.reach(place)

    async def reach(self, place: str) -> None:
        """Pass a place, or end or stop there."""
        if self.process.strikes and not self._is_dead:
            strike = self.process.strike_at(place)
            if isinstance(strike, Kill):
                self.process.struck[f"kill: {place}"] += 1
                self.kill(strike.down_ms)
            elif isinstance(strike, Freeze) and self._thaw is None:
                self.process.struck[f"freeze: {place}"] += 1
                self._thaw = anyio.Event()
                self.process.disturb(virtualtime.now_ns(), strike.for_ms)
                self.spawn(self._melt, self._thaw, strike.for_ms)
        if self._thaw is not None:
            await self._thaw.wait()
        if self._is_dead:
            await checkpoint()
            raise Unavailable("this process is dead")

    async def _melt(self, thaw: anyio.Event, for_ms: int) -> None:
        await anyio.sleep(for_ms / 1e3)
        self._thaw = None
        thaw.set()

    def kill(self, down_ms: int) -> None:
        """End this life here and now."""
        self._is_dead = True
        self.process.disturb(virtualtime.now_ns(), down_ms)
        self.down_ms = down_ms
        self.scope.cancel()

    async def serve(
        self, handler: Callable[[Host, Engine], Awaitable[Any]], answer: _Answer
    ) -> None:
        """Answer a request; if this life ends before that, the connection breaks."""
        assert self.engine is not None
        running.set(self.process)  # the task has the context of the user who asks
        try:
            await self.reach("request>")
            value = await handler(self, self.engine)
            await self.reach("request<")
            answer.value, answer.error = value, None
        except OrderEngineError as error:
            answer.error = Unavailable("the connection broke") if self._is_dead else error
        finally:
            answer.is_there.set()
