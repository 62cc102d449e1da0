"""Ask the database once for all who want to know the same at the same time, within a deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from orderengine.errors import Unavailable

__all__ = ["Questions"]

T = TypeVar("T")
_ANSWER_S_MAX = 1.0
_ASKING_MAX = 256


class _Question(Generic[T]):
    """Hold a question that is out."""

    __slots__ = ("answer", "done", "error")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.answer: tuple[T] | None = None
        self.error: Unavailable | None = None


class Questions(Generic[T]):
    """Hold the questions that are out; there are at most ``_ASKING_MAX``.

    Args:
        about: what is asked for, in errors.
    """

    def __init__(self, about: str) -> None:
        self._about = about
        self._out: dict[str, _Question[T]] = {}

    async def ask(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question, or to the same one that is out already.

        Raises:
            Unavailable: there is no answer in time, or too much is asked.
        """
        while True:
            question = self._out.get(name)
            if question is None:
                return await self._ask_first(name, ask)
            await question.done.wait()
            if question.error is not None:
                raise Unavailable(str(question.error))
            if question.answer is not None:
                return question.answer[0]
            # Whoever asked was cancelled: ask again.

    async def _ask_first(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        if len(self._out) >= _ASKING_MAX:
            raise Unavailable(f"the database is asked for {_ASKING_MAX} {self._about} already")
        question = self._out[name] = _Question()
        try:
            with anyio.fail_after(_ANSWER_S_MAX):
                answer = await ask()
        except TimeoutError:
            reason = f"the database said nothing of {self._about} within {_ANSWER_S_MAX:g} s"
            question.error = Unavailable(reason)
            raise question.error from None
        except Unavailable as error:
            question.error = error
            raise
        else:
            question.answer = (answer,)
            return answer
        finally:
            del self._out[name]
            question.done.set()
