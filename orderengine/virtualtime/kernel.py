"""Run coroutines on a clock that jumps: the loop under the anyio backend.

Theory of operation. A task that waits has registered itself somewhere (a timer, the waiters of an
event) and yields to the kernel; whoever ends the wait puts it at the end of the ready queue. When
no task is ready, the clock moves to the earliest timer. Time is an integer of nanoseconds from 0.
Timers are ordered by ``(when, sequence)``: a heap holds the instants, and each instant the timers
set for it, first come, first served. Nothing else decides an order: no hash, no id, no real clock.
The same program therefore takes the same steps everywhere.

Cancellation is level-triggered: as long as a scope around a task is cancelled, every wait that the
task begins or is in ends with ``Cancelled``. A task whose wait was already over keeps what it was
given; a lock or an item handed to it is never lost.

However a run ends, ``unwind`` then ends the tasks that are left, as a cancelled scope around them
all would that no shield keeps out, so that no coroutine stays behind half-done.
"""

from __future__ import annotations

import logging
import sys
import threading  # noqa: TID251  (each thread may drive a kernel of its own)
from collections import deque
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

import sniffio

from orderengine.virtualtime.asyncgens import AsyncGenerators
from orderengine.virtualtime.errors import Cancelled, Deadlock, NoVirtualTime
from orderengine.virtualtime.interrupts import interrupt_in, interrupted_between_steps
from orderengine.virtualtime.tasks import MainTask, Outcome, Task

__all__ = [
    "NAME",
    "Kernel",
    "VirtualClock",
    "checkpoint",
    "current_kernel",
    "current_task",
    "current_time",
    "give_way",
    "park",
    "sleep",
    "to_ns",
    "wake_all",
]

NAME = "virtualtime"
"""What anyio and sniffio know the backend by."""

NS = 1_000_000_000
"""Nanoseconds in a second."""
_STALE_MAX = 1_000
_INTERRUPTS_MAX = 100
"""How often a task that is being ended may wait once more before its coroutine is closed."""

_NO_LOOP = "no virtual-time loop is running in this thread"
_NO_TASK = "no virtual-time task is running"

_log = logging.getLogger(__name__)


class _Pause(tuple[object, ...]):
    """Yield its one item to the kernel when awaited.

    A coroutine would do the same with 200 bytes a waiting task; a tuple's iterator has 48.
    """

    __slots__ = ()
    __await__ = tuple.__iter__


_WAITS = object()
"""What a task yields when it waits for the kernel, and nobody else yields."""

_PAUSE: Awaitable[None] = _Pause((_WAITS,))  # type: ignore[assignment]  # any iterator will do


class _Running(threading.local):
    kernel: Kernel | None = None


_running = _Running()


def current_kernel() -> Kernel:
    """Return the kernel that runs in this thread; raises RuntimeError if there is none."""
    kernel = _running.kernel
    if kernel is None:
        raise RuntimeError(_NO_LOOP)
    return kernel


def current_task() -> Task:
    """Return the task that runs now; raises RuntimeError outside of one."""
    task = current_kernel().current
    if task is None:
        raise RuntimeError(_NO_TASK)
    return task


def current_time() -> float:
    """Return the virtual time in seconds."""
    kernel = _running.kernel
    if kernel is None:
        raise RuntimeError(_NO_LOOP)
    return kernel.now_ns / NS


class VirtualClock:
    """Tell dates in the run that it is made in, and wait for them, to the nanosecond.

    Args:
        start_ns: the date at which virtual time is 0, nanoseconds since the Unix epoch.
    """

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._kernel = current_kernel()
        self._seen_ns = -1
        self._date_ns = 0

    def now_ns(self) -> int:
        """Return the date, nanoseconds since the Unix epoch: at one instant, always one object."""
        now_ns = self._kernel.now_ns
        if now_ns is not self._seen_ns:
            self._seen_ns = now_ns
            self._date_ns = self._start_ns + now_ns
        return self._date_ns

    def sleep_until(self, at_ns: int) -> Awaitable[None]:
        """Wait until a date; if it has come, let others run.

        Raises:
            Cancelled: a scope around the task is cancelled, before or meanwhile.
        """
        kernel = self._kernel
        task = kernel.current
        if task is None:
            raise RuntimeError(_NO_TASK)
        return _sleep_until(kernel, task, at_ns - self._start_ns)


def sleep(seconds: float) -> Awaitable[None]:
    """Wait for some time, rounded to the nearest nanosecond; with 0, let others run.

    Raises:
        Cancelled: a scope around the task is cancelled, before or meanwhile.
    """
    kernel = _running.kernel
    task = None if kernel is None else kernel.current
    if kernel is None or task is None:
        raise RuntimeError(_NO_TASK)
    try:
        wait_ns = round(seconds * NS)
    except OverflowError:  # later than any time
        return park(kernel, task)
    return _sleep_until(kernel, task, kernel.now_ns + wait_ns)


