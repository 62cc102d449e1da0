"""Give tasks to whoever runs them: processes of our own, or an executor of the caller's.

A crew takes a task at a time and tells what has ended. Both kinds answer the same for the same
task, so a study's outcome does not depend on which one ran it.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor, Executor, Future
from io import FileIO
from queue import Empty, SimpleQueue
from typing import Protocol, cast

import msgspec

from orderengine.errors import Unavailable
from orderengine.study.sweep.task import Done, Failed, failed, run_task
from orderengine.study.sweep.worker import READY, read_frame, write_frame

__all__ = ["Crew", "CrewBroken", "ExecutorCrew", "ProcessCrew"]

Ended = tuple[int, Done | Failed]
"""A task's number, and its answer."""

_AT_HAND_MAX = 1_024
_FAREWELL_S = 5.0
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from orderengine.study.sweep.worker import main; main()"
)


class CrewBroken(Exception):
    """Say that an executor has died with the tasks it held; any of them may be why."""


class Crew(Protocol):
    """Run tasks, in any order."""

    @property
    def has_room(self) -> bool:
        """Whether another task may be started."""

    def start(self, number: int, task: bytes) -> None:
        """Start a task; only where there is room."""

    def ended(self, timeout_s: float) -> Iterable[Ended]:
        """Return what has ended since the last call, waiting for the first one if need be."""

    def close(self, *, at_once: bool) -> None:
        """Let go of all that was started; ``at_once`` ends also what is at work, where it can."""


class ExecutorCrew:
    """Run tasks on any ``concurrent.futures.Executor``; it stays the caller's to shut down."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._futures: dict[int, Future[Done | Failed]] = {}
        self._done: SimpleQueue[int] = SimpleQueue()

    @property
    def has_room(self) -> bool:
        """Whether fewer than a thousand tasks wait or run."""
        return len(self._futures) < _AT_HAND_MAX

    def start(self, number: int, task: bytes) -> None:
        """Submit a task."""
        try:
            future = self._executor.submit(run_task, task)
        except BrokenExecutor as error:
            raise CrewBroken(str(error)) from None
        except RuntimeError as error:  # it was shut down
            raise Unavailable(f"the executor takes no more work: {error}") from None
        self._futures[number] = future
        future.add_done_callback(lambda _: self._done.put(number))

    def ended(self, timeout_s: float) -> Iterable[Ended]:
        """Return what has ended since the last call."""
        found: list[Ended] = []
        try:
            found.append(self._answer(self._done.get(timeout=timeout_s or 1e-9)))
            while True:
                found.append(self._answer(self._done.get_nowait()))
        except Empty:
            return found

    def _answer(self, number: int) -> Ended:
        future = self._futures[number]
        if future.cancelled():  # not by us before the end: Dask does so when its scheduler is gone
            raise CrewBroken("the executor cancelled its work")
        error = future.exception()
        if isinstance(error, BrokenExecutor):
            raise CrewBroken(str(error))
        del self._futures[number]
        if error is None:
            return number, future.result()
        return number, failed(error)

    def close(self, *, at_once: bool) -> None:
        """Cancel what has not begun; what has cannot be stopped from here."""
        del at_once
        for future in list(self._futures.values()):
            future.cancel()


class _Worker:
    """Hold one worker process and the number of the task that it is at."""

    def __init__(self) -> None:
        path = msgspec.json.encode(sys.path).decode()
        environment = {"POLARS_MAX_THREADS": "1"} | os.environ
        self.process = subprocess.Popen(  # noqa: S603  (ourselves)
            [sys.executable, "-c", _START, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # so that a frame is waited for in the pipe, and never in a buffer
            env=environment,
        )
        self.incoming = cast("FileIO", self.process.stdin)
        self.answers = cast("FileIO", self.process.stdout)
        self.is_up = False
        self.number: int | None = None
        self.since_s = 0.0

    def stop(self, *, at_once: bool) -> int:
        """End the process and return its exit code; negative for a signal."""
        if at_once:
            self.process.kill()
        self.incoming.close()
        try:
            self.process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.answers.close()
        return self.process.returncode


class ProcessCrew:
    """Run tasks in fresh processes of this interpreter, one a core unless said otherwise.

    They need no guard around a script's main part, for they never import it. A process that dies
    takes one task with it, which is known, and is replaced.

    Args:
        workers: how many at once.
        task_s_max: a task that takes longer fails, and its process is killed.
    """

    def __init__(self, workers: int, task_s_max: float) -> None:
        self._size = workers
        self._task_s_max = task_s_max
        self._workers: list[_Worker] = []
        self._told: list[Ended] = []
        self._selector = selectors.DefaultSelector()

    @property
    def has_room(self) -> bool:
        """Whether a worker is idle, or another may be started."""
        return self._idle() is not None or len(self._workers) < self._size

    def _idle(self) -> _Worker | None:
        return next((worker for worker in self._workers if worker.number is None), None)

    def start(self, number: int, task: bytes) -> None:
        """Hand a task to an idle worker, or to a new one."""
        worker = self._idle()
        if worker is None:
            worker = _Worker()
            self._workers.append(worker)
            self._selector.register(worker.answers, selectors.EVENT_READ, worker)
        worker.number, worker.since_s = number, time.monotonic()
        try:
            write_frame(worker.incoming, task)
        except BrokenPipeError:
            self._lose(worker)

    def ended(self, timeout_s: float) -> Iterable[Ended]:
        """Return the answers that have come, and what dead or overdue workers were at."""
        wait_s = 0.0 if self._told else min(timeout_s, self._next_overdue_s())
        for key, _ in self._selector.select(wait_s):
            self._hear(key.data)
        for worker in list(self._workers):
            if worker.number is not None and self._left_s(worker) <= 0:
                self._lose(worker, f"took longer than {self._task_s_max:g} s and was stopped")
        found, self._told = self._told, []
        return found

    def _hear(self, worker: _Worker) -> None:
        frame = read_frame(worker.answers)
        if frame is None:
            self._lose(worker)
        elif not worker.is_up and frame == READY:
            worker.is_up = True
        elif worker.number is not None:
            answer = pickle.loads(frame)  # noqa: S301  (our own process wrote it)
            self._told.append((worker.number, answer))
            worker.number = None

    def _left_s(self, worker: _Worker) -> float:
        return worker.since_s + self._task_s_max - time.monotonic()

    def _next_overdue_s(self) -> float:
        left = [self._left_s(worker) for worker in self._workers if worker.number is not None]
        return max(0.0, min(left, default=0.0))

    def _lose(self, worker: _Worker, why: str = "") -> None:
        self._selector.unregister(worker.answers)
        self._workers.remove(worker)
        code = worker.stop(at_once=bool(why))
        if not worker.is_up and not why:
            raise Unavailable(f"a worker process ended before it was up, with {_ending(code)}")
        if worker.number is not None:
            said = why or f"its process ended with {_ending(code)}"
            self._told.append((worker.number, Failed("WorkerDied", said)))

    def close(self, *, at_once: bool) -> None:
        """End the workers; those at work are killed if they are to end at once."""
        self._selector.close()
        for worker in self._workers:
            if at_once:
                worker.process.kill()
        for worker in self._workers:
            worker.stop(at_once=at_once)
        self._workers.clear()


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}: perhaps out of memory" if name == "SIGKILL" else name
