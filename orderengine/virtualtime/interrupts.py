"""Let Ctrl-C end a run where no task and no queue is half-way."""

from __future__ import annotations

import signal
import threading  # noqa: TID251  (only the main thread hears signals)
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType

from orderengine.virtualtime.tasks import Task

__all__ = ["interrupt_in", "interrupted_between_steps"]


@contextmanager
def interrupted_between_steps(spawn: Callable[[Task], None]) -> Iterator[None]:
    """Let a first Ctrl-C end the run between two steps, and a second one at once.

    Only in the main thread, and only if nobody else has asked to be told of Ctrl-C.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    is_asked = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_asked
        del number, frame
        if is_asked:
            raise KeyboardInterrupt
        is_asked = True
        spawn(Task(_interrupt(), "interrupt", copy_context()))

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if is_asked:
        raise KeyboardInterrupt  # it came when the run was just over


async def _interrupt() -> None:
    raise KeyboardInterrupt


def interrupt_in(error: BaseException) -> BaseException | None:
    """Return the interrupt, if that is what ended the groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            if found := interrupt_in(inner):
                return found
    return error if isinstance(error, KeyboardInterrupt | SystemExit) else None
