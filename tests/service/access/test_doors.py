"""Check over real processes who is let in, to what, and for how long."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from orderengine.service.credentials import new_secret, new_ticket, sha256_of
from orderengine.storage.opening import open_database
from tests.service.access.doors import Key, keys_command, knock, made_key, within_a_minute
from tests.service.serving import Serving, serving
from tests.service.test_app import SWAP

WAIT_S = 10.0
BOOTSTRAP = new_secret()


class House(NamedTuple):
    """Hold a service that asks for keys, and some keys."""

    folder: Path
    served: Serving
    alice: Key
    bob: Key
    operator: Key
    expired: Key
    revoked: Key

    def http(self, key: Key) -> httpx.Client:
        """Return a client with a key."""
        return httpx.Client(base_url=self.served.url, headers=key.headers, timeout=10)

    def socket(self, path: str, key: Key | None = None) -> ClientConnection:
        """Open a socket, with a key or without."""
        url = f"ws://127.0.0.1:{self.served.port}{path}"
        headers = {} if key is None else key.headers
        return connect(url, open_timeout=5, additional_headers=headers)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give one service for all tests here."""
    folder = tmp_path_factory.mktemp("house")
    env = {"ORDERENGINE_AUTH": "keys", "ORDERENGINE_SIM_PROFILE": "instant"}
    env |= {"ORDERENGINE_LOG": "json", "ORDERENGINE_LOG_LEVEL": "info"}
    env |= {"ORDERENGINE_TRUSTED_HOPS": "1"}
    with serving(folder, **env) as served:
        house = House(
            folder,
            served,
            made_key(folder, "alice"),
            made_key(folder, "bob"),
            made_key(folder, "olga", "--role", "operator"),
            expired=made_key(folder, "alice", "--expires", "1m"),
            revoked=made_key(folder, "alice"),
        )
        _set_expired(folder, house.expired)
        assert keys_command(folder, "revoke", house.revoked.key_id).returncode == 0
        yield house


def order_of(house: House, key: Key, **headers: str) -> str:
    """Place an order and return its id."""
    with house.http(key) as http:
        answer = http.post("/execute", json=SWAP, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["order_id"])


def refused_socket(house: House, path: str, key: Key | None = None) -> tuple[int, bytes]:
    """Return how a handshake is refused."""
    with pytest.raises(InvalidStatus) as raised:
        house.socket(path, key)
    response = raised.value.response
    return response.status_code, bytes(response.body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orders"),
        ("GET", "/orders/none"),
        ("POST", "/execute"),
        ("PUT", "/execute"),
        ("OPTIONS", "/execute"),
        ("DELETE", "/orders/none"),
        ("POST", "/tickets"),
        ("GET", "/metrics"),
        ("GET", "//metrics"),
        ("GET", "/docs/of-the-framework"),
        ("POST", "/docs"),
        ("GET", "/nowhere"),
        ("GET", "/"),
    ],
    ids=str,
)
def test_nobody_without_a_key_learns_anything(house: House, method: str, path: str) -> None:
    """One answer for whatever is wrong with a key, on every path, whether it exists or not."""
    secret = house.alice.secret
    wrong = [
        [],
        [("Authorization", "")],
        [("Authorization", secret)],
        [("Authorization", f"Basic {secret}")],
        [("Authorization", f"Bearer {secret}x")],
        [("Authorization", f"Bearer {secret[:-1]}")],
        [("Authorization", f"Bearer {secret} {secret}")],
        [("Authorization", f"Bearer {new_secret()}")],
        [("Authorization", f"Bearer {house.expired.secret}")],
        [("Authorization", f"Bearer {house.revoked.secret}")],
        [("X-Api-Key", secret)],
        [("Cookie", f"key={secret}")],
    ]
    answers = [knock(house.served.port, path, headers, method=method) for headers in wrong]
    assert {answer.code for answer in answers} == {"UNAUTHENTICATED"}
    assert {answer.body for answer in answers} == {answers[0].body}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


def _set_expired(folder: Path, key: Key) -> None:
    """Let a key have ended a while ago."""

    async def main() -> None:
        async with open_database(f"sqlite:///{folder}/orderengine.db") as database:
            file = database.keys._file  # type: ignore[attr-defined]
            await file.write(
                lambda db: db.execute(
                    "UPDATE api_keys SET expires_at_ns = 1 WHERE key_id = ?", (key.key_id,)
                )
            )

    anyio.run(main)


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/docs", "/docs/", "/openapi.json"]
)
def test_some_doors_are_open(house: House, path: str) -> None:
    """For those who watch the process and those who read about it."""
    assert knock(house.served.port, path).status == 200


