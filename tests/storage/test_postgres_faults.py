"""Take PostgreSQL away in every way, and see that every call ends and the next ones pass."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import anyio
import pytest

from orderengine.errors import (
    DuplicateOrder,
    InvalidData,
    InvariantViolated,
    SequenceConflict,
    Unavailable,
    UnknownOrder,
)
from orderengine.market.draws import Draws
from orderengine.storage.database import Database
from orderengine.storage.opening import open_database
from orderengine.storage.postgres import batches, connections
from orderengine.storage.postgres.batches import Line
from orderengine.storage.postgres.connections import Link, Locked, Unreachable
from orderengine.storage.postgres.lines import CONNECTIONS_MAX
from orderengine.storage.postgres.reads import LOG, Log, ask
from tests.execution.store_contract import accepted, cancelled, claimed, key, submitted
from tests.servers import PostgresServer, running_postgres
from tests.storage.crowds import at_once
from tests.storage.databases import run_in_database

SECRET = "s3cr3t-of-the-database"  # noqa: S105  (of no database)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Give a server that these tests may stop."""
    with running_postgres(fsync=False) as server:
        yield server


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    """Give an empty database; let the server run again whatever the test did to it."""
    server.start()
    yield server.create_database()
    server.thaw()
    server.start()


def _every_call(database: Database) -> list[Callable[[], Awaitable[Any]]]:
    """Return a call on each connection."""
    store, operations = database.orders, database.operations
    return [
        lambda: store.create(accepted("o-2")),
        lambda: store.append(claimed()),
        lambda: store.claim("o-1", "w"),
        lambda: store.renew({"o-1": 1}),
        lambda: store.release("o-1", 1),
        lambda: store.record_execution("s", "o-1", b""),
        lambda: store.events("o-1"),
        lambda: store.claimable(1),
        store.position,
        operations.counts,
        lambda: operations.prune(1, 1),
        lambda: database.keys.find("hash"),
    ]


async def _until_it_answers(call: Callable[[], Awaitable[Any]]) -> None:
    with anyio.fail_after(20):
        while True:
            try:
                await call()
            except Unavailable:
                await anyio.sleep(0.02)
            else:
                return


def test_a_server_that_is_gone_is_unavailable_until_it_is_back(
    server: PostgresServer, url: str
) -> None:
    """Every call says so, on connections that broke and on new ones; what was stored is there."""

    async def test(database: Database) -> None:
        await database.orders.create(accepted())
        await at_once(*_every_call(database))
        server.stop()
        for _ in range(2):
            found = await at_once(*_every_call(database))
            assert found == [Unavailable] * len(found)
        await anyio.to_thread.run_sync(server.start)
        await _until_it_answers(database.orders.position)
        for call in _every_call(database):
            found = await at_once(call)
            assert found[0] not in (Unavailable, InvariantViolated)
        assert list(await database.orders.events("o-1"))[:1] == [accepted()]

    run_in_database(test, url)


