"""Share a file between processes, and kill them."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest

from orderengine.market.draws import Draws
from orderengine.storage.sqlite.store import SqliteEventStore
from tests.execution.store_contract import accepted
from tests.storage.children import ORDERS, REQUESTS, start
from tests.storage.files import run_in_file

PATIENCE_S = 60


def _together(what: str, path: Path, count: int = 2) -> list[list[str]]:
    """Run a program in several processes at once; return the lines of each."""
    children = [start(what, path, f"{what}-{number}") for number in range(count)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.communicate(timeout=PATIENCE_S)[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0] * count
    return said


def _killed_after(path: Path, name: str, seconds: float) -> list[str]:
    """Run a writer, kill it; return the lines that it completed."""
    child = start("write", path, name)
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


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    """Five writers killed in the midst, one after another, on one file."""
    path, moments = tmp_path / "orders.db", Draws(20_261_123, "kill")
    acknowledged: dict[str, int] = {}
    for run in range(5):
        for line in _killed_after(path, f"run{run}", 0.5 * moments.uniform(run)):
            order_id, seq = line.split()
            acknowledged[order_id] = int(seq)

        async def check(store: SqliteEventStore) -> None:
            for order_id, seq in acknowledged.items():
                log = await store.events(order_id)
                assert len(log) >= seq
                assert [event.seq for event in log] == list(range(1, len(log) + 1))
            told = await store.since(0, 1_000_000)
            assert [number for number, _ in told] == list(range(1, len(told) + 1))
            last = Counter({event.order_id: event.seq for _, event in told})
            assert sum(last.values()) == len(told)
            assert last.keys() >= acknowledged.keys()

        run_in_file(check, path)
    assert len(acknowledged) > 100
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()


def test_an_order_is_claimed_by_one_process(tmp_path: Path) -> None:
    """Two processes claim the same 200 orders at once; and again once they were given back."""
    path = tmp_path / "orders.db"

    async def fill(store: SqliteEventStore) -> None:
        for number in range(ORDERS):
            await store.create(accepted(f"o-{number}"))

    run_in_file(fill, path)
    _claim_all(path, fence=1)
    _claim_all(path, fence=2)


def _claim_all(path: Path, fence: int) -> None:
    claims = [line.split() for lines in _together("claim", path) for line in lines]
    expected = sorted([f"o-{number}", str(fence)] for number in range(ORDERS))
    assert sorted(claims) == expected

    async def give_back(store: SqliteEventStore) -> None:
        assert await store.claimable(ORDERS) == []
        for order_id, given in claims:
            await store.release(order_id, int(given))

    run_in_file(give_back, path)


def test_a_key_makes_one_order_over_all_processes(tmp_path: Path) -> None:
    """Two processes send one request 500 times each, to a file that does not exist yet."""
    path = tmp_path / "orders.db"
    said = [line for lines in _together("request", path) for line in lines]
    assert len(said) == 2 * REQUESTS
    assert len(set(said)) == 1

    async def check(store: SqliteEventStore) -> None:
        assert [order.order_id for order in await store.claimable(10)] == [said[0]]
        assert await store.last() == 1

    run_in_file(check, path)


@pytest.mark.parametrize("count", [4])
def test_a_new_file_is_built_once(tmp_path: Path, count: int) -> None:
    """Processes that open it together agree on one schema and serve at once."""
    said = _together("request", tmp_path / "orders.db", count)
    assert [len(lines) for lines in said] == [REQUESTS] * count
