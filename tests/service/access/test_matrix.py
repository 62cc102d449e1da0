"""Check every route with every caller and every object, and that nobody hears of another's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from orderengine.model.api_key import ApiKey, Role
from orderengine.service.access.rules import RULES, Rule
from orderengine.service.credentials import new_secret, new_ticket, sha256_of
from orderengine.service.settings import Settings
from orderengine.service.web.app import create_app, routes_of
from orderengine.storage.opening import open_database
from tests.service.access.doors import Answer, knock
from tests.service.access.matrix import (
    BODIES,
    CALLERS,
    OBJECTS,
    Caller,
    Cell,
    Outcome,
    cells,
    expected,
)
from tests.service.serving import Serving, serving

USERS = {caller.user: caller.role for caller in CALLERS if caller.user}
AMOUNTS = {user: b"1%07d03" % (7 * place) for place, user in enumerate(USERS, 314_159)}
WAIT_S = 10.0
_SERVED = {
    (method, re.sub(r":\w+\}", "}", path)) for method, path in routes_of(create_app(Settings()).app)
}
_FAR_NS = 2**62


class Heard(NamedTuple):
    """Hold what a caller was told."""

    status: int
    headers: frozenset[tuple[str, str]]
    body: bytes


class House:
    """Hold a service that asks for keys, three users of it, and orders that only wait."""

    def __init__(self, served: Serving, secrets: dict[str, str], tickets: list[str]) -> None:
        self.served = served
        self.secrets = secrets
        """By user, or by what is wrong with it."""
        self.tickets = tickets
        self.orders: dict[str, list[str]] = {user: [] for user in USERS}
        self.own = {user: self.place(user) for user in USERS}
        self.prey = {user: self.place(user) for user in USERS}
        """What is asked for by others, and by nobody else."""
        self.refusals: dict[tuple[Outcome, bool, bool], Heard] = {}
        """The first of each sort: over HTTP, to sockets, to pages."""
        with self.socket("/ws", [], f"ticket={tickets[0]}") as spent:
            spent.close()

    def place(self, user: str, **headers: str) -> str:
        """Place an order and return its id."""
        body = BODIES["/execute"] % AMOUNTS[user]
        answer = self.ask("POST", "/execute", [*self.bearer(user), *headers.items()], body)
        assert answer.status == 202, answer
        order_id = str(json.loads(answer.body)["order_id"])
        self.orders[user].append(order_id)
        return order_id

    def bearer(self, name: str) -> list[tuple[str, str]]:
        """Return the header that carries a secret."""
        return [("Authorization", f"Bearer {self.secrets[name]}")]

    def ask(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes | None = None
    ) -> Answer:
        """Send a request."""
        if body is not None:
            headers = [*headers, ("Content-Type", "application/json")]
        return knock(self.served.port, path, headers, method=method, body=body)

    def socket(
        self, path: str, headers: list[tuple[str, str]], query: str = ""
    ) -> ClientConnection:
        """Open a socket."""
        url = f"ws://127.0.0.1:{self.served.port}{path}?{query}"
        return connect(url, open_timeout=WAIT_S, additional_headers=headers)

    def proof(self, caller: Caller) -> tuple[list[tuple[str, str]], str]:
        """Return the headers and the query by which a caller says who it is."""
        if caller.name == "anonymous":
            return [], ""
        if caller.name == "ticket used twice":
            return [], f"ticket={self.tickets[0]}"
        if caller.is_of_sockets:
            return [], f"ticket={self.tickets.pop()}"
        return self.bearer(caller.user or caller.name), ""

    def target(self, cell: Cell) -> str:
        """Return the path of a cell's object."""
        me = cell.caller.user or next(iter(USERS))
        another = next(user for user in USERS if user != cell.caller.user)
        name = {
            "own": self.own[me],
            "another's": self.prey[another],
            "unknown": "0" * 32,
            "malformed": "no%20id%00'",
            "file": "swagger_style.css",
            "no file": "nothing.css",
        }.get(cell.what, "")
        return re.sub(r"\{\w+\}", name, cell.rule.path)

    def heard(self, cell: Cell) -> Heard:
        """Ask, and return what is told; of a socket, its first message if it has one."""
        headers, query = self.proof(cell.caller)
        path = self.target(cell)
        if not cell.is_socket:
            amount = AMOUNTS.get(cell.caller.user, b"1")
            body = BODIES[cell.rule.path] % amount if cell.rule.has_body else None
            answer = self.ask(cell.rule.method, f"{path}?{query}", headers, body)
            return Heard(answer.status, _lasting(answer.headers), answer.body)
        try:
            with self.socket(path, headers, query) as socket:
                first = socket.recv(timeout=WAIT_S) if cell.what else ""
                assert isinstance(first, str)
                return Heard(101, frozenset(), first.encode())
        except InvalidStatus as error:
            response = error.response
            names = {name.lower(): value for name, value in response.headers.raw_items()}
            return Heard(response.status_code, _lasting(names), bytes(response.body))

    def leaks(self, user: str, told: bytes) -> list[str]:
        """Return what is in an answer to a user, or to nobody, of anybody else's."""
        others = [other for other in USERS if other != user]
        known = [word for other in others for word in (other, self.secrets[other])]
        known += [order_id for other in others for order_id in self.orders[other]]
        known += [AMOUNTS[other].decode() for other in others]
        return [word for word in known if word.encode() in told]


