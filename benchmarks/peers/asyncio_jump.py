"""Run anyio code on asyncio with a clock that jumps: the simplest way to have virtual time.

The loop's selector never waits: where asyncio would wait for input until the next timer, it moves
an integer clock. This is what most projects write; ``orderengine.virtualtime`` is measured by it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["run"]

T = TypeVar("T")


class _JumpSelector(selectors.BaseSelector):
    def __init__(self) -> None:
        self.now_ns = 0
        self._keys: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits and no timer is set")
        if timeout > 0:
            self.now_ns += max(round(timeout * 1e9), 1)
        return []

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._keys


class _JumpLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _JumpSelector()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now_ns / 1e9


def run(function: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run ``await function(*args)`` on the jumping loop and return its result."""
    return anyio.run(
        function, *args, backend="asyncio", backend_options={"loop_factory": _JumpLoop}
    )
