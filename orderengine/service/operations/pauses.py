"""Bring what operators have paused to the halt that this process's engine looks at."""

from __future__ import annotations

import logging
from contextlib import suppress

import anyio

from orderengine.errors import Unavailable
from orderengine.execution.halt import TradingHalt
from orderengine.storage.database import Operations

__all__ = ["ALL", "Pauses"]

ALL = "all"
"""The name under which all work is paused; any other is a venue's."""
_PERIOD_S = 0.5
_ANSWER_S_MAX = 2.0
_log = logging.getLogger(__name__)


class Pauses:
    """Look again and again at what is paused; while nobody can tell, all stays as it was."""

    def __init__(self, operations: Operations, halt: TradingHalt) -> None:
        self._operations = operations
        self._halt = halt

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            with anyio.move_on_after(_ANSWER_S_MAX), suppress(Unavailable):
                await self.look()
            await anyio.sleep(_PERIOD_S)

    async def look(self) -> None:
        """Look once. Raises ``Unavailable``."""
        names = sorted(pause.name for pause in await self._operations.pauses())
        venues = [name for name in names if name != ALL]
        if self._halt.set(is_paused=ALL in names, venues=venues):
            _log.warning("paused: %s", ", ".join(names) if names else "nothing any more")