def test_a_server_that_is_silent_keeps_nobody(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every wait has an end, with statements under way and for new connections."""
    monkeypatch.setattr(connections, "_GRACE_S", 0.2)
    monkeypatch.setattr(connections, "STATEMENT_S", 0.5)
    monkeypatch.setattr(connections, "CONNECT_S", 0.5)

    async def test(database: Database) -> None:
        await database.orders.create(accepted())
        server.freeze()
        with anyio.fail_after(20):
            for _ in range(2):
                found = await at_once(*_every_call(database))
                assert found == [Unavailable] * len(found)
        server.thaw()
        await _until_it_answers(lambda: database.orders.renew({"o-1": 1}))
        assert list(await database.orders.events("o-1"))[:1] == [accepted()]

    run_in_database(test, url)


def test_a_row_that_another_keeps_locked_is_waited_for_in_bounds(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By who needs it only: what goes to other orders at the same time is stored."""
    monkeypatch.setattr(connections, "_LOCK_S", 0.3)

    async def test(database: Database) -> None:
        store = database.orders
        for order_id in ("o-1", "o-2"):
            await store.create(accepted(order_id))
            await store.claim(order_id, "w")
        other = await connections.connect(url)
        async with other.transaction():
            await other.execute("SELECT FROM orders WHERE order_id = 'o-1' FOR UPDATE")
            found = await at_once(
                lambda: store.append(claimed(), fence=1),
                lambda: store.append(claimed(order_id="o-2"), fence=1),
                lambda: store.renew({"o-2": 1}),
                lambda: store.events("o-1"),
            )
            assert found == [Locked, None, None, (accepted(),)]
            await other.execute("LOCK TABLE orders")
            with anyio.fail_after(10):
                creates = [lambda n=n: store.create(accepted(f"n-{n}")) for n in range(100)]
                found = await at_once(*creates)
            assert {Locked, Unavailable} >= set(found)
        await other.close()
        await store.append(claimed(), fence=1)

    run_in_database(test, url)


def test_a_session_that_is_ended_is_replaced(server: PostgresServer, url: str) -> None:
    """As an operator or a fail-over ends it: at most the call under way is told."""

    async def test(database: Database) -> None:
        await database.orders.create(accepted())
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        await anyio.to_thread.run_sync(server.execute, end, url)
        await _until_it_answers(lambda: database.orders.append(cancelled(2)))
        assert list(await database.orders.events("o-1")) == [accepted(), cancelled(2)]

    run_in_database(test, url)


def test_a_refused_write_leaves_its_neighbours_alone(url: str) -> None:
    """Each of a batch has its own answer."""

    async def test(database: Database) -> None:
        store = database.orders
        await store.create(accepted("o-0"), key("k-0"))
        assert await at_once(
            lambda: store.create(accepted("o-1")),
            lambda: store.create(accepted("o-1")),
            lambda: store.create(accepted("o-3"), key("k-0")),
            lambda: store.create(accepted("o-0")),
            lambda: store.create(accepted("o-2")),
        ) == ["o-1", DuplicateOrder, "o-0", DuplicateOrder, "o-2"]
        assert await at_once(
            lambda: store.append(cancelled(2)),
            lambda: store.append(claimed(2)),
            lambda: store.append(claimed(2, order_id="o-9")),
            lambda: store.append(cancelled(2, "o-2")),
        ) == [None, SequenceConflict, UnknownOrder, None]

    run_in_database(test, url)


def test_a_write_that_the_database_refuses_fails_alone(url: str) -> None:
    """The schema is the last guard: it holds where the code's checks are wrong."""

    async def test(database: Database) -> None:
        store = database.orders
        for order_id in ("o-1", "o-2"):
            await store.create(accepted(order_id))
        other = await connections.connect(url)
        await other.execute(
            "INSERT INTO events (order_id, seq, type, body) VALUES ('o-1', 9, 'expired', '')"
        )
        await other.close()
        found = await at_once(
            lambda: store.append(cancelled(2, "o-2")), lambda: store.append(cancelled(2, "o-1"))
        )
        assert found == [None, InvariantViolated]
        event, signed = submitted(2)
        await store.append(event, signed=signed)

    run_in_database(test, url)


def test_processes_that_want_the_same_orders_wait_and_never_in_a_circle(url: str) -> None:
    """Whatever order each names them in: one writes, the others are told."""
    ids, draws = [f"o-{number}" for number in range(60)], Draws(20_261_124, "same orders")

    async def main() -> None:
        async with (
            open_database(url, upgrade=True) as one,
            open_database(url) as two,
            open_database(url) as three,
        ):
            databases = [one, two, three]
            for number, order_id in enumerate(ids):
                made = await databases[number % 3].orders.create(accepted(order_id), key(order_id))
                assert made == order_id
            mixed = [sorted(ids, key=lambda name: draws.u64(ids.index(name), k)) for k in range(3)]
            for change in (
                lambda db, name: db.orders.claim(name, "w"),
                lambda db, name: db.orders.renew(dict.fromkeys([name, *ids], 1)),
                lambda db, name: db.orders.append(claimed(order_id=name), fence=1),
                lambda db, name: db.orders.release(name, 1),
                lambda db, name: db.orders.create(accepted(f"{name}-{id(db)}"), key(f"new-{name}")),
                lambda db, name: db.orders.append(cancelled(3, name)),
            ):
                found = await at_once(
                    *(
                        partial(change, database, order_id)
                        for database, order in zip(databases, mixed, strict=True)
                        for order_id in order
                    )
                )
                assert Unavailable not in found
                assert InvariantViolated not in found
            for order_id in ids:
                log = list(await one.orders.events(order_id))
                assert log == [
                    accepted(order_id),
                    claimed(order_id=order_id),
                    cancelled(3, order_id),
                ]
            counts = await one.operations.counts()
            assert counts.by_status == {"cancelled": len(ids), "pending": len(ids)}

    anyio.run(main, backend="asyncio")


def test_too_much_that_waits_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and the others are stored."""
    monkeypatch.setattr("orderengine.storage.postgres.lines.CAPACITY", 5)

    async def test(database: Database) -> None:
        creates = [lambda n=n: database.orders.create(accepted(f"o-{n}")) for n in range(20)]
        found = await at_once(*creates)
        stored = await database.orders.orders("user")
        assert found.count(Unavailable) == 20 - len(stored) == 15

    run_in_database(test, url)


def test_what_waited_too_long_is_not_begun(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller has been told before it could be stored."""
    monkeypatch.setattr(batches, "_PATIENCE_S", -1.0)

    async def test(database: Database) -> None:
        with pytest.raises(Unavailable, match="too long"):
            await database.orders.create(accepted())
        monkeypatch.undo()
        assert list(await database.orders.orders("user")) == []

    run_in_database(test, url)


def test_leaving_does_what_waits(url: str) -> None:
    """Also when the block is cancelled; what comes later is told that it is closed."""
    found: list[str] = []

    async def main() -> None:
        scope, opened, is_open = anyio.CancelScope(), list[Database](), anyio.Event()

        async def own() -> None:
            with scope:
                async with open_database(url, upgrade=True) as database:
                    opened.append(database)
                    is_open.set()
                    await anyio.sleep_forever()

        async def create(number: int) -> None:
            found.append(await opened[0].orders.create(accepted(f"o-{number}")))

        async with anyio.create_task_group() as group:
            group.start_soon(own)
            await is_open.wait()
            for number in range(2_000):
                group.start_soon(create, number)
            await anyio.lowlevel.checkpoint()  # now all of them wait
            scope.cancel()
        with pytest.raises(Unavailable, match="closed"):
            await opened[0].orders.create(accepted("late"))

    anyio.run(main, backend="asyncio")
    assert len(found) == 2_000


def test_a_cancelled_caller_may_have_written(url: str) -> None:
    """It looks at the log to know; the connection goes on in either case."""

    async def test(database: Database) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(database.orders.create, accepted("o-1"))
                group.start_soon(database.orders.position)
                await anyio.lowlevel.checkpoint()
                scope.cancel()
        assert await database.orders.create(accepted("o-2")) == "o-2"
        assert [order_id for _, order_id in await database.orders.orders("user")] == ["o-2", "o-1"]

    run_in_database(test, url)


def test_a_process_holds_few_connections(server: PostgresServer, url: str) -> None:
    """No more than the docs say, under whatever load."""
    count = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""

    async def test(database: Database) -> None:
        await database.orders.create(accepted())
        await at_once(*_every_call(database) * 50)
        ((found,),) = await anyio.to_thread.run_sync(server.execute, count, url)
        assert found <= CONNECTIONS_MAX

    run_in_database(test, url)


WRONG = {
    "another scheme": f"mysql://u:{SECRET}@127.0.0.1/x",
    "no port": f"postgresql://u:{SECRET}@127.0.0.1:port/x",
    "no database": f"postgresql://u:{SECRET}@127.0.0.1:5432",
    "no host": f"postgresql://u:{SECRET}@/x",
    "a broken option": f"postgresql://u:{SECRET}@127.0.0.1/x?sslmode=of-course",
    "no option's value": f"postgresql://u:{SECRET}@127.0.0.1/x?what",
    "nothing": SECRET,
    "no path": f"sqlite://{SECRET}",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_url_is_named_and_never_shown(wrong: str) -> None:
    """It may hold a password."""

    async def main() -> None:
        async with open_database(wrong):
            raise AssertionError

    with pytest.raises(InvalidData) as refused:
        anyio.run(main, backend="asyncio")
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_refused_login_shows_no_password(server: PostgresServer) -> None:
    """Nor does a server that is not there."""

    async def main(url: str) -> None:
        async with open_database(url):
            raise AssertionError

    port = server.url.rsplit(":", 1)[1].split("/")[0]
    nobody = f"postgresql://nobody_at_all:{SECRET}@127.0.0.1:{port}/postgres"
    nowhere = f"postgresql://postgres:{SECRET}@127.0.0.1:{port}/no_such_database"
    for url in (nobody, nowhere):
        with pytest.raises(InvalidData, match="does not exist") as refused:
            anyio.run(main, url, backend="asyncio")
        assert SECRET not in str(refused.value)
    closed = f"postgresql://postgres:{SECRET}@127.0.0.1:1/x"
    with pytest.raises(Unavailable, match="cannot be reached") as away:
        anyio.run(main, closed, backend="asyncio")
    assert SECRET not in str(away.value)


def test_a_dead_network_is_noticed_while_nothing_is_asked(url: str) -> None:
    """Keepalive probes run on both ends."""

    async def main() -> None:
        connection = await connections.connect(url)
        found = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        assert await connection.fetchval("SHOW tcp_keepalives_idle") == "10"
        await connection.close()

    anyio.run(main, backend="asyncio")


def test_all_that_wait_are_told_at_once_that_there_is_no_connection() -> None:
    """One try to connect answers all of them, of every kind; the next caller makes another."""
    tries = 0

    class DeadLink(Link):
        async def fetch(self, statement: str, *values: object) -> Sequence[Any]:
            nonlocal tries
            del statement, values
            tries += 1
            await anyio.sleep(0.01)
            raise Unreachable("nobody there")

    async def main() -> None:
        line = Line(DeadLink("postgresql://nobody@nowhere/none"), capacity=100)
        async with anyio.create_task_group() as group:
            group.start_soon(line.serve)
            questions = [partial(ask, line, "SELECT 1") for _ in range(20)]
            logs = [partial(line.do, LOG, Log(f"o-{number}", 1)) for number in range(20)]
            assert await at_once(*questions, *logs) == [Unavailable] * 40
            assert (tries, len(line)) == (1, 0)
            with pytest.raises(Unavailable, match="nobody there"):
                await ask(line, "SELECT 1")
            assert tries == 2
            line.close()

    anyio.run(main, backend="asyncio")
