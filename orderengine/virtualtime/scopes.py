"""Cancel scopes: blocks of code that can be cancelled as one, by a call or by a deadline.

A scope knows the scope around it, the task inside it (its host), and the tasks that were spawned
into it. Cancelling it interrupts every task in it that waits and is not behind a shield, in the
order in which they were spawned.
"""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

import anyio

from orderengine.virtualtime.errors import Cancelled
from orderengine.virtualtime.kernel import NS, Kernel, current_kernel, to_ns
from orderengine.virtualtime.tasks import Task

__all__ = ["CancelScope"]


class CancelScope(anyio.CancelScope):
    """Implement anyio's cancel scope; see there."""

    __slots__ = (
        "_cancel_called",
        "_cancelled_caught",
        "_deadline",
        "_host",
        "_kernel",
        "_shield",
        "is_active",
        "parent",
        "reason",
        "tasks",
        "timer",
    )

    def __new__(cls, **_: object) -> Self:
        """Make a scope of our own; anyio's method would ask the backend for one."""
        return object.__new__(cls)

    def __init__(self, *, deadline: float = math.inf, shield: bool = False) -> None:
        if deadline != deadline:  # noqa: PLR0124  (only NaN differs from itself)
            raise ValueError("deadline must not be NaN")
        self._deadline = deadline
        self._shield = shield
        self._cancel_called = False
        self._cancelled_caught = False
        self.is_active = False
        """Whether its block is being executed."""
        self.reason = ""
        """Why it was cancelled."""
        self._kernel: Kernel | None = None
        self._host: Task | None = None
        self.parent: CancelScope | None = None
        self.tasks: dict[Task, None] | None = None
        """Tasks spawned into this scope."""
        self.timer = 0

    @classmethod
    def of_task(cls, kernel: Kernel, task: Task) -> CancelScope:
        """Return a new scope around all of a task, inside the one that it was spawned into."""
        scope = cls()
        scope._kernel, scope._host, scope.is_active = kernel, task, True
        _rehome(task, scope)
        scope.parent = task.home
        return scope

    def __enter__(self) -> Self:
        if self._host is not None:
            raise RuntimeError("Each CancelScope may only be used for a single 'with' block")
        kernel = current_kernel()
        host = kernel.current
        if host is None:
            raise RuntimeError("a cancel scope can only be entered inside a task")
        self._kernel, self._host = kernel, host
        self.parent = host.scope
        host.scope = self
        self.is_active = True
        if self._cancel_called:
            kernel.cancelled_scopes += 1
        elif self._deadline != math.inf:
            self._set_timer(kernel)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        kernel, host = self._kernel, self._host
        if not self.is_active or kernel is None or host is None:
            raise RuntimeError("This cancel scope is not active")
        if kernel.current is not host:
            raise RuntimeError(
                "Attempted to exit cancel scope in a different task than it was entered in"
            )
        if host.scope is not self:
            raise RuntimeError(
                "Attempted to exit a cancel scope that isn't the current tasks's current cancel "
                "scope"
            )
        host.scope = self.parent
        return self.close(exc_val)

    def close(self, error: BaseException | None) -> bool:
        """Stop being active; return whether the error was nothing but this scope's cancellation."""
        self.is_active = False
        kernel = self._kernel
        if kernel is None:
            return False
        if self.timer:
            kernel.drop_timer(self)
        if not self._cancel_called:
            return False
        kernel.cancelled_scopes -= 1
        if error is None or self._is_parent_cancelled:
            return False
        return self._swallow(error)

    def _swallow(self, error: BaseException) -> bool:
        """Take our cancellation out of an error; True if nothing else is left of it."""
        if isinstance(error, Cancelled):
            self._cancelled_caught = True
            return True
        if not isinstance(error, BaseExceptionGroup):
            return False
        ours, rest = error.split(Cancelled)
        if ours is None:
            return False
        self._cancelled_caught = True
        if rest is None:
            return True
        context = rest.__context__
        try:
            raise rest
        finally:
            rest.__context__ = context
            del rest, ours, context, error

    @property
    def is_effectively_cancelled(self) -> bool:
        """Whether this scope, or one around it that no shield hides, was cancelled."""
        scope: CancelScope | None = self
        while scope is not None:
            if scope.cancel_called:
                return True
            if scope.shield:
                return False
            scope = scope.parent
        return False

    @property
    def _is_parent_cancelled(self) -> bool:
        parent = self.parent
        return parent is not None and not self._shield and parent.is_effectively_cancelled

    def reason_found(self) -> str:
        """Return why this scope, or the one around it that did it, was cancelled."""
        scope: CancelScope | None = self
        while scope is not None:
            if scope.cancel_called:
                return scope.reason
            scope = None if scope.shield else scope.parent
        return "the run is over"

    def cancel(self, reason: str | None = None) -> None:
        """Cancel the scope; the tasks in it that wait are interrupted at once."""
        if self._cancel_called:
            return
        self._cancel_called = True
        kernel = self._kernel
        by = "" if kernel is None or kernel.current is None else f" by {kernel.current.name}"
        self.reason = f"cancelled{by}" + (f"; reason: {reason}" if reason else "")
        if kernel is None or not self.is_active:
            return
        if self.timer:
            kernel.drop_timer(self)
        kernel.cancelled_scopes += 1
        self._interrupt_tasks(kernel)

    def fire(self, kernel: Kernel) -> None:
        """Cancel the scope: its deadline has come."""
        self.timer = 0
        self._expire(kernel)

    def _expire(self, kernel: Kernel) -> None:
        # The nearest nanosecond may lie before the deadline as it was given. anyio's fail_after
        # looks whether that has passed, and would let the timeout pass in silence.
        self._deadline = min(self._deadline, kernel.now_ns / NS)
        self.cancel("deadline exceeded")

    def _interrupt_tasks(self, kernel: Kernel) -> None:
        for task in sorted(self._tasks_reached(), key=lambda task: task.id):
            kernel.interrupt(task)

    def _tasks_reached(self) -> list[Task]:
        """Return the tasks that are inside this scope and behind no shield."""
        found: list[Task] = []
        rest: list[tuple[Task, CancelScope]] = [(task, self) for task in self.tasks or ()]
        if self._host is not None:
            rest.append((self._host, self))
        while rest:
            task, outer = rest.pop()
            between: list[CancelScope] = []
            scope = task.scope
            while scope is not None and scope is not outer:
                between.append(scope)
                scope = scope.parent
            if scope is None:
                continue  # the task has left the scope
            for inner in reversed(between):
                if inner.shield:
                    break
                rest += [(child, inner) for child in inner.tasks or ()]
            else:
                found.append(task)
        return found

    def add(self, task: Task) -> None:
        """Take in a task that has not begun."""
        task.home = task.scope = self
        if self.tasks is None:
            self.tasks = {}
        self.tasks[task] = None

    def adopt(self, task: Task) -> None:
        """Move a task, with the scopes it is in, out of the scope it was spawned into."""
        home = task.home
        if home is self:
            return
        if home is not None and home.tasks is not None:
            del home.tasks[task]
        _rehome(task, self)
        task.home = self
        if self.tasks is None:
            self.tasks = {}
        self.tasks[task] = None
        if self._kernel is not None and self.is_effectively_cancelled:
            self._interrupt_tasks(self._kernel)

    @property
    def host_id(self) -> int | None:
        """The id of the task inside whose code the scope stands."""
        return None if self._host is None else self._host.id

    def _set_timer(self, kernel: Kernel) -> None:
        try:
            when_ns = to_ns(self._deadline)
        except OverflowError:
            when_ns = kernel.now_ns
            if self._deadline > 0:
                return  # later than any time
        if when_ns <= kernel.now_ns:
            self._expire(kernel)
        else:
            kernel.set_timer(self, when_ns)

    @property
    def deadline(self) -> float:
        """The virtual time in seconds at which the scope cancels itself."""
        return self._deadline

    @deadline.setter
    def deadline(self, value: float) -> None:
        value = float(value)
        if math.isnan(value):
            raise ValueError("deadline must not be NaN")
        self._deadline = value
        kernel = self._kernel
        if kernel is None:
            return
        if self.timer:
            kernel.drop_timer(self)
        if self.is_active and not self._cancel_called:
            self._set_timer(kernel)

    @property
    def cancel_called(self) -> bool:
        """Whether the scope was cancelled."""
        return self._cancel_called

    @property
    def cancelled_caught(self) -> bool:
        """Whether its block ended because it was cancelled."""
        return self._cancelled_caught

    @property
    def shield(self) -> bool:
        """Whether cancellations from outside stop at this scope."""
        return self._shield

    @shield.setter
    def shield(self, value: bool) -> None:
        was, self._shield = self._shield, value
        kernel = self._kernel
        opened = was and not value and self.is_active
        if opened and kernel is not None and self.is_effectively_cancelled:
            self._interrupt_tasks(kernel)


def _rehome(task: Task, scope: CancelScope) -> None:
    """Let the outermost scope that a task itself has entered stand inside another one."""
    own = task.scope
    if own is task.home:
        task.scope = scope
        return
    while own is not None and own.parent is not task.home:
        own = own.parent
    if own is not None:
        own.parent = scope
