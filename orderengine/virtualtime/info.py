"""Describe tasks to anyio."""

from __future__ import annotations

import weakref

import anyio

from orderengine.virtualtime.tasks import Task

__all__ = ["info_of"]


class _TaskInfo(anyio.TaskInfo):
    __slots__ = ("_task",)

    def __init__(self, task: Task) -> None:
        super().__init__(task.id, task.parent_id, task.name, task.coro)
        self._task = weakref.ref(task)

    def has_pending_cancellation(self) -> bool:
        task = self._task()
        if task is None:
            return False
        cancelled = task.scope is not None and task.scope.is_effectively_cancelled
        return cancelled or task.error is not None


def info_of(task: Task) -> anyio.TaskInfo:
    """Return anyio's description of a task; ids count from 1 in spawn order."""
    return _TaskInfo(task)
