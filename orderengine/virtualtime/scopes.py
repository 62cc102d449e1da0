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

from orderengine.virtualtime.kernel import Cancelled, Kernel, Task, current_kernel, to_ns

__all__ = ["CancelScope"]


class CancelScope(anyio.CancelScope):
    """Implement anyio's cancel scope; see there."""

    __slots__ = (
        "_cancel_called",
        "_cancelled_caught",
        "_deadline",
        "_host",
        "_is_active",
        "_kernel",
        "_reason",
        "_shield",
        "parent",
        "tasks",
        "timer",
    )

    def __new__(cls, *, deadline: float = math.inf, shield: bool = False) -> Self:
        return object.__new__(cls)

    def __init__(self, *, deadline: float = math.inf, shield: bool = False) -> None:
        if math.isnan(deadline):
            raise ValueError("deadline must not be NaN")
        self._deadline = deadline
        self._shield = shield
        self._cancel_called = False
        self._cancelled_caught = False
        self._is_active = False
        self._reason = ""
        self._kernel: Kernel | None = None
        self._host: Task | None = None
        self.parent: CancelScope | None = None
        self.tasks: dict[Task, None] | None = None
        """Tasks spawned into this scope."""
        self.timer = 0

    def __enter__(self) -> Self:
        if self._is_active or self._host is not None:
            raise RuntimeError("Each CancelScope may only be used for a single 'with' block")
        kernel = current_kernel()
        host = kernel.current
        if host is None:
            raise RuntimeError("a cancel scope can only be entered inside a task")
        self._kernel, self._host = kernel, host
        if self.parent is None:
            self.parent = host.scope
        host.scope = self
        self._is_active = True
        if self._cancel_called:
            kernel.cancelled_scopes += 1
        elif self._deadline != math.inf:
            self._set_timer()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        kernel, host = self._kernel, self._host
        if not self._is_active or kernel is None or host is None:
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
        self._is_active = False
        host.scope = self.parent
        if self.timer:
            self.timer = 0
            kernel.drop_timer()
        if not self._cancel_called:
            return False
        kernel.cancelled_scopes -= 1
        if exc_val is None or self._is_parent_cancelled:
            return False
        return self._swallow(exc_val)

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
            if scope._cancel_called:
                return True
            if scope._shield:
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
            if scope._cancel_called:
                return scope._reason
            scope = None if scope._shield else scope.parent
        return "cancelled"

    def cancel(self, reason: str | None = None) -> None:
        """Cancel the scope; the tasks in it that wait are interrupted at once."""
        if self._cancel_called:
            return
        self._cancel_called = True
        self._reason = f"Cancelled via cancel scope {id(self):x}"
        kernel = self._kernel
        if kernel is not None and kernel.current is not None:
            self._reason += f" by {kernel.current.name}"
        if reason:
            self._reason += f"; reason: {reason}"
        if kernel is None or not self._is_active:
            return
        if self.timer:
            self.timer = 0
            kernel.drop_timer()
        kernel.cancelled_scopes += 1
        self._interrupt_tasks(kernel)

    def _interrupt_tasks(self, kernel: Kernel) -> None:
        found: list[Task] = []
        if self._host is not None:
            _collect(self._host, self, found)
        found.sort(key=lambda task: task.id)
        for task in found:
            kernel.interrupt(task)

    def adopt(self, task: Task, scope: CancelScope) -> None:
        """Move a task, whose outermost own scope is ``scope``, from where it was into this one."""
        old = scope.parent
        if old is self:
            return
        if old is not None and old.tasks is not None:
            old.tasks.pop(task, None)
        scope.parent = self
        self.add(task)
        if self.is_effectively_cancelled and self._kernel is not None:
            self._interrupt_tasks(self._kernel)

    def add(self, task: Task) -> None:
        """Note a task that is spawned into this scope."""
        if self.tasks is None:
            self.tasks = {}
        self.tasks[task] = None

    @property
    def is_active(self) -> bool:
        """Whether its block is being executed."""
        return self._is_active

    @property
    def host_id(self) -> int | None:
        """The id of the task inside whose code the scope stands."""
        return None if self._host is None else self._host.id

    def _set_timer(self) -> None:
        kernel = self._kernel
        if kernel is None:
            return
        when_ns = to_ns(self._deadline) if self._deadline != -math.inf else 0
        if when_ns <= kernel.now_ns:
            self.cancel("deadline exceeded")
        else:
            self.timer = kernel.set_timer(self, when_ns)

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
        if self.timer and self._kernel is not None:
            self.timer = 0
            self._kernel.drop_timer()
        if self._is_active and not self._cancel_called and value != math.inf:
            self._set_timer()

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
        if was and not value and self._is_active and self._kernel is not None:
            if self.is_effectively_cancelled:
                self._interrupt_tasks(self._kernel)


def _collect(task: Task, top: CancelScope, found: list[Task]) -> None:
    """Add a task, and those spawned inside it, that a cancellation of ``top`` reaches."""
    chain: list[CancelScope] = []
    scope = task.scope
    while scope is not None and scope is not top:
        chain.append(scope)
        scope = scope.parent
    if scope is None:
        return  # the task has left the scope
    _collect_spawned(top, found)
    for inner in reversed(chain):
        if inner.shield:
            return
        _collect_spawned(inner, found)
    found.append(task)


def _collect_spawned(scope: CancelScope, found: list[Task]) -> None:
    for task in scope.tasks or ():
        _collect_child(task, scope, found)


def _collect_child(task: Task, parent: CancelScope, found: list[Task]) -> None:
    """Add a task spawned into ``parent``: its own scopes stand between the two."""
    chain: list[CancelScope] = []
    scope = task.scope
    while scope is not None and scope is not parent:
        chain.append(scope)
        scope = scope.parent
    for inner in reversed(chain):
        if inner.shield:
            return
        _collect_spawned(inner, found)
    found.append(task)
