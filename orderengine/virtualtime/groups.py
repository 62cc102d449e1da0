"""Task groups: a block that waits for the tasks spawned in it, and ends them all if one fails."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context
from types import TracebackType
from typing import Any, Literal, Self

import anyio
from anyio import TaskHandle
from anyio.abc import TaskStatus
from anyio.abc._tasks import call_for_coroutine, get_callable_name, get_coro_name

from orderengine.virtualtime.kernel import (
    Cancelled,
    Task,
    current_kernel,
    current_task,
    give_way,
    park,
)
from orderengine.virtualtime.scopes import CancelScope

__all__ = ["TaskGroup"]


class _StartStatus(TaskStatus[Any]):
    """Join ``TaskGroup.start`` with the task that it waits for."""

    def __init__(self, group: TaskGroup, scope: CancelScope) -> None:
        self.group = group
        self.scope = scope
        self.task: Task | None = None
        self.waiters: dict[Task, None] = {}
        self.is_settled = False
        self.is_abandoned = False
        self.value: Any = None
        self.error: BaseException | None = None

    def started(self, value: object = None) -> None:
        """Tell the starter that the task has started; the task moves into the group's scope."""
        if self.is_abandoned:
            return
        if self.is_settled:
            raise RuntimeError("called 'started' twice on the same task status")
        self.value = value
        if self.task is not None:
            self.task.host_id = self.group.cancel_scope.host_id
            self.group.cancel_scope.adopt(self.task, self.scope)
        self.settle()

    def settle(self) -> None:
        self.is_settled = True
        kernel = current_kernel()
        for task in list(self.waiters):
            kernel.wake(task)
        self.waiters.clear()


class TaskGroup(anyio.abc.TaskGroup):
    """Implement anyio's task group; see there."""

    cancel_scope: CancelScope

    def __init__(self) -> None:
        self.cancel_scope = CancelScope()
        self._entered = False
        self._running: dict[Task, None] = {}
        self._errors: list[BaseException] = []
        self._closer: Task | None = None

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("TaskGroup cannot be entered more than once")
        self._entered = True
        self.cancel_scope.__enter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        if exc_val is not None:
            self.cancel_scope.cancel()
            if not isinstance(exc_val, Cancelled):
                self._errors.append(exc_val)
        left: BaseException | None = exc_val
        try:
            interrupted = await self._wait_for_tasks()
            left = left or interrupted
            if self._errors:
                left = BaseExceptionGroup("unhandled errors in a TaskGroup", self._errors)
            if left is exc_val:
                return self.cancel_scope.__exit__(exc_type, exc_val, exc_tb)
            if left is None or self.cancel_scope.__exit__(type(left), left, left.__traceback__):
                return True
            raise left from None
        finally:
            self._errors = []
            del left, exc_val, exc_tb

    async def _wait_for_tasks(self) -> BaseException | None:
        """Wait until no task is left; return the cancellation that came meanwhile, if any."""
        kernel, task = current_kernel(), current_task()
        interrupted: BaseException | None = None
        with CancelScope() as wait_scope:
            if not self._running:
                wait_scope.shield = True
                await give_way(kernel, task)
                return None
            while self._running:
                self._closer = task
                try:
                    await park(kernel, task)
                except Cancelled as error:
                    wait_scope.shield = True  # asking again would not make them end sooner
                    self.cancel_scope.cancel()
                    interrupted = error
                finally:
                    self._closer = None
        return interrupted

    def create_task(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> TaskHandle[Any]:
        """Spawn a task from a coroutine object."""
        if not isinstance(coro, Coroutine):
            raise TypeError(f"expected a coroutine, got {coro.__class__.__qualname__}")
        if not self._entered or not self.cancel_scope.is_active:
            coro.close()
            raise RuntimeError("This task group is not active; no new tasks can be started.")
        handle = TaskHandle(coro, get_coro_name(coro, name), cancel_scope=CancelScope())
        self._spawn(handle, self.cancel_scope, None, context)
        return handle

    def _spawn(
        self,
        handle: TaskHandle[Any],
        parent: CancelScope | None,
        status: _StartStatus | None,
        context: Context | None,
    ) -> Task:
        kernel = current_kernel()
        task = kernel.spawn(handle._run_coro(), handle.name, parent, context)
        task.host_id = self.cancel_scope.host_id
        if parent is not None:
            parent.add(task)
        self._running[task] = None
        scope = handle._cancel_scope

        def done(task: Task, value: object, error: BaseException | None) -> None:
            home = scope.parent if isinstance(scope, CancelScope) else None
            for place in (home, parent):
                if place is not None and place.tasks is not None:
                    place.tasks.pop(task, None)
            del self._running[task]
            self._note(error, status)
            if not self._running and self._closer is not None and self._closer.is_parked:
                kernel.wake(self._closer)

        task.on_done = done
        return task

    def _note(self, error: BaseException | None, status: _StartStatus | None) -> None:
        """Keep a task's error for the group, or give it to the ``start`` that waits for it."""
        if status is not None and not status.is_settled:
            if status.is_abandoned:
                return
            silent = RuntimeError("Child exited without calling task_status.started()")
            status.error = silent if error is None else error
            status.settle()
            return
        if error is None:
            return
        if not isinstance(error, Cancelled):
            self._errors.append(error)
        if not self.cancel_scope.is_effectively_cancelled:
            self.cancel_scope.cancel()

    async def start(
        self,
        func: Callable[..., Coroutine[Any, Any, Any]],
        *args: object,
        name: object = None,
        return_handle: Literal[False, True] = False,
    ) -> Any:  # noqa: ANN401  (anyio's signature)
        """Spawn a task and wait until it says that it has started.

        Until then the task belongs to the caller's scope, so cancelling the group leaves it alone.
        """
        if not self._entered or not self.cancel_scope.is_active:
            raise RuntimeError("This task group is not active; no new tasks can be started.")
        caller, scope = current_task(), CancelScope()
        status = _StartStatus(self, scope)
        coro = call_for_coroutine(func, args, task_status=status)
        handle: TaskHandle[Any, Any] = TaskHandle(
            coro, get_callable_name(func, name), cancel_scope=scope
        )
        parent = caller.scope
        status.task = self._spawn(handle, parent or self.cancel_scope, status, None)
        status.task.host_id = caller.id
        try:
            while not status.is_settled:
                status.waiters[caller] = None
                caller.waiters = status.waiters
                await park(current_kernel(), caller)
        except BaseException:
            status.is_abandoned = not status.is_settled
            if handle.status is TaskHandle.Status.PENDING:
                handle.cancel()
            with CancelScope(shield=True):
                await handle.wait()
            raise
        if status.error is not None:
            raise status.error
        if return_handle:
            handle._start_value = status.value
            return handle
        return status.value