def test_metrics_are_for_operators(house: House) -> None:
    """Whoever else has a key is forbidden them, under every spelling of the path."""
    for path in ("/metrics", "/metrics/", "/metrics?x=1"):
        answer = knock(house.served.port, path, house.alice.headers.items())
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
        assert knock(house.served.port, path, house.operator.headers.items()).status != 403
    for path in ("//metrics", "/%6detrics/x", "/Metrics"):
        answer = knock(house.served.port, path, house.alice.headers.items())
        assert (answer.status, answer.code) == (404, "NOT_FOUND")


def test_who_is_refused_stands_in_the_log(house: House) -> None:
    """By the address that counts, which no client can invent, and never with its key."""
    headers = [("X-Forwarded-For", "203.0.113.9, 198.51.100.7"), ("Authorization", "Bearer x")]
    assert knock(house.served.port, "/orders", headers).status == 401
    key = {"X-Forwarded-For": "198.51.100.8"} | house.expired.headers
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{house.served.port}/ws", additional_headers=key)
    lines = [json.loads(line) for line in house.served.log.read_text().splitlines()]
    told = [line for line in lines if line["message"] == "refused"]
    found = {(line["address"], line["status"], line["code"]) for line in told}
    assert ("198.51.100.7", 401, "UNAUTHENTICATED") in found
    assert ("198.51.100.8", 401, "UNAUTHENTICATED") in found
    assert "203.0.113.9" not in house.served.log.read_text()
    assert house.expired.secret not in house.served.log.read_text()


def test_with_a_key_a_path_that_does_not_exist_is_not_found(house: House) -> None:
    """And a method that a path does not have is not allowed."""
    port, headers = house.served.port, house.alice.headers.items()
    for path in ("/nowhere", "/", "/docs/of-the-framework", "/orders/a/b"):
        assert knock(port, path, headers).code == "NOT_FOUND"
    assert knock(port, "/execute", headers, method="PUT").code == "METHOD_NOT_ALLOWED"


def test_a_user_sees_nothing_of_another(house: House) -> None:
    """Not an order, nor its log, nor that it exists; a list has one's own only."""
    hers = order_of(house, house.alice)
    with house.http(house.alice) as alice, house.http(house.bob) as bob:
        unknown = bob.get("/orders/none")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "UNKNOWN_ORDER")
        for order_id in (hers, "0" * 32, "none", "a%20b", "%00", "x" * 300, "%F0%9F%92%A9"):
            for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
                answer = bob.request(method, f"/orders/{order_id}{path}")
                assert (answer.status_code, answer.content) == (404, unknown.content)
        assert hers in {order["order_id"] for order in alice.get("/orders").json()["orders"]}
        assert hers not in {order["order_id"] for order in bob.get("/orders").json()["orders"]}
        assert alice.get(f"/orders/{hers}").json()["status"] != "cancelled"


def test_a_user_hears_nothing_of_another(house: House) -> None:
    """A socket of all orders tells one's own; one of another's order is refused as if unknown."""
    with house.socket("/ws", house.bob) as socket:
        hers, his = order_of(house, house.alice), order_of(house, house.bob)
        heard: set[str] = set()
        while his not in heard:
            heard.add(json.loads(socket.recv(timeout=WAIT_S))["order_id"])
    assert hers not in heard
    unknown = refused_socket(house, "/ws/none", house.bob)
    assert unknown[0] == 404
    assert refused_socket(house, f"/ws/{hers}", house.bob) == unknown


def test_users_may_choose_the_same_idempotency_key(house: House) -> None:
    """Each gets an order of their own, and again the same one."""
    hers = order_of(house, house.alice, **{"Idempotency-Key": "one"})
    his = order_of(house, house.bob, **{"Idempotency-Key": "one"})
    assert hers != his
    assert order_of(house, house.alice, **{"Idempotency-Key": "one"}) == hers
    second = made_key(house.folder, "alice")
    assert order_of(house, second, **{"Idempotency-Key": "one"}) == hers


def test_an_order_is_as_large_as_its_key_allows(house: House) -> None:
    """More, or of another token, is refused in numbers."""
    small = made_key(house.folder, "alice", "--order-max", "1.5SOL")
    with house.http(small) as http:
        assert http.post("/execute", json=SWAP).status_code == 202
        for changes, words in (
            ({"amount": "1500000001"}, "at most 1500000000 base units of SOL, was 1500000001"),
            ({"mode": "exact_out", "amount": "1"}, "at most 0 base units of USDC, was 1"),
        ):
            answer = http.post("/execute", json=SWAP | changes)
            assert (answer.status_code, answer.json()["code"]) == (422, "ORDER_TOO_LARGE")
            assert words in answer.json()["detail"]


