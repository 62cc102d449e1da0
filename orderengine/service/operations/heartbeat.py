"""Let every process say each second that it lives and how it is, for those who ask elsewhere."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

import anyio
import msgspec
from msgspec import Struct

from orderengine.errors import Unavailable
from orderengine.storage.database import Heartbeat, Operations

__all__ = ["ALIVE_S", "Process", "Pulse", "Vitals", "process_name"]

ALIVE_S = 5.0
"""A process that has said nothing for longer counts as gone."""
_PERIOD_S = 1.0
_ANSWER_S_MAX = 1.0
_log = logging.getLogger(__name__)


class Vitals(Struct, frozen=True, kw_only=True):
    """Hold what a process says of itself. Other versions may know other fields."""

    roles: tuple[str, ...]
    """``api``, ``worker``, or both."""
    version: str
    host: str
    pid: int
    started_at: str
    at_hand: int = 0
    """Orders that it executes now."""
    capacity: int = 0
    """Orders that it executes at most."""
    claimed: int = 0
    ended: int = 0
    takeovers: int = 0
    """Claims of orders whose lease has run out under a holder, then or earlier."""
    progress_age_s: float | None = None
    """How long ago an order ended here; None if none has."""
    lag_max_s: float = 0.0
    lag_p99_s: float = 0.0
    redis_errors: int = 0
    database_errors: int = 0
    is_draining: bool = False
    is_paused: bool = False


class Process(Struct, frozen=True, kw_only=True):
    """Hold what another process said last, and how long ago that was."""

    name: str
    age_s: float
    vitals: Vitals

    @property
    def is_alive(self) -> bool:
        """Whether it has been heard of lately."""
        return self.age_s <= ALIVE_S

    @property
    def works(self) -> bool:
        """Whether it executes orders, and goes on doing so."""
        return "worker" in self.vitals.roles and self.is_alive and not self.vitals.is_draining

    @classmethod
    def of(cls, beat: Heartbeat) -> Process | None:
        """Return what a heartbeat says; None if this code cannot read it."""
        try:
            vitals = msgspec.json.decode(beat.body, type=Vitals)
        except msgspec.MsgspecError:
            return None
        return cls(name=beat.process, age_s=beat.age_ms / 1e3, vitals=vitals)


def process_name() -> str:
    """Return a name that no other process has, nor one that was here before under this id."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"


class Pulse:
    """Store a heartbeat each second.

    Args:
        operations: keeps it.
        process: this process's name.
        vitals: says how the process is.
    """

    def __init__(self, operations: Operations, process: str, vitals: Callable[[], Vitals]) -> None:
        self._operations = operations
        self._process = process
        self._vitals = vitals
        self._is_ended = False
        self._is_heard = True

    async def run(self) -> None:
        """Beat until cancelled; a beat that cannot be stored leaves it to the next."""
        while True:
            await self.beat()
            await anyio.sleep(_PERIOD_S)

    async def beat(self) -> None:
        """Beat once, if the database answers in time; log when it begins and ceases to.

        Not after ``end``.
        """
        if self._is_ended:
            return
        why = f"no answer within {_ANSWER_S_MAX:g} s"
        try:
            with anyio.move_on_after(_ANSWER_S_MAX):
                await self._operations.beat(self._process, msgspec.json.encode(self._vitals()))
                why = ""
        except Unavailable as error:
            why = str(error)
        if why and self._is_heard:
            _log.warning("the database is lost: %s", why)
        elif not why and not self._is_heard:
            _log.warning("the database is back")
        self._is_heard = not why

    async def end(self) -> None:
        """Have this process forgotten: it ends as it should."""
        self._is_ended = True
        with anyio.move_on_after(_ANSWER_S_MAX, shield=True), suppress(Unavailable):
            await self._operations.unbeat(self._process)
