"""Run coroutines on a clock that jumps: the loop under the anyio backend.

Theory of operation. A task is a coroutine with a context and a cancel scope. A task that waits has
registered itself somewhere (a timer, the waiters of an event) and yields to the kernel; whoever
ends the wait puts it at the end of the ready queue. When no task is ready, the clock moves to the
earliest timer. Time is an integer of nanoseconds from 0. Timers are ordered by ``(when, sequence)``,
so those set first for an instant fire first, and nothing else decides an order: no hash, no id, no
real clock. The same program therefore takes the same steps everywhere.

Cancellation is level-triggered: as long as a scope around a task is cancelled, every wait that the
task begins or is in ends with ``Cancelled``. A task whose wait was already over keeps what it was
given; a lock or an item handed to it is never lost.
"""

from __future__ import annotations

import math
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orderengine.virtualtime.scopes import CancelScope

__all__ = ["Cancelled", "Deadlock", "Kernel", "Task", "current_kernel", "current_task", "give_way", "park", "sleep_ns"]

_NS = 1_000_000_000
_UNWIND_STEPS_MAX = 1_000_000


class Cancelled(BaseException):
    """Be raised in a task where it waits, because a scope around it was cancelled."""


class Deadlock(RuntimeError):
    """Say that every task waits for another one and no timer is set; names them and their places."""


class Task:
    """Hold a coroutine and where it stands."""

    __slots__ = (
        "__weakref__",
        "context",
        "coro",
        "error",
        "host_id",
        "id",
        "is_parked",
        "name",
        "on_done",
        "scope",
        "timer",
        "waiters",
    )

    def __init__(
        self,
        number: int,
        coro: Coroutine[Any, Any, Any],
        name: str,
        context: Context,
        scope: CancelScope | None,
    ) -> None:
        self.id = number
        self.coro = coro
        self.name = name
        self.context = context
        self.scope = scope
        self.host_id: int | None = None
        self.error: BaseException | None = None
        """What to raise in the task when it runs next."""
        self.is_parked = False
        self.timer = 0
        """The sequence number of the timer that will wake it; 0 for none."""
        self.waiters: dict[Task, None] | None = None
        """Where it waits, to be taken out if it is cancelled."""
        self.on_done: Any = None
        """Called with (task, error) at the end."""

    def where(self) -> str:
        """Return the innermost place of the coroutine outside this backend and anyio."""
        found, awaited = "not started", self.coro
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
            if frame is not None:
                module = frame.f_globals.get("__name__", "")
                if not module.startswith(("anyio", "orderengine.virtualtime")):
                    found = f"{frame.f_code.co_qualname} at {frame.f_code.co_filename}:{frame.f_lineno}"
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        return found


class _Running(threading.local):
    kernel: Kernel | None = None


_running = _Running()


def current_kernel() -> Kernel:
    """Return the kernel that runs in this thread; raises RuntimeError if there is none."""
    kernel = _running.kernel
    if kernel is None:
        raise RuntimeError("no virtual-time loop is running in this thread")
    return kernel


def current_task() -> Task:
    """Return the task that runs now; raises RuntimeError outside of one."""
    task = current_kernel().current
    if task is None:
        raise RuntimeError("no virtual-time task is running")
    return task


@types.coroutine
def park(kernel: Kernel, task: Task) -> Generator[None, None, None]:
    """Wait until woken; the task has registered itself where it will be woken.

    Raises:
        Cancelled: a scope around the task is cancelled, before or meanwhile.
    """
    task.is_parked = True
    if kernel.cancelled_scopes and task.scope is not None and task.scope.is_effectively_cancelled:
        kernel.interrupt(task)
    yield


@types.coroutine
def give_way(kernel: Kernel, task: Task) -> Generator[None, None, None]:
    """Let the tasks that are ready now run first; does not look at cancellation."""
    kernel.ready.append(task)
    yield


@types.coroutine
def sleep_ns(wait_ns: int | None) -> Generator[None, None, None]:
    """Wait for a number of nanoseconds above 0, or for ever.

    Raises:
        Cancelled: as ``park`` does.
    """
    kernel = _running.kernel
    task = None if kernel is None else kernel.current
    if kernel is None or task is None:
        raise RuntimeError("no virtual-time task is running")
    if wait_ns is not None:
        task.timer = kernel.set_timer(task, kernel.now_ns + wait_ns)
    task.is_parked = True
    if kernel.cancelled_scopes and task.scope is not None and task.scope.is_effectively_cancelled:
        kernel.interrupt(task)
    yield


