"""Read what older and newer code writes, from each database."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import asyncpg
import pytest

from orderengine.errors import InvalidData
from orderengine.model.api_key import ApiKey, Role
from orderengine.model.events import Accepted, Submitted
from orderengine.model.wire import decode_event, encode
from orderengine.storage.database import Database, Pause
from orderengine.storage.opening import open_database
from orderengine.storage.sqlite.store import SqliteEventStore
from tests.execution.store_contract import accepted, cancelled, claimed, key, submitted
from tests.servers import PostgresServer
from tests.storage.databases import TABLES

LINES = (Path(__file__).parent / "events_v1.jsonl").read_text("utf-8").splitlines()
"""Every type of event as the first released code wrote it: never to be changed."""

API_KEY = ApiKey(key_id="key_1", user="alice", role=Role.USER, created_at_ns=1)
BOOKED = {"type": "booked", "order_id": "o-1", "seq": 3, "ledger": {"page": [1, None, 2.5]}}


def test_events_of_the_first_version_are_read() -> None:
    """All twelve types, and no field of them is lost."""
    events = [decode_event(line) for line in LINES]
    assert len({type(event) for event in events}) == 12
    for event, line in zip(events, LINES, strict=True):
        assert json.loads(encode(event)).items() >= json.loads(line).items()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/orders.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


async def _insert(database: Database, url: str, kind: str, seq: int, body: str) -> None:
    """Store an event as other code would."""
    values = ("o-1", seq, kind, body)
    if isinstance(database.orders, SqliteEventStore):
        insert = "INSERT INTO events (order_id, seq, type, body) VALUES (?, ?, ?, ?)"
        await database.orders.file.write(lambda db: db.execute(insert, values))
        return
    connection = await asyncpg.connect(url)
    insert = "INSERT INTO events (order_id, seq, type, body) VALUES ($1, $2, $3, $4)"
    await connection.execute(insert, *values)
    await connection.close()


def test_events_of_newer_code_stop_nobody(url: str) -> None:
    """A new field is left out; a new type is told as it is, and only who must decode it stops."""

    async def main() -> None:
        async with open_database(url, upgrade=True) as database:
            store = database.orders
            start = await store.position()
            await store.create(accepted())
            newer = json.loads(encode(claimed())) | {"region": {"name": "eu"}}
            await _insert(database, url, "claimed", 2, json.dumps(newer))
            assert list(await store.events("o-1")) == [accepted(), claimed()]
            assert list((await store.logs(["o-1"]))["o-1"]) == [accepted(), claimed()]
            await _insert(database, url, "booked", 3, json.dumps(BOOKED))
            await store.create(accepted("o-2"))
            told, _ = await store.since(start, 9)
            assert [(event.order_id, event.type) for event in told] == [
                ("o-1", "accepted"),
                ("o-1", "claimed"),
                ("o-1", "booked"),
                ("o-2", "accepted"),
            ]
            assert (await store.raw("o-1", 3))[0].body == json.dumps(BOOKED)
            with pytest.raises(InvalidData, match="booked"):
                await store.events("o-1")
            assert list(await store.events("o-2")) == [accepted("o-2")]

    anyio.run(main, backend="asyncio")


async def _expand(database: Database, url: str) -> None:
    """Add a column to every table, as a later version of the schema may."""
    if isinstance(database.orders, SqliteEventStore):
        await database.orders.file.write(
            lambda db: [
                db.execute(f"ALTER TABLE {table} ADD COLUMN later TEXT") for table in TABLES
            ]
        )
        return
    connection = await asyncpg.connect(url)
    for table in TABLES:
        await connection.execute(f"ALTER TABLE {table} ADD COLUMN later text")
    await connection.close()


def test_this_code_goes_on_beside_a_schema_with_more_columns(url: str) -> None:
    """Whatever is written: a deploy expands the schema first, while this code runs."""

    async def main() -> None:
        async with open_database(url, upgrade=True) as database:
            await _expand(database, url)
            store, keys, operations = database.orders, database.keys, database.operations
            assert await store.create(accepted(), key()) == "o-1"
            assert await store.create(accepted("o-2"), key()) == "o-1"
            assert await store.claim("o-1", "w") is not None
            await store.append(claimed())
            event, signed = submitted(3)
            await store.append(event, signed=signed)
            assert await store.signed("o-1", signed.signature) == signed
            assert await store.record_execution(signed.signature, "o-1", b"{}") == b"{}"
            assert await operations.free("o-1")
            await store.append(cancelled(4))
            assert await keys.add(API_KEY, "digest")
            await keys.add_ticket("ticket", API_KEY.key_id, 2**62)
            assert await keys.take_ticket("ticket", 1) == API_KEY
            await operations.beat("p", b"{}")
            await operations.pause(Pause(name="all", since_ns=1, reason=""))
            assert await operations.prune(2**62, 9) == 1
            assert (await operations.counts()).by_status == {"cancelled": 1}

    anyio.run(main, backend="asyncio")


def test_a_log_of_the_first_version_is_stored(url: str) -> None:
    """Type after type, to the end."""

    async def main() -> None:
        async with open_database(url, upgrade=True) as database:
            store = database.orders
            first = decode_event(LINES[0])
            assert isinstance(first, Accepted)
            await store.create(first)
            for line in LINES[1:9]:
                event = decode_event(line)
                signed = submitted(6)[1] if isinstance(event, Submitted) else None
                await store.append(event, signed=signed)
            events = [decode_event(line) for line in LINES[:9]]
            assert list(await store.events("o-1")) == events

    anyio.run(main, backend="asyncio")
