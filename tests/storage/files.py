"""Open stores in files, for one test each."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from orderengine.storage.sqlite.store import SqliteEventStore

StoreTest = Callable[[SqliteEventStore], Awaitable[None]]


def run_in_file(test: StoreTest, path: Path | None = None, **options: Any) -> None:
    """Run a test on asyncio with a store in a file, by default a new one that is then removed."""
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            run_in_file(test, Path(folder) / "orders.db", **options)
        return

    async def main() -> None:
        async with SqliteEventStore(path, **options) as store:
            await test(store)

    anyio.run(main, backend="asyncio")
