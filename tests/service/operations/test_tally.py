"""Check that a tally equals what is stored, wherever it begins and whatever fails between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import Unavailable
from orderengine.execution.ports import Position
from orderengine.service.operations.tally import Tally
from orderengine.storage.database import Database, OrderCounts
from orderengine.storage.opening import open_database
from tests.execution.store_contract import accepted, cancelled, claimed

writes = st.lists(st.sampled_from(["accept", "claim", "cancel", "prune", "look", "fail"]))


class _Shaky:
    """Pass calls on to a database, but refuse one now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.refuses = 0

    def _require(self) -> None:
        if self.refuses:
            self.refuses -= 1
            raise Unavailable("the database is away")

    async def counts(self) -> OrderCounts:
        """Count, or refuse."""
        self._require()
        return await self._database.operations.counts()

    async def since(self, position: Position, limit: int) -> Any:
        """Tell one event at a time, or refuse."""
        self._require()
        del limit
        return await self._database.orders.since(position, 1_000)


@given(before=writes, after=writes)
def test_it_counts_every_order_once(
    tmp_path_factory: Any, before: list[str], after: list[str]
) -> None:
    """Orders that were there before and that come later, open, ended and pruned."""
    folder: Path = tmp_path_factory.mktemp("tally")

    async def main() -> None:
        async with open_database(f"sqlite:///{folder}/t.db") as database:
            shaky = _Shaky(database)
            tally = Tally(shaky, shaky)  # type: ignore[arg-type]
            book = _Book(database)
            for act in before:
                await book.do(act)
            assert not tally.is_known
            for act in ["look", *after, "look"]:
                if act == "look":
                    await tally.catch_up()
                    assert tally.is_known
                    book.require(tally)
                elif act == "fail":
                    await _fail(tally, shaky)
                else:
                    if act == "prune":
                        await tally.catch_up()  # only what ended long ago is pruned
                    await book.do(act)
            await tally.catch_up()
            book.require(tally)
            counts = await database.operations.counts()
            assert sum(counts.by_status.values()) == tally.accepted

    anyio.run(main)


def test_who_was_away_for_long_counts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that came, ended and was pruned meanwhile is in no log any more."""

    async def main() -> None:
        async with open_database(f"sqlite:///{tmp_path}/t.db") as database:
            tally = Tally(database.operations, database.orders)
            book = _Book(database)
            await tally.catch_up()
            for act in ("accept", "cancel", "accept", "prune"):
                await book.do(act)
            monkeypatch.setattr("orderengine.service.operations.tally._AWAY_S_MAX", -1.0)
            await tally.catch_up()
            book.require(tally)

    anyio.run(main)


async def _fail(tally: Tally, shaky: _Shaky) -> None:
    shaky.refuses = 1
    try:
        await tally.catch_up()
    except Unavailable:
        return
    raise AssertionError("it did not say that the log cannot be read")


class _Book:
    """Write orders, and keep what a tally should say."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.accepted = 0
        self.cancelled = 0
        self._open: dict[str, int] = {}

    async def do(self, act: str) -> None:
        """Write what the act says, where there is an order to write to."""
        store = self._database.orders
        if act == "accept":
            order_id = f"o-{self.accepted}"
            await store.create(accepted(order_id))
            self.accepted += 1
            self._open[order_id] = 1
        elif act == "claim":
            for order_id in [each for each, seq in self._open.items() if seq == 1][:1]:
                await store.append(claimed(2, order_id))
                self._open[order_id] = 2
        elif act == "cancel" and self._open:
            order_id, seq = self._open.popitem()
            await store.append(cancelled(seq + 1, order_id))
            self.cancelled += 1
        elif act == "prune":
            await self._database.operations.prune(2**62, 1)

    def require(self, tally: Tally) -> None:
        """Check the tally, which has caught up."""
        assert tally.accepted == self.accepted
        assert tally.ended["cancelled"] == self.cancelled == sum(tally.ended.values())
        assert tally.open_orders == len(self._open)
