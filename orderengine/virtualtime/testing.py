"""Run async tests and fixtures of anyio's pytest plugin in virtual time.

One task runs all of a test's fixtures and the test itself, so that they share context variables and
may enter a cancel scope in one and leave it in another.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

import anyio.abc
import sniffio

from orderengine.virtualtime.kernel import Kernel, Task, current_task, park

__all__ = ["TestRunner"]

T = TypeVar("T")

_Outcome = list[tuple[Any, BaseException | None]]


class TestRunner(anyio.abc.TestRunner):
    """Implement anyio's test runner; see there."""

    __test__ = False

    def __init__(self, options: dict[str, Any]) -> None:
        if options:
            raise ValueError(f"the backend has no options, was given {', '.join(options)}")
        self._kernel = Kernel()
        self._runner: Task | None = None
        self._jobs: list[tuple[Awaitable[Any], _Outcome]] = []
        self._is_running = False
        self._is_closing = False

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._is_closing = True
        if self._runner is not None and self._runner in self._kernel.tasks:
            ended: _Outcome = []
            self._runner.on_done = lambda task, value, error: ended.append((value, error))
            if self._runner.is_parked:
                self._kernel.wake(self._runner)
            self._drive(ended)
        self._kernel.unwind()

    def is_running(self) -> bool:
        """Return whether a test or a fixture is being run."""
        return self._is_running

    def _drive(self, outcome: _Outcome) -> None:
        before, sniffio.thread_local.name = sniffio.thread_local.name, "virtualtime"
        self._is_running = True
        try:
            self._kernel.drive(outcome)
        finally:
            self._is_running = False
            sniffio.thread_local.name = before

    async def _run_jobs(self) -> None:
        kernel, task = self._kernel, current_task()
        while not self._is_closing:
            while self._jobs:
                awaitable, outcome = self._jobs.pop(0)
                try:
                    outcome.append((await awaitable, None))
                except BaseException as error:  # noqa: BLE001  (the caller raises it)
                    outcome.append((None, error))
            if not self._is_closing:
                await park(kernel, task)
        await kernel.close_asyncgens()

    def _call(self, awaitable: Awaitable[T]) -> T:
        outcome: _Outcome = []
        self._jobs.append((awaitable, outcome))
        if self._runner is None or self._runner not in self._kernel.tasks:
            self._runner = self._kernel.spawn(self._run_jobs(), "test runner", None)
        elif self._runner.is_parked:
            self._kernel.wake(self._runner)
        try:
            self._drive(outcome)
        except BaseException:
            self._kernel.unwind()
            raise
        value, error = outcome[0]
        if error is not None:
            raise error
        result: T = value
        return result

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