def _sleep_until(kernel: Kernel, task: Task, when_ns: int) -> Awaitable[None]:
    if when_ns <= kernel.now_ns:
        return checkpoint(kernel, task)
    if when_ns in kernel.timers:
        kernel.set_timer(task, when_ns)
    else:  # as a rule; the same without a call
        kernel.timers[when_ns] = task
        heappush(kernel.instants, when_ns)
        task.timer = when_ns
    task.is_parked = True
    if kernel.cancelled_scopes and kernel.is_to_end(task):
        kernel.interrupt(task)
    return _PAUSE


def park(kernel: Kernel, task: Task) -> Awaitable[None]:
    """Wait until woken; the task has registered itself where it will be woken.

    Raises:
        Cancelled: as ``sleep`` does.
    """
    task.is_parked = True
    if kernel.cancelled_scopes and kernel.is_to_end(task):
        kernel.interrupt(task)
    return _PAUSE


def give_way(kernel: Kernel, task: Task) -> Awaitable[None]:
    """Let the tasks that are ready now run first; does not look at cancellation."""
    if kernel.interrupts is None or kernel.may_go_on(task):
        kernel.ready.append(task)
    return _PAUSE


async def checkpoint(kernel: Kernel, task: Task) -> None:
    """Let the tasks that are ready now run first.

    Raises:
        Cancelled: as ``sleep`` does.
    """
    await give_way(kernel, task)
    if kernel.cancelled_scopes and kernel.is_to_end(task):
        raise kernel.cancellation(task)


def wake_all(kernel: Kernel, waiters: dict[Task, None]) -> None:
    """Wake all who wait, in the order in which they came."""
    for task in waiters:
        kernel.wake(task)
    waiters.clear()


class _TimerTarget(Protocol):
    timer: int

    def fire(self, kernel: Kernel) -> None: ...