def _lasting(headers: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in headers.items() if name != "date")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give one house for all cells."""
    folder = tmp_path_factory.mktemp("house")
    secrets = {user: new_secret() for user in USERS}
    secrets |= {name: new_secret() for name in ("unknown secret", "revoked key", "expired key")}
    secrets["malformed secret"] = new_secret()[:-1]
    tickets = [new_ticket() for _ in range(1 + len(cells()))]
    anyio.run(_furnish, folder, secrets, tickets)
    env = {"ORDERENGINE_AUTH": "keys", "ORDERENGINE_WORKERS": "0"}
    with serving(folder, **env) as served:
        yield House(served, secrets, tickets)


async def _furnish(folder: Path, secrets: dict[str, str], tickets: list[str]) -> None:
    """Store keys of all kinds, and tickets of the first user."""
    first = next(iter(USERS))
    async with open_database(f"sqlite:///{folder}/orderengine.db") as database:
        for name in (*USERS, "revoked key", "expired key"):
            key = ApiKey(
                key_id=f"key_{name.replace(' ', '_')}",
                user=name if name in USERS else first,
                role=USERS.get(name, Role.USER),
                expires_at_ns=1 if name == "expired key" else None,
            )
            assert await database.keys.add(key, sha256_of(secrets[name]))
        assert await database.keys.revoke("key_revoked_key", 1)
        for ticket in tickets:
            await database.keys.add_ticket(sha256_of(ticket), f"key_{first}", _FAR_NS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.method} {rule.path}")
def test_every_route_is_asked_for_objects_and_with_bodies(rule: Rule) -> None:
    """A new one says in ``matrix.py`` what may stand in its path, and what it is sent."""
    assert set(re.findall(r"\{(\w+)\}", rule.path)) <= set(OBJECTS)
    assert not rule.has_body or rule.path in BODIES


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_a_cell(cell: Cell, house: House) -> None:
    """It ends as the principles say, in an answer that all of its sort share, and leaks nothing."""
    outcome = expected(cell, is_served=(cell.rule.method, cell.rule.path) in _SERVED)
    heard = house.heard(cell)
    user = cell.caller.user if cell.is_known else ""
    if outcome is Outcome.DONE:
        assert heard.status == 101 or 200 <= heard.status < 300, heard
        if cell.rule.path == "/execute":
            house.orders[user].append(json.loads(heard.body)["order_id"])
        if cell.what == "own":
            assert house.own[user].encode() in heard.body
    else:
        assert f"{heard.status} {json.loads(heard.body)['code']}" == outcome
        # Within a sort nothing differs, whatever is the route, the caller, and in the path.
        sort = outcome, cell.is_socket, cell.rule.is_page
        assert heard == house.refusals.setdefault(sort, heard)
    said = heard.body + repr(heard.headers).encode()
    assert house.leaks(user, said) == []


def test_sockets_are_refused_as_requests_are(house: House) -> None:
    """In the same words, so that neither tells more than the other."""
    for outcome in (Outcome.UNAUTHENTICATED, Outcome.NO_ORDER):
        path = "/orders/none" if outcome is Outcome.NO_ORDER else "/orders"
        headers = house.bearer("adelheid") if outcome is Outcome.NO_ORDER else []
        asked = house.ask("GET", path, headers)
        with pytest.raises(InvalidStatus) as raised:
            house.socket("/ws/none", headers)
        response = raised.value.response
        assert (response.status_code, bytes(response.body)) == (asked.status, asked.body)


def test_nobody_has_touched_what_is_anothers(house: House) -> None:
    """Every log of what others have asked for, and tried to cancel, is as it was."""
    for user, order_id in house.prey.items():
        for caller in USERS:
            if caller != user:
                assert (
                    house.ask("DELETE", f"/orders/{order_id}", house.bearer(caller)).status == 404
                )
        log = json.loads(house.ask("GET", f"/orders/{order_id}/events", house.bearer(user)).body)
        assert [event["type"] for event in log["events"]] == ["accepted"]


def test_a_list_has_all_of_ones_own_and_no_more(house: House) -> None:
    """On every page of every state, so that nobody can even count another's."""
    house.place("bartholomew")
    for user in USERS:
        found: list[str] = []
        for state in ("open", "ended"):
            before = ""
            while True:
                path = f"/orders?limit=2&state={state}{before}"
                page = json.loads(house.ask("GET", path, house.bearer(user)).body)
                found += [order["order_id"] for order in page["orders"]]
                assert len(page["orders"]) <= 2
                if page["before"] is None:
                    break
                before = f"&before={page['before']}"
        assert sorted(found) == sorted(house.orders[user])


