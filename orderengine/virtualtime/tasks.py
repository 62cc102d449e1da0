"""A task: a coroutine, its context, its innermost cancel scope, and what it waits for."""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orderengine.virtualtime.kernel import Kernel
    from orderengine.virtualtime.scopes import CancelScope

__all__ = ["MainTask", "Outcome", "Task"]

Outcome = list[tuple[Any, BaseException | None]]
"""What a coroutine returned and what it raised; empty as long as it runs."""


class Task:
    """Hold a coroutine and where it stands."""

    __slots__ = (
        "__weakref__",
        "context",
        "coro",
        "error",
        "home",
        "id",
        "is_parked",
        "name",
        "scope",
        "timer",
        "waiters",
    )

    def __init__(self, coro: Coroutine[Any, Any, Any], name: str, context: Context) -> None:
        self.coro = coro
        self.name = name
        self.context = context
        self.id = 0
        """Counts from 1 in spawn order."""
        self.home: CancelScope | None = None
        """The scope that it was spawned into."""
        self.scope: CancelScope | None = None
        """The innermost scope that it is in."""
        self.error: BaseException | None = None
        """What to raise in it when it runs next."""
        self.is_parked = False
        self.timer = 0
        """The instant at which it will be woken; 0 for none."""
        self.waiters: dict[Task, None] | None = None
        """Where it waits, to be taken out if it is cancelled."""

    @property
    def parent_id(self) -> int | None:
        """The id of the task that spawned it."""
        return None

    def fire(self, kernel: Kernel) -> None:
        """Wake up: the timer's instant has come."""
        self.timer = 0
        self.is_parked = False
        kernel.ready.append(self)

    def end(self, kernel: Kernel, value: object, error: BaseException | None) -> None:
        """Be told how the coroutine ended."""

    def where(self) -> str:
        """Return the innermost place of the coroutine outside this backend and anyio."""
        found = ""
        awaited: object = self.coro
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
            if frame is not None:
                module = frame.f_globals.get("__name__", "").split(".")
                if module[0] != "anyio" and module[:2] != ["orderengine", "virtualtime"]:
                    code = frame.f_code
                    found = f"{code.co_qualname} at {code.co_filename}:{frame.f_lineno}"
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        return found or str(getattr(self.coro, "__qualname__", self.coro))


class MainTask(Task):
    """Keep the outcome of the coroutine for whoever drives the kernel."""

    __slots__ = ("outcome",)

    def __init__(self, coro: Coroutine[Any, Any, Any], name: str, context: Context) -> None:
        super().__init__(coro, name, context)
        self.outcome: Outcome = []

    def end(self, kernel: Kernel, value: object, error: BaseException | None) -> None:
        """Keep the outcome."""
        self.outcome.append((value, error))
