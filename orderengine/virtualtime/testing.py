"""Run async tests and fixtures of anyio's pytest plugin in virtual time.

One task runs all of a test's fixtures and the test itself, so that they share context variables and
may enter a cancel scope in one and leave it in another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import copy_context
from types import TracebackType
from typing import Any, TypeVar

import anyio.abc

from orderengine.virtualtime.kernel import Kernel, current_task, park
from orderengine.virtualtime.tasks import MainTask, Outcome

__all__ = ["TestRunner"]

T = TypeVar("T")


class TestRunner(anyio.abc.TestRunner):
    """Implement anyio's test runner; see there."""

    __test__ = False

    def __init__(self, options: dict[str, Any]) -> None:
        if options:
            raise ValueError(f"the backend has no options, was given {', '.join(options)}")
        self._kernel = Kernel()
        self._runner: MainTask | None = None
        self._jobs: deque[tuple[Awaitable[Any], Outcome]] = deque()
        self._is_running = False
        self._is_closing = False

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._is_closing = True
        if self._runner is not None and not self._runner.outcome:
            self._drive(self._runner, self._runner.outcome)
        self._kernel.unwind()

    def is_running(self) -> bool:
        """Return whether a test or a fixture is being run."""
        return self._is_running

    def _drive(self, runner: MainTask, outcome: Outcome) -> None:
        if runner.is_parked:
            self._kernel.wake(runner)
        self._is_running = True
        try:
            self._kernel.drive(outcome)
        except BaseException:
            self._kernel.unwind()
            raise
        finally:
            self._is_running = False

    async def _run_jobs(self) -> None:
        kernel, task = self._kernel, current_task()
        while not self._is_closing:
            while self._jobs:
                awaitable, outcome = self._jobs.popleft()
                try:
                    outcome.append((await awaitable, None))
                except BaseException as error:  # noqa: BLE001  (the caller raises it)
                    outcome.append((None, error))
                del awaitable, outcome
            if not self._is_closing:
                await park(kernel, task)
        await kernel.asyncgens.close()

    def _call(self, awaitable: Awaitable[T]) -> T:
        outcome: Outcome = []
        self._jobs.append((awaitable, outcome))
        if self._runner is None or self._runner.outcome:
            self._runner = MainTask(self._run_jobs(), "test runner", copy_context())
            self._kernel.spawn(self._runner)
        self._drive(self._runner, outcome)
        value, error = outcome.pop()
        if error is None:
            result: T = value
            return result
        try:
            raise error
        finally:
            del error

    def run_asyncgen_fixture(
        self,
        fixture_func: Callable[..., AsyncGenerator[T, Any]],
        kwargs: dict[str, Any],
    ) -> Iterable[T]:
        """Run an async generator fixture up to its yield, and later to its end."""
        generator = fixture_func(**kwargs)
        yield self._call(generator.asend(None))
        with suppress(StopAsyncIteration):
            self._call(generator.asend(None))
            self._call(generator.aclose())
            raise RuntimeError("Async generator fixture did not stop")

    def run_fixture(
        self, fixture_func: Callable[..., Coroutine[Any, Any, T]], kwargs: dict[str, Any]
    ) -> T:
        """Run an async fixture."""
        return self._call(fixture_func(**kwargs))

    def run_test(
        self, test_func: Callable[..., Coroutine[Any, Any, Any]], kwargs: dict[str, Any]
    ) -> None:
        """Run a test."""
        self._call(test_func(**kwargs))
