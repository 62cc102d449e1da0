"""Run a batch of tasks on a crew, and go on when a crew breaks, until each has an answer."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any, cast

from orderengine.errors import InvalidRequest, Unavailable
from orderengine.study.sweep.crews import Crew, CrewBroken, ExecutorCrew, ProcessCrew
from orderengine.study.sweep.task import Done, Failed

__all__ = ["ExecutorLike", "Means", "run_batch"]

ExecutorLike = Executor | Any
"""An executor, or a ``dask.distributed.Client``."""

_WAIT_S = 1.0
_SCHEME = "dask://"
_CONNECT_S = 10


class Means:
    """Say with what to run a batch, and open it; a context manager.

    Args:
        executor: None or ``"processes"`` for processes of our own; ``"dask://HOST:PORT"`` for a
            Dask scheduler; any executor; a Dask client.
        workers: how many processes of our own; None for one a core.
        task_s_max: a task that takes longer in a process of our own fails.

    Raises:
        InvalidRequest: none of these.
        Unavailable: no scheduler answers there.
    """

    def __init__(
        self, executor: ExecutorLike | str | None, workers: int | None, task_s_max: float
    ) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._workers = workers or cores or 1
        self._task_s_max = task_s_max
        self._client: Any = None
        self._is_own_client = False
        self._executor: Executor | None = None
        if isinstance(executor, Executor):
            self._executor = executor
        elif isinstance(executor, str) and executor.startswith(_SCHEME):
            self._client, self._is_own_client = _dask_client(executor), True
        elif hasattr(executor, "get_executor"):
            self._client = executor
        elif executor not in {None, "processes"}:
            expected = "processes, dask://HOST:PORT, an executor or a Dask client"
            raise InvalidRequest(f"executor: expected {expected}, found {executor!r}")
        if self._client is not None:
            self._executor = cast("Executor", self._client.get_executor(pure=False))

    def crew(self) -> Crew:
        """Return who runs the tasks."""
        return self.processes() if self._executor is None else ExecutorCrew(self._executor)

    def processes(self) -> Crew:
        """Return processes of our own: what goes on where an executor has died."""
        return ProcessCrew(self._workers, self._task_s_max)

    def close(self) -> None:
        """Let go of what was opened here; what the caller gave stays open."""
        if self._is_own_client:
            self._client.close()


def _dask_client(address: str) -> Any:  # noqa: ANN401  (Dask has no types)
    place = address.removeprefix(_SCHEME)
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidRequest(f"executor: expected dask://HOST:PORT, found {address!r}")
    try:
        from distributed import Client  # noqa: PLC0415  (the extra cluster)
    except ImportError:
        expected = "pip install 'orderengine[cluster]'"
        raise InvalidRequest(f"{address}: Dask is not installed: {expected}") from None
    try:
        return cast("Any", Client)(f"tcp://{place}", timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = type(error).__name__
        raise Unavailable(f"no Dask scheduler answers at {place} ({reason})") from None


def run_batch(
    numbers: Iterable[int],
    pack: Callable[[int], bytes],
    means: Means,
    ended: Callable[[int, Done | Failed], None],
) -> None:
    """Run tasks and tell of each that has ended, in the order in which they end.

    Where an executor breaks, the tasks that it held are run again by processes of our own, where
    the one that kills its process is known. On an error or Ctrl-C, work is stopped at once.

    Args:
        numbers: the tasks, each once.
        pack: makes a task's bytes when its turn comes.
        means: who runs them.
        ended: told of each number and its answer.
    """
    waiting, at_hand = deque(numbers), dict[int, None]()
    crew, is_whole = means.crew(), False
    try:
        while waiting or at_hand:
            try:
                if is_starting := bool(waiting) and crew.has_room:
                    at_hand[waiting[0]] = None
                    crew.start(waiting[0], pack(waiting[0]))
                    waiting.popleft()
                for number, answer in crew.ended(0.0 if is_starting else _WAIT_S):
                    del at_hand[number]
                    ended(number, answer)
            except CrewBroken:
                waiting = deque(dict.fromkeys([*at_hand, *waiting]))
                at_hand = {}
                crew.close(at_once=True)
                crew = means.processes()
        is_whole = True
    finally:
        crew.close(at_once=not is_whole)