class Kernel:
    """Run tasks and timers, until told that an outcome is there."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.ready: deque[Task] = deque()
        self.current: Task | None = None
        self.tasks: dict[Task, None] = {}
        """Every task that has not ended, in spawn order."""
        self.cancelled_scopes = 0
        """Cancelled scopes that tasks are inside of; while 0, no wait need look for one."""
        self.idle_waiters: dict[Task, None] = {}
        """Tasks to wake when nothing else is ready, before the clock moves."""
        self.interrupts: dict[Task, int] | None = None
        """How often each task was interrupted since the run is being ended; None before."""
        self.instants: list[int] = []
        """A heap of the instants for which timers were set."""
        self.timers: dict[int, _TimerTarget | dict[_TimerTarget, None]] = {}
        """At each instant the one target, or more in the order in which they were set."""
        self._stale_instants = 0
        """Instants in the heap whose timers were all dropped."""
        self._task_count = 0
        self.asyncgens = AsyncGenerators(self)

    # Tasks

    def spawn(self, task: Task) -> None:
        """Let a task start after those that are ready now."""
        self._task_count = task.id = self._task_count + 1
        self.tasks[task] = None
        self.ready.append(task)

    def wake(self, task: Task) -> None:
        """End a task's wait."""
        task.is_parked = False
        task.waiters = None
        self.ready.append(task)

    def is_to_end(self, task: Task) -> bool:
        """Return whether every wait of the task ends with ``Cancelled``."""
        if self.interrupts is not None:
            return True
        return task.scope is not None and task.scope.is_effectively_cancelled

    def cancellation(self, task: Task) -> Cancelled:
        """Return what to raise in a task that is to end."""
        return Cancelled("the run is over" if task.scope is None else task.scope.reason_found())

    def interrupt(self, task: Task) -> None:
        """End a parked task's wait with ``Cancelled``; does nothing to one that is not waiting."""
        if not task.is_parked:
            return
        if task.timer:
            self.drop_timer(task)
        if self.interrupts is not None and not self.may_go_on(task):
            return
        if task.waiters is not None:
            task.waiters.pop(task, None)
        task.error = self.cancellation(task)
        self.wake(task)

    # Timers

    def set_timer(self, target: _TimerTarget, when_ns: int) -> None:
        """Call ``target.fire`` at a coming instant, after what was set for it before."""
        target.timer = when_ns
        found = self.timers.setdefault(when_ns, target)
        if found is target:
            heappush(self.instants, when_ns)
        elif isinstance(found, dict):
            found[target] = None
        else:
            self.timers[when_ns] = {found: None, target: None}

    def drop_timer(self, target: _TimerTarget) -> None:
        """Take a target's timer back."""
        when_ns, target.timer = target.timer, 0
        found = self.timers.get(when_ns)
        if found is None:
            return  # it is this instant that is being fired
        if isinstance(found, dict):
            del found[target]
            if found:
                return
        del self.timers[when_ns]
        self._stale_instants += 1
        if self._stale_instants > _STALE_MAX and self._stale_instants * 2 > len(self.instants):
            self.instants[:] = self.timers
            heapify(self.instants)
            self._stale_instants = 0

    # Running

    def run(self, main: MainTask) -> Any:  # noqa: ANN401  (the coroutine's own result)
        """Run until ``main`` has ended; return its result or raise its error.

        Raises:
            Deadlock: no task is ready and no timer is set.
            KeyboardInterrupt: as itself, not in the exception group that the tasks made of it.
        """
        self.spawn(main)
        with interrupted_between_steps(self.spawn):
            try:
                self.drive(main.outcome)
            finally:
                self.unwind()
        value, error = main.outcome.pop()
        if error is None:
            return value
        try:
            raise interrupt_in(error) or error
        finally:
            del error

    def drive(self, outcome: Outcome) -> None:
        """Run tasks and move the clock until something stands in ``outcome``.

        Raises:
            Deadlock: no task is ready and no timer is set.
        """
        with self._in_charge():
            if not self._run_tasks(outcome):
                places = [(task.name, task.where()) for task in self.tasks]
                raise Deadlock(self.now_ns, places)

    def _run_tasks(self, outcome: Outcome) -> bool:
        """Run until there is an outcome; return False if before that no task can go on."""
        ready = self.ready
        while not outcome:
            self.current = task = ready.popleft() if ready else self._next_task()
            if task is None:
                return False
            try:
                if task.error is None:
                    yielded = task.context.run(task.coro.send, None)
                else:
                    error, task.error = task.error, None
                    try:
                        yielded = task.context.run(task.coro.throw, error)
                    finally:
                        del error
                if yielded is not _WAITS:
                    self._refuse(task, yielded)
            except StopIteration as stop:
                self._end(task, stop.value, None)
            except (KeyboardInterrupt, SystemExit) as raised:
                self._end(task, None, raised)
                raise
            except BaseException as raised:  # noqa: BLE001  (a task may end with any error)
                self._end(task, None, raised)
        return True

    def _next_task(self) -> Task | None:
        """Wake who waits for the others to wait, or move the clock; None if nobody can go on."""
        if self.idle_waiters:
            wake_all(self, self.idle_waiters)
        instants, ready = self.instants, self.ready
        while instants and not ready:
            when_ns = heappop(instants)
            found = self.timers.pop(when_ns, None)
            if found is None:
                self._stale_instants -= 1
                continue
            self.now_ns = when_ns
            if isinstance(found, Task):  # as a rule; the same without the queue
                found.timer = 0
                found.is_parked = False
                return found
            self.current = None
            for target in found if isinstance(found, dict) else [found]:
                if target.timer:  # one that was fired before may have cancelled this one
                    target.fire(self)
        return ready.popleft() if ready else None

    def _end(self, task: Task, value: object, error: BaseException | None) -> None:
        self.current = None
        del self.tasks[task]
        task.end(self, value, error)

    def _refuse(self, task: Task, yielded: object) -> None:
        """Tell a task that it awaits something that only another event loop could end."""
        task.error = NoVirtualTime(
            f"{task.name} awaits {yielded!r}, which virtual time cannot end: use anyio's own "
            "functions in place of asyncio's or trio's, or run this code on asyncio"
        )
        self.ready.append(task)

    @property
    def is_in_charge(self) -> bool:
        """Whether this is the kernel that runs in this thread now."""
        return _running.kernel is self

    @contextmanager
    def _in_charge(self) -> Iterator[None]:
        """Make this the kernel of the thread, for us, for sniffio and for async generators."""
        kernel, name = _running.kernel, sniffio.thread_local.name
        hooks = sys.get_asyncgen_hooks()
        _running.kernel, sniffio.thread_local.name = self, NAME
        sys.set_asyncgen_hooks(self.asyncgens.note, self.asyncgens.finalise)
        try:
            yield
        finally:
            sys.set_asyncgen_hooks(*hooks)
            _running.kernel, sniffio.thread_local.name = kernel, name
            self.current = None

    def unwind(self) -> None:
        """End every task that is left, by cancelling it, or by closing it if it will not end."""
        if not self.tasks:
            return
        self.interrupts = {}
        self.cancelled_scopes += 1
        self.idle_waiters.clear()
        with self._in_charge():
            for task in list(self.tasks):
                self.interrupt(task)
            with suppress(KeyboardInterrupt, SystemExit):  # the second one: no more waiting
                self._run_tasks([])
            for task in list(self.tasks):
                self._close(task)
        self.tasks.clear()
        self.timers.clear()
        self.instants.clear()
        self._stale_instants = self.cancelled_scopes = 0
        self.interrupts = None

    def may_go_on(self, task: Task) -> bool:
        """Count that a task which is being ended waits once more; False if it did so too often."""
        if self.interrupts is None:
            return True
        self.interrupts[task] = times = self.interrupts.get(task, 0) + 1
        return times <= _INTERRUPTS_MAX

    def _close(self, task: Task) -> None:
        self.current = task
        try:
            task.context.run(task.coro.close)
        except BaseException:  # noqa: BLE001  (logged; the other tasks are to be closed too)
            _log.exception("%s did not let itself be ended", task.name)


def to_ns(seconds: float) -> int:
    """Return nanoseconds, rounded to the nearest.

    Raises:
        OverflowError: the time never comes.
    """
    return round(seconds * NS)
