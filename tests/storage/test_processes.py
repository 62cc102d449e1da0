"""Share a database between processes, and kill them."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from orderengine.market.draws import Draws
from orderengine.storage.database import Database
from orderengine.storage.opening import open_database, sqlite_path
from tests.execution.store_contract import accepted
from tests.servers import PostgresServer
from tests.storage.children import ORDERS, REQUESTS, start
from tests.storage.databases import DatabaseTest

PATIENCE_S = 60


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a database that does not exist yet, or holds nothing."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/orders.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


def _run(test: DatabaseTest, url: str) -> None:
    async def main() -> None:
        async with open_database(url, upgrade=True) as database:
            await test(database)

    anyio.run(main, backend="asyncio")


def _together(what: str, url: str, count: int = 2) -> list[list[str]]:
    """Run a program in several processes at once; return the lines of each."""
    children = [start(what, url, f"{what}-{number}") for number in range(count)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.communicate(timeout=PATIENCE_S)[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0] * count
    return said


def _killed_after(url: str, name: str, seconds: float) -> list[str]:
    """Run a writer, kill it; return the lines that it completed."""
    child = start("write", url, name)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    first = child.stdout.readline()  # now it writes
    time.sleep(seconds)
    child.kill()
    rest, _ = child.communicate(timeout=PATIENCE_S)
    said = first + rest
    return said[: said.rfind("\n") + 1].splitlines()


def test_what_was_acknowledged_outlives_a_kill(url: str) -> None:
    """Five writers killed in the midst, one after another; a reader of the log misses none."""
    moments = Draws(20_261_123, "kill")
    acknowledged: dict[str, int] = {}

    async def check(database: Database) -> None:
        store = database.orders
        start = await store.position()
        for run in range(5):
            lines = await anyio.to_thread.run_sync(
                _killed_after, url, f"run{run}", 0.5 * moments.uniform(run)
            )
            for line in lines:
                order_id, seq = line.split()
                acknowledged[order_id] = int(seq)
        logs = await store.logs(list(acknowledged))
        for order_id, least in acknowledged.items():
            found = [event.seq for event in logs[order_id]]
            assert len(found) >= least
            assert found == list(range(1, len(found) + 1))
        told, position = await store.since(start, 1_000_000)
        assert await store.since(position, 1) == ([], position)
        last = Counter({event.order_id: event.seq for event in told})
        assert sum(last.values()) == len(told)
        assert last.keys() >= acknowledged.keys()

    _run(check, url)
    assert len(acknowledged) > 100
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(sqlite_path(url))) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_an_order_is_claimed_by_one_process(url: str) -> None:
    """Two processes claim the same 200 orders at once; and again once they were given back."""

    async def fill(database: Database) -> None:
        for number in range(ORDERS):
            await database.orders.create(accepted(f"o-{number}"))

    _run(fill, url)
    _claim_all(url, fence=1)
    _claim_all(url, fence=2)


def _claim_all(url: str, fence: int) -> None:
    claims = [line.split() for lines in _together("claim", url) for line in lines]
    expected = sorted([f"o-{number}", str(fence)] for number in range(ORDERS))
    assert sorted(claims) == expected

    async def give_back(database: Database) -> None:
        assert await database.orders.claimable(ORDERS) == []
        for order_id, given in claims:
            await database.orders.release(order_id, int(given))

    _run(give_back, url)


@pytest.mark.parametrize("count", [2, 4])
def test_a_key_makes_one_order_over_all_processes(url: str, count: int) -> None:
    """Each sends one request 500 times, to a database that they build together."""
    said = [line for lines in _together("request", url, count) for line in lines]
    assert len(said) == count * REQUESTS
    assert len(set(said)) == 1

    async def check(database: Database) -> None:
        assert [order.order_id for order in await database.orders.claimable(10)] == [said[0]]
        assert (await database.operations.counts()).by_status == {"pending": 1}

    _run(check, url)