def test_a_key_has_its_own_rate(house: House) -> None:
    """Instead of the service's; other keys of the user are not touched by it."""
    slow = made_key(house.folder, "alice", "--rate", "3")
    within_a_minute(2.0)
    with house.http(slow) as http:
        answers = [http.get("/orders?limit=1") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 3
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert refused_socket(house, "/ws", slow)[0] == 429
    with house.http(house.alice) as http:
        assert http.get("/orders?limit=1").status_code == 200


def ticket_of(house: House, key: Key) -> str:
    """Return a new ticket."""
    with house.http(key) as http:
        answer = http.post("/tickets")
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"ticket", "expires_at"}
    return str(answer.json()["ticket"])


def test_a_ticket_opens_one_socket(house: House) -> None:
    """As its user, for all orders or one; a second time it is worth nothing."""
    order_id = order_of(house, house.alice)
    for path in ("/ws?ticket={}", f"/ws/{order_id}?from_seq=1&ticket={{}}"):
        ticket = ticket_of(house, house.alice)
        with house.socket(path.format(ticket)):
            pass
        status, body = refused_socket(house, path.format(ticket))
        assert (status, json.loads(body)["code"]) == (401, "UNAUTHENTICATED")
    his = ticket_of(house, house.bob)
    assert refused_socket(house, f"/ws/{order_id}?ticket={his}")[0] == 404
    said = house.served.log.read_text()
    assert "ticket=" not in said
    assert "oet_" not in said


def test_a_ticket_is_for_sockets_only(house: House) -> None:
    """Made-up, doubled, old ones and those of dead keys open nothing."""
    ticket = ticket_of(house, house.alice)
    assert knock(house.served.port, f"/orders?ticket={ticket}").code == "UNAUTHENTICATED"
    dead = made_key(house.folder, "alice")
    of_dead = ticket_of(house, dead)
    keys_command(house.folder, "revoke", dead.key_id)
    old = new_ticket()

    async def add_old() -> None:
        async with open_database(f"sqlite:///{house.folder}/orderengine.db") as database:
            await database.keys.add_ticket(sha256_of(old), house.alice.key_id, 1)

    anyio.run(add_old)
    second = ticket_of(house, house.alice)
    for query in (
        "ticket=",
        "ticket=x",
        f"ticket={new_ticket()}",
        f"ticket={of_dead}",
        f"ticket={old}",
        f"ticket={ticket}&ticket={second}",
        f"ticket={house.alice.secret}",
    ):
        assert refused_socket(house, f"/ws?{query}")[0] == 401


def test_a_revoked_key_is_dead_soon_everywhere(house: House) -> None:
    """Revoked by another process: requests are refused and open sockets closed with 4401."""
    key = made_key(house.folder, "carol")
    ticket = ticket_of(house, key)
    with (
        house.http(key) as http,
        house.socket("/ws", key) as socket,
        house.socket(f"/ws?ticket={ticket}") as ticketed,
    ):
        assert http.get("/orders").status_code == 200
        assert keys_command(house.folder, "revoke", key.key_id).returncode == 0
        until = time.monotonic() + WAIT_S
        while http.get("/orders").status_code == 200:
            assert time.monotonic() < until
        for each in (socket, ticketed):
            with pytest.raises(ConnectionClosed):
                each.recv(timeout=WAIT_S)
            assert each.protocol.close_code == 4401
        assert refused_socket(house, "/ws", key)[0] == 401


def test_a_bootstrap_key_is_there_from_the_first_start_on(tmp_path: Path) -> None:
    """It is an operator's; once it is revoked it stays so, and another takes its place."""

    def status(secret: str) -> int:
        with serving(tmp_path, ORDERENGINE_BOOTSTRAP_KEY=secret) as served:
            headers = [("Authorization", f"Bearer {secret}")]
            assert knock(served.port, "/metrics", headers).status in {200, 401, 404}
            return knock(served.port, "/orders", headers).status

    assert status(BOOTSTRAP) == 200
    assert status(BOOTSTRAP) == 200
    listed = json.loads(keys_command(tmp_path, "list", "--json").stdout)["keys"]
    assert [(key["user"], key["role"]) for key in listed] == [("operator", "operator")]
    assert keys_command(tmp_path, "revoke", listed[0]["key_id"]).returncode == 0
    assert status(BOOTSTRAP) == 401
    assert status(new_secret()) == 200
    assert len(json.loads(keys_command(tmp_path, "list", "--json").stdout)["keys"]) == 2


def test_without_keys_everybody_is_one_user(tmp_path: Path) -> None:
    """Also who sends a key, or asks for a ticket and uses it."""
    with serving(tmp_path) as served:
        headers = [("Authorization", f"Bearer {new_secret()}")]
        assert knock(served.port, "/orders", headers).status == 200
        assert knock(served.port, "/orders").status == 200
        ticket = json.loads(knock(served.port, "/tickets", method="POST").body)["ticket"]
        with connect(f"ws://127.0.0.1:{served.port}/ws?ticket={ticket}", open_timeout=5):
            pass
