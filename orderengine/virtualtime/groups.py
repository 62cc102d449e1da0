"""Task groups: a block that waits for the tasks spawned in it, and ends them all if one fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from types import CoroutineType, TracebackType
from typing import Any, Literal, Self

import anyio
from anyio import TaskHandle
from anyio.abc import TaskStatus
from anyio.abc._tasks import call_for_coroutine, get_callable_name, get_coro_name

from orderengine.virtualtime.errors import Cancelled
from orderengine.virtualtime.kernel import (
    Kernel,
    checkpoint,
    current_kernel,
    current_task,
    give_way,
    park,
    wake_all,
)
from orderengine.virtualtime.scopes import CancelScope
from orderengine.virtualtime.sync import wait_in
from orderengine.virtualtime.tasks import Task

__all__ = ["TaskGroup"]

_NOT_ACTIVE = "This task group is not active; no new tasks can be started."


class _GroupTask(Task):
    """A task of a group, which does for its ``TaskHandle`` what a scope and an event would do.

    anyio's handle wraps the coroutine in another one to learn how it ends, in a cancel scope that
    hardly anybody cancels, and keeps an event that hardly anybody awaits. Here the task itself is
    told how it ended, makes the scope when it is first cancelled, and is the event: that halves
    what a task weighs.
    """

    __slots__ = ("_group", "_is_done", "_scope", "_status", "_waiters", "handle")

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any],
        name: str,
        context: Context | None,
        group: TaskGroup,
        status: _StartStatus | None,
    ) -> None:
        name = sys.intern(name)  # tasks of one function share it
        Task.__init__(self, coro, name, context or copy_context())
        self._group = group
        self._status = status
        self._is_done = False
        self._scope: CancelScope | None = None
        self._waiters: dict[Task, None] | None = None
        self.handle: Any = _make_handle(self)
        """The handle by which users see the task, until it has ended."""

    @property
    def parent_id(self) -> int | None:
        """The id of the task in whose code the group stands; before ``started()``, the caller's."""
        status = self._status
        if status is not None and not status.is_settled:
            return status.caller_id
        return self._group.cancel_scope.host_id

    def end(self, kernel: Kernel, value: object, error: BaseException | None) -> None:
        """Tell the handle and the group."""
        handle, self.handle = self.handle, None
        if error is None:
            handle._return_value = value  # noqa: SLF001  (as _make_handle)
        else:
            handle._exception = error  # noqa: SLF001  (as _make_handle)
        self._is_done = True
        if self._waiters:
            wake_all(kernel, self._waiters)
        if self.home is not None and self.home.tasks is not None:
            del self.home.tasks[self]
        if self._scope is not None:
            try:
                if self._scope.close(error):
                    error = None
            except BaseException as rest:  # noqa: BLE001  (what else the error held)
                error = rest
        self._group.note_end(kernel, error, self._status)

    # What the handle asks of its scope and of its event

    def cancel(self) -> None:
        if self._scope is None:
            self._scope = CancelScope.of_task(current_kernel(), self)
        self._scope.cancel()

    @property
    def cancel_called(self) -> bool:
        return self._scope is not None and self._scope.cancel_called

    def is_set(self) -> bool:
        return self._is_done

    async def wait(self) -> None:
        if self._is_done:
            await checkpoint(current_kernel(), current_task())
            return
        if self._waiters is None:
            self._waiters = {}
        await wait_in(self._waiters)


def _make_handle(task: _GroupTask) -> TaskHandle[Any, Any]:
    """Return the handle by which users see a task, without what its own ``__init__`` adds.

    anyio's backends fill and read the private fields of a handle: no public way leads there. A
    test notices when they change.
    """
    handle: Any = TaskHandle.__new__(TaskHandle)
    handle._coro = task.coro  # noqa: SLF001  (see above)
    handle._name = task.name  # noqa: SLF001
    handle._exception = None  # noqa: SLF001
    handle._cancel_scope = handle._finished_event = task  # noqa: SLF001
    made: TaskHandle[Any, Any] = handle
    return made


class _StartStatus(TaskStatus[Any]):
    """Join ``TaskGroup.start`` with the task that it waits for."""

    def __init__(self, group: TaskGroup, caller_id: int) -> None:
        self.group = group
        self.caller_id = caller_id
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
            self.group.cancel_scope.adopt(self.task)
        self.settle()

    def settle(self) -> None:
        """End the wait of the starter."""
        self.is_settled = True
        wake_all(current_kernel(), self.waiters)


class TaskGroup(anyio.abc.TaskGroup):
    """Implement anyio's task group; see there."""

    cancel_scope: CancelScope

    def __init__(self) -> None:
        self.cancel_scope = CancelScope()
        self._kernel: Kernel | None = None
        """The kernel in which it was entered."""
        self._unended = 0
        """How many tasks have not ended."""
        self._errors: list[BaseException] = []
        self._closer: Task | None = None

    async def __aenter__(self) -> Self:
        if self._kernel is not None:
            raise RuntimeError("TaskGroup cannot be entered more than once")
        self._kernel = current_kernel()
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
            if not self._unended:
                wait_scope.shield = True
                await give_way(kernel, task)
                return None
            while self._unended:
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
        if type(coro) is not CoroutineType and not isinstance(coro, Coroutine):
            raise TypeError(f"expected a coroutine, got {coro.__class__.__qualname__}")
        scope = self.cancel_scope
        if self._kernel is None or not scope.is_active:
            coro.close()
            raise RuntimeError(_NOT_ACTIVE)
        name = name if type(name) is str else get_coro_name(coro, name)
        return self._spawn(self._kernel, _GroupTask(coro, name, context, self, None), scope)

    def _spawn(self, kernel: Kernel, task: _GroupTask, scope: CancelScope) -> TaskHandle[Any, Any]:
        scope.add(task)
        self._unended += 1
        kernel.spawn(task)
        handle: TaskHandle[Any, Any] = task.handle
        return handle

    def note_end(
        self, kernel: Kernel, error: BaseException | None, status: _StartStatus | None
    ) -> None:
        """Count a task that has ended; keep its error, or give it to the ``start`` that waits."""
        self._unended -= 1
        if status is not None and not status.is_settled:
            if not status.is_abandoned:
                silent = RuntimeError("Child exited without calling task_status.started()")
                status.error = silent if error is None else error
                status.settle()
        elif error is not None:
            if not isinstance(error, Cancelled):
                self._errors.append(error)
            if not self.cancel_scope.is_effectively_cancelled:
                self.cancel_scope.cancel()
        closer = self._closer
        if not self._unended and closer is not None and closer.is_parked:
            kernel.wake(closer)

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
        kernel = self._kernel
        if kernel is None or not self.cancel_scope.is_active:
            raise RuntimeError(_NOT_ACTIVE)
        caller = current_task()
        status = _StartStatus(self, caller.id)
        coro = call_for_coroutine(func, args, task_status=status)
        task = _GroupTask(coro, get_callable_name(func, name), None, self, status)
        status.task = task
        handle = self._spawn(kernel, task, caller.scope or self.cancel_scope)
        try:
            while not status.is_settled:
                await wait_in(status.waiters)
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
            handle._start_value = status.value  # noqa: SLF001  (where anyio keeps it)
            return handle
        return status.value