def test_a_stream_has_all_of_ones_own_and_no_more(house: House) -> None:
    """From the moment it is open, whatever others do meanwhile."""
    with ExitStack() as stack:
        sockets = {
            user: stack.enter_context(house.socket("/ws", house.bearer(user))) for user in USERS
        }
        placed: dict[str, list[str]] = {user: [] for user in USERS}
        for _ in range(5):
            for user in USERS:
                placed[user].append(house.place(user))
        for user, socket in sockets.items():
            told: list[str] = []
            while len(told) < len(placed[user]):
                message = socket.recv(timeout=WAIT_S)
                assert isinstance(message, str)
                assert house.leaks(user, message.encode()) == []
                told.append(json.loads(message)["order_id"])
            assert told == placed[user]
        # Whatever was on its way to the wrong socket would be there before what comes now.
        for user, socket in sockets.items():
            last = house.place(user)
            message = socket.recv(timeout=WAIT_S)
            assert isinstance(message, str)
            assert json.loads(message)["order_id"] == last


def test_an_idempotency_key_is_ones_own(house: House) -> None:
    """The same one makes an order a user, and what another sent under it is not met."""
    first = {user: house.place(user, **{"Idempotency-Key": "shared"}) for user in USERS}
    assert len(set(first.values())) == len(USERS)
    for user, order_id in first.items():
        assert house.place(user, **{"Idempotency-Key": "shared"}) == order_id
        house.orders[user].pop()  # it was the same
        other = BODIES["/execute"] % b"1"
        headers = [*house.bearer(user), ("Idempotency-Key", "shared")]
        answer = house.ask("POST", "/execute", headers, other)
        assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert house.leaks(user, answer.body) == []
