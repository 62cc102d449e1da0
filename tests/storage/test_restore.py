"""Take copies while orders are written, lose the database, and go on from the copy."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from orderengine.errors import InvalidData, Unavailable
from orderengine.execution.ports import StoredEvent
from orderengine.storage.database import Database
from orderengine.storage.opening import open_database
from orderengine.storage.sqlite.backup import back_up
from tests.execution.store_contract import accepted, claimed, key, submitted
from tests.servers import PostgresServer, postgres_programs
from tests.storage.children import start


async def _require_whole(database: Database) -> Sequence[StoredEvent]:
    """Check a restored database, and that it is worked on; return its events."""
    store = database.orders
    numbers = [order_id for _, order_id in await store.orders("user", limit=10**6)]
    events: list[StoredEvent] = []
    for order_id in numbers:
        log = await store.raw(order_id)
        assert [event.seq for event in log] == list(range(1, len(log) + 1))
        events += log
    counts = await database.operations.counts()
    assert sum(counts.by_status.values()) == len(numbers)
    await store.create(accepted("after"))
    told, _ = await store.since(counts.position, 9)
    assert [event.order_id for event in told] == ["after"]
    return events


def _open(url: str) -> Sequence[StoredEvent]:
    async def main() -> Sequence[StoredEvent]:
        async with open_database(url) as database:
            return await _require_whole(database)

    return anyio.run(main, backend="asyncio")


def test_a_copy_of_a_busy_file_is_whole(tmp_path: Path) -> None:
    """Each order is there to some event, without a gap, and a process goes on from there."""
    path, copies = tmp_path / "orders.db", [tmp_path / f"copy-{n}.db" for n in range(3)]
    child = start("write", f"sqlite:///{path}", "w")
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    acknowledged: list[list[str]] = []
    for copy in copies:
        lines = [child.stdout.readline().split() for _ in range(200)]
        acknowledged.append([order_id for order_id, _ in lines])
        assert back_up(str(path), str(copy)) == copy.stat().st_size
    child.kill()
    child.communicate(timeout=10)
    lengths = []
    for number, copy in enumerate(copies):
        events = _open(f"sqlite:///{copy}")
        stored = {event.order_id for event in events}
        assert all(stored.issuperset(ids) for ids in acknowledged[: number + 1])
        lengths.append(len(events))
    assert lengths == sorted(lengths)
    names = {file.name for file in tmp_path.iterdir()} - {f"{path.name}-wal", f"{path.name}-shm"}
    assert names == {path.name, *(copy.name for copy in copies)}


def test_a_copy_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    """Nor is one made of what is no event store."""
    path, taken = tmp_path / "orders.db", tmp_path / "taken.db"
    with pytest.raises(InvalidData, match="found nothing"):
        back_up(str(path), str(tmp_path / "copy.db"))
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (name TEXT)")
    with pytest.raises(InvalidData, match="another program"):
        back_up(str(path), str(tmp_path / "copy.db"))
    path.unlink()
    anyio.run(_fill, f"sqlite:///{path}", backend="asyncio")
    taken.write_text("precious")
    with pytest.raises(InvalidData, match="a name that is free"):
        back_up(str(path), str(taken))
    with pytest.raises(Unavailable):
        back_up(str(path), str(tmp_path / "nowhere" / "copy.db"))
    assert taken.read_text() == "precious"
    assert {file.name for file in tmp_path.iterdir()} == {path.name, taken.name}


async def _fill(url: str) -> None:
    """Leave orders in every state that a restart must deal with."""
    async with open_database(url, upgrade=True) as database:
        store = database.orders
        for number in range(5):
            await store.create(accepted(f"o-{number}"), key(f"k-{number}"))
        await store.create(accepted("o-1x"))
        await store.claim("o-1", "w")
        await store.append(claimed(), fence=1)
        event, signed = submitted(3)
        await store.append(event, fence=1, signed=signed)
        await store.record_execution("sig-1", "o-1", b"landed")


def _program(name: str, server: PostgresServer) -> str:
    """Return one of PostgreSQL's programs, of the server's own version."""
    ((version,),) = server.execute("SHOW server_version")
    for folder in postgres_programs():
        if (program := folder / name).exists():
            told = subprocess.run(
                [program, "--version"], capture_output=True, text=True, check=True
            )
            if f" {version.split('.')[0]}." in told.stdout:
                return str(program)
    pytest.skip(f"NO {name} {version}: install PostgreSQL's client programs")


def test_a_dump_is_restored_into_a_new_database(postgres: PostgresServer, tmp_path: Path) -> None:
    """As docs/service/database.md says: what came after the dump is lost, the rest goes on."""
    url, dump = postgres.create_database(), tmp_path / "orders.dump"
    anyio.run(_fill, url, backend="asyncio")
    _run(_program("pg_dump", postgres), "--format=custom", f"--file={dump}", url)

    async def lose() -> None:
        async with open_database(url) as database:
            await database.orders.create(accepted("too-late"))

    anyio.run(lose, backend="asyncio")
    restored = postgres.create_database()
    _run(
        _program("pg_restore", postgres),
        "--exit-on-error",
        "--single-transaction",
        "--no-owner",
        f"--dbname={restored}",
        str(dump),
    )

    async def check() -> None:
        async with open_database(restored) as database:
            store = database.orders
            _, signed = submitted(3)
            assert await store.signed("o-1", "sig-1") == signed
            assert await store.create(accepted("again"), key("k-2")) == "o-2"
            events = await _require_whole(database)
            ids = {event.order_id for event in events}
            assert ids == {"o-0", "o-1", "o-2", "o-3", "o-4", "o-1x"}
            lease = await store.claim("o-1", "next")
            assert lease is None, "the lease in the copy holds until it runs out"
            await to_thread.run_sync(
                postgres.execute, "UPDATE orders SET lease_until_ms = 1 WHERE seq = 3", restored
            )
            lease = await store.claim("o-1", "next")
            assert lease is not None
            assert lease.fence == 2

    anyio.run(check, backend="asyncio")


def _run(*command: str) -> None:
    environment = {"PATH": os.environ.get("PATH", ""), "PGCONNECT_TIMEOUT": "5"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