class Kernel:
    """Run tasks and timers; ``run`` drives it until a task has ended."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.ready: deque[Task] = deque()
        self.current: Task | None = None
        self.tasks: dict[Task, None] = {}
        """Every task that has not ended, in spawn order."""
        self.cancelled_scopes = 0
        """Cancelled scopes that tasks are inside of; while 0, no wait need look for one."""
        self.idle_waiters: list[Task] = []
        """Tasks to wake when nothing else is ready, before the clock moves."""
        self._timers: list[tuple[int, int, Task | CancelScope]] = []
        self._sequence = 0
        self._stale_timers = 0
        self._task_count = 0
        self._asyncgens: dict[int, weakref.ref[AsyncGenerator[Any, Any]]] = {}

    def spawn(
        self,
        coro: Coroutine[Any, Any, Any],
        name: str,
        scope: CancelScope | None,
        context: Context | None = None,
    ) -> Task:
        """Make a task and let it start after those that are ready now."""
        self._task_count += 1
        task = Task(self._task_count, coro, name, context or copy_context(), scope)
        self.tasks[task] = None
        self.ready.append(task)
        return task

    def set_timer(self, target: Task | CancelScope, when_ns: int) -> int:
        """Wake a task, or cancel a scope, at an instant; returns the timer's number."""
        self._sequence += 1
        heappush(self._timers, (when_ns, self._sequence, target))
        return self._sequence

    def drop_timer(self) -> None:
        """Count a timer that no longer matters, and clear the heap when most of it does not."""
        self._stale_timers += 1
        if self._stale_timers > 1_000 and self._stale_timers * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].timer == entry[1]]
            heapify(self._timers)
            self._stale_timers = 0

    def wake(self, task: Task) -> None:
        """End a task's wait."""
        task.is_parked = False
        task.waiters = None
        self.ready.append(task)

    def interrupt(self, task: Task) -> None:
        """End a parked task's wait with ``Cancelled``; does nothing to a task that is not waiting."""
        if not task.is_parked:
            return
        if task.waiters is not None:
            task.waiters.pop(task, None)
        if task.timer:
            task.timer = 0
            self.drop_timer()
        scope = task.scope
        task.error = Cancelled(scope.reason_found() if scope is not None else "cancelled")
        self.wake(task)

    def run(self, main: Task) -> Any:  # noqa: ANN401  (the coroutine's own result)
        """Run until ``main`` has ended; return its result or raise its error.

        Raises:
            Deadlock: no task is ready and no timer is set.
        """
        outcome: list[tuple[Any, BaseException | None]] = []
        main.on_done = lambda task, value, error: outcome.append((value, error))
        try:
            self.drive(outcome)
        except BaseException:
            self.unwind()
            raise
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    def drive(self, outcome: list[Any]) -> None:
        """Run tasks and move the clock until something stands in ``outcome``."""
        ready, step = self.ready, self.step
        before, _running.kernel = _running.kernel, self
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._first_iteration, self._finalise)
        try:
            while not outcome:
                while ready:
                    step(ready.popleft())
                    if outcome:
                        return
                if self.idle_waiters:
                    waiting, self.idle_waiters = self.idle_waiters, []
                    for task in waiting:
                        if task.is_parked:
                            self.wake(task)
                elif not self._advance():
                    raise Deadlock(self._say_deadlock())
        finally:
            sys.set_asyncgen_hooks(*hooks)
            _running.kernel = before

    def step(self, task: Task) -> None:
        """Run a task up to its next wait or its end."""
        self.current = task
        error = task.error
        try:
            if error is None:
                task.context.run(task.coro.send, None)
            else:
                task.error = None
                task.context.run(task.coro.throw, error)
        except StopIteration as stop:
            self._end(task, stop.value, None)
        except (KeyboardInterrupt, SystemExit) as raised:
            self._end(task, None, raised)
            raise
        except BaseException as raised:  # noqa: BLE001  (a task may end with any error)
            self._end(task, None, raised)
        finally:
            self.current = None
            error = None

    def _end(self, task: Task, value: object, error: BaseException | None) -> None:
        self.current = None
        del self.tasks[task]
        if task.on_done is not None:
            done, task.on_done = task.on_done, None
            done(task, value, error)

    def _advance(self) -> bool:
        """Move the clock to the earliest timer and fire all of that instant; False without one."""
        timers = self._timers
        while timers:
            when_ns, number, target = heappop(timers)
            if target.timer != number:
                self._stale_timers -= 1
                continue
            self.now_ns = max(self.now_ns, when_ns)
            self._fire(target)
            while timers and timers[0][0] <= when_ns:
                _, number, target = heappop(timers)
                if target.timer == number:
                    self._fire(target)
                else:
                    self._stale_timers -= 1
            return True
        return False

    def _fire(self, target: Task | CancelScope) -> None:
        target.timer = 0
        if isinstance(target, Task):
            self.wake(target)
        else:
            target.cancel("deadline exceeded")

    def _say_deadlock(self) -> str:
        parked = [f"{task.name} waits in {task.where()}" for task in list(self.tasks)[:10]]
        more = len(self.tasks) - len(parked)
        rest = f", and {more} more" if more > 0 else ""
        return f"every task waits and no timer is set: {'; '.join(parked)}{rest}"

    def unwind(self) -> None:
        """End every task that is left, by cancelling it, or by closing it if it will not end."""
        self.idle_waiters.clear()
        before, _running.kernel = _running.kernel, self
        try:
            for _ in range(_UNWIND_STEPS_MAX):
                for task in list(self.tasks):
                    self.interrupt(task)
                if not self.ready:
                    break
                try:
                    self.step(self.ready.popleft())
                except (KeyboardInterrupt, SystemExit):
                    continue
            for task in list(self.tasks):
                task.coro.close()
            self.tasks.clear()
            self.ready.clear()
            self._timers.clear()
        finally:
            _running.kernel = before

    async def close_asyncgens(self) -> None:
        """Close the async generators that were left unfinished."""
        while self._asyncgens:
            for key, reference in list(self._asyncgens.items()):
                del self._asyncgens[key]
                generator = reference()
                if generator is not None:
                    await generator.aclose()

    def _first_iteration(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens[id(generator)] = weakref.ref(generator)

    def _finalise(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.pop(id(generator), None)
        self.spawn(generator.aclose(), "close async generator", None)


def to_ns(seconds: float) -> int:
    """Return nanoseconds, rounded to the nearest; the argument is finite."""
    return round(seconds * _NS)


def is_forever(seconds: float) -> bool:
    """Return whether a time never comes."""
    return seconds == math.inf
