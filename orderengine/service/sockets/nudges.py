"""Tell other processes through Redis that something was stored, and hear it from them.

A nudge says nothing but "read the log", so it is not trusted, may come twice, and may be lost: who
waits for one looks at the log from time to time all the same. While Redis is away nothing is sent
and ``is_listening`` is false, and the log is looked at more often.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from orderengine.service.redis_link import BLOCKED_S, RedisLink

__all__ = ["CHANNEL", "Nudges"]

CHANNEL = "orderengine-log"
_GATHER_S = 0.005
"""At most one nudge is sent in this time, however much is stored."""
_RETRY_S = 1.0


class Nudges:
    """Send and hear nudges; ``run`` must run.

    Args:
        url: where Redis is.
        on_nudge: called for each one that is heard, the own ones too; None to hear none.
    """

    def __init__(self, url: str, on_nudge: Callable[[], object] | None = None) -> None:
        self._link = RedisLink(url, "live streams")
        self._on_nudge = on_nudge
        self._is_subscribed = False
        self._news = anyio.Event()

    @property
    def errors(self) -> int:
        """How many calls Redis did not answer so far."""
        return self._link.errors

    @property
    def is_listening(self) -> bool:
        """Whether nudges are heard, as far as is known."""
        return self._is_subscribed and self._link.is_available

    def tell(self, event: object = None) -> None:
        """Send a nudge soon; what is told meanwhile is told with it."""
        del event
        self._news.set()

    async def run(self) -> None:
        """Send and hear, until cancelled."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._link.watch)
                if self._on_nudge is not None:
                    group.start_soon(self._listen, self._on_nudge)
                while True:
                    await self._news.wait()
                    self._news = anyio.Event()
                    if self._link.is_available:
                        with self._link.noticing():
                            await self._link.redis.publish(CHANNEL, b"")
                    await anyio.sleep(_GATHER_S)
        finally:
            await self._link.close()

    async def _listen(self, on_nudge: Callable[[], object]) -> None:
        while True:
            if await self._link.until_available(_RETRY_S):
                with self._link.noticing():
                    await self._hear(on_nudge)
                await anyio.sleep(_GATHER_S)

    async def _hear(self, on_nudge: Callable[[], object]) -> None:
        """Pass nudges on until Redis fails; once at the start too, for some were missed before."""
        async with self._link.redis.pubsub() as channel:
            await channel.subscribe(CHANNEL)
            self._is_subscribed = True
            try:
                on_nudge()
                while self._link.is_available:
                    heard = await channel.get_message(timeout=BLOCKED_S)
                    if heard is not None:
                        on_nudge()
            finally:
                self._is_subscribed = False
