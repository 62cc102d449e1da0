"""Check the web face over real processes: what is accepted, refused, stored, streamed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from orderengine.model.events import Event, Routed
from orderengine.model.lifecycle import fold
from orderengine.model.wire import decode_event
from tests.service.serving import Process, Serving, serving

SWAP = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}
DONE_S_MAX = 20.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Give one process for all tests here, with the delays of the original."""
    with serving(tmp_path_factory.mktemp("served")) as process:
        yield process


@pytest.fixture(scope="module")
def http(served: Serving) -> Iterator[httpx.Client]:
    """Give a client of it."""
    with httpx.Client(base_url=served.url, timeout=10) as client:
        yield client


def submit(http: httpx.Client, **changes: object) -> str:
    """Send an order and return its id."""
    answer = http.post("/execute", json=SWAP | changes)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["order_id"])


def log_of(http: httpx.Client, order_id: str, from_seq: int = 1) -> list[Event]:
    """Return an order's log."""
    answer = http.get(f"/orders/{order_id}/events", params={"from_seq": from_seq})
    assert answer.status_code == 200, answer.text
    return [decode_event(json.dumps(event)) for event in answer.json()["events"]]


def ended(http: httpx.Client, order_id: str) -> dict[str, Any]:
    """Wait for an order's end and return it."""
    deadline = time.monotonic() + DONE_S_MAX
    while time.monotonic() < deadline:
        found: dict[str, Any] = http.get(f"/orders/{order_id}").json()
        if found["status"] in {"confirmed", "failed", "cancelled", "expired"}:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{order_id} did not end")


def heard(served: Serving, order_id: str, from_seq: int = 1) -> list[Event]:
    """Return what a socket says until it is closed."""
    url = f"ws://127.0.0.1:{served.port}/ws/{order_id}?from_seq={from_seq}"
    said: list[Event] = []
    with connect(url, open_timeout=5) as socket:
        with suppress(ConnectionClosedOK):
            while True:
                said.append(decode_event(socket.recv(timeout=DONE_S_MAX)))
        assert socket.protocol.close_code == 1000
    return said


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail"}
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


def test_one_line_says_what_it_stands_on(served: Serving) -> None:
    """Where it listens, and which queue, store and market."""
    assert f"http://127.0.0.1:{served.port}" in served.line
    for part in ("queue in memory", "orderengine.db", "simulated market (original"):
        assert part in served.line


def test_an_order_lives(served: Serving, http: httpx.Client) -> None:
    """Accepted at once, streamed as it goes, filled after the original's two to three seconds."""
    order_id = submit(http)
    events = heard(served, order_id)
    types = [type(event).__name__ for event in events]
    assert types == ["Accepted", "Claimed", "Routed", "Submitted", "Confirmed"]
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    took_ns = events[-1].at_ns - events[0].at_ns
    assert took_ns > 2_000_000_000
    state = fold(events)
    assert state.order.amount == 1_500_000_000
    assert events == log_of(http, order_id) == heard(served, order_id)
    view = ended(http, order_id)
    assert (view["status"], view["seq"], view["simulated"]) == ("confirmed", 5, True)
    assert int(view["amount_out"]) > 100_000_000


def test_a_late_socket_gets_the_rest(served: Serving, http: httpx.Client) -> None:
    """From the number asked on, inclusive; past the end there is nothing."""
    order_id = submit(http)
    ended(http, order_id)
    for from_seq in (1, 3, 5, 6, 99):
        assert [event.seq for event in heard(served, order_id, from_seq)] == [*range(from_seq, 6)]
        assert [event.seq for event in log_of(http, order_id, from_seq)] == [*range(from_seq, 6)]


def test_many_sockets_hear_the_same(served: Serving, http: httpx.Client) -> None:
    """One that hears all orders gets each order's whole log, in order, from its acceptance on."""
    url = f"ws://127.0.0.1:{served.port}/ws"
    with connect(url, open_timeout=5) as socket:
        ids = [submit(http) for _ in range(20)]
        said: dict[str, list[Event]] = {order_id: [] for order_id in ids}
        while not all(log and log[-1].status.is_terminal for log in said.values()):
            event = decode_event(socket.recv(timeout=DONE_S_MAX))
            said.get(event.order_id, []).append(event)
    for order_id, log in said.items():
        assert log == log_of(http, order_id)


def test_a_cancellation_before_submission_wins(served: Serving, http: httpx.Client) -> None:
    """Within the 200 ms of the quotes; a second one says the same, a late one changes nothing."""
    order_id = submit(http)
    first, second = http.delete(f"/orders/{order_id}"), http.delete(f"/orders/{order_id}")
    assert first.json() == second.json()
    assert first.json()["status"] == "cancelled"
    assert heard(served, order_id)[-1].status == "cancelled"
    late = submit(http)
    ended(http, late)
    assert http.delete(f"/orders/{late}").json()["status"] == "confirmed"


def test_a_cancellation_after_submission_is_noted(http: httpx.Client) -> None:
    """The transaction is out: the answer says so, and the fill stands."""
    order_id = submit(http)
    while http.get(f"/orders/{order_id}").json()["status"] != "submitted":
        time.sleep(0.02)
    answer = http.delete(f"/orders/{order_id}").json()
    assert (answer["status"], answer["cancel_requested"]) == ("submitted", True)
    assert ended(http, order_id)["status"] == "confirmed"


def test_a_deadline_ends_an_order(http: httpx.Client) -> None:
    """One that has passed: nothing is sent."""
    order_id = submit(http, deadline="2026-01-01T00:00:00Z")
    assert ended(http, order_id)["status"] == "expired"


def test_the_same_key_makes_one_order(http: httpx.Client) -> None:
    """Another body under it is refused; the same body may be written otherwise."""
    key = {"Idempotency-Key": "k-1"}
    first = http.post("/execute", json=SWAP, headers=key)
    json_key = key | {"Content-Type": "application/json"}
    again = http.post("/execute", content=json.dumps(SWAP, indent=2), headers=json_key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["order_id"] == again.json()["order_id"]
    other = http.post("/execute", json=SWAP | {"amount": "1"}, headers=key)
    assert problem(other) == (422, "IDEMPOTENCY_KEY_REUSED")


def latest(http: httpx.Client) -> list[str]:
    """Return the id of the order accepted last; one of an earlier test may still be on its way."""
    orders = http.get("/orders", params={"limit": 1}).json()["orders"]
    return [order["order_id"] for order in orders]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (SWAP | {"amount": 1_500_000_000}, 400, "INVALID_REQUEST"),
        (SWAP | {"amount": "1.5"}, 400, "INVALID_REQUEST"),
        (SWAP | {"amount": "1e9"}, 400, "INVALID_REQUEST"),
        (SWAP | {"amount": "٣"}, 400, "INVALID_REQUEST"),
        (SWAP | {"amount": "0"}, 400, "INVALID_AMOUNT"),
        (SWAP | {"amount": "18446744073709551616"}, 400, "INVALID_AMOUNT"),
        (SWAP | {"slippage_bps": "50"}, 400, "INVALID_REQUEST"),
        (SWAP | {"slippage_bps": 10_001}, 400, "INVALID_REQUEST"),
        (SWAP | {"priority": "first"}, 400, "INVALID_REQUEST"),
        (SWAP | {"deadline": "tomorrow"}, 400, "INVALID_AMOUNT"),
        (SWAP | {"deadline": "9999-12-31T23:59:59Z"}, 400, "INVALID_AMOUNT"),
        (SWAP | {"deadline": "0001-01-01T00:00:00+23:59"}, 400, "INVALID_AMOUNT"),
        (SWAP | {"user": "somebody"}, 400, "INVALID_REQUEST"),
        (SWAP | {"buy": "SOL"}, 400, "INVALID_AMOUNT"),
        (SWAP | {"buy": "DOGE"}, 400, "UNKNOWN_TOKEN"),
        (SWAP | {"buy": "JUP"}, 400, "WRONG_PAIR"),
        ({"sell": "SOL"}, 400, "INVALID_REQUEST"),
        ([], 400, "INVALID_REQUEST"),
        (SWAP | {"sell": "x" * 70_000}, 413, "TOO_LARGE"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_body_is_refused(http: httpx.Client, body: object, status: int, code: str) -> None:
    """With a problem document, and nothing is stored."""
    before = latest(http)
    assert problem(http.post("/execute", json=body)) == (status, code)
    assert latest(http) == before


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"[" * 30_000, b'{"a":' * 10_000])
def test_what_is_no_json_is_refused(http: httpx.Client, body: bytes) -> None:
    """Also what nests deeper than a parser can bear."""
    headers = {"content-type": "application/json"}
    status, _ = problem(http.post("/execute", content=body, headers=headers))
    assert status == 400


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, 415, "NOT_JSON"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "NOT_JSON"),
        ({"Content-Encoding": "gzip"}, 415, "NOT_JSON"),
        ({"Origin": "https://evil.example"}, 403, "FOREIGN_ORIGIN"),
        ({"Origin": "null"}, 403, "FOREIGN_ORIGIN"),
        ({"Origin": "http://["}, 403, "FOREIGN_ORIGIN"),
        ({"Host": "evil.example:3000"}, 403, "FOREIGN_ORIGIN"),
    ],
    ids=str,
)
def test_a_page_of_another_site_places_no_order(
    http: httpx.Client, headers: dict[str, str], status: int, code: str
) -> None:
    """A browser would send these without asking anybody."""
    sent = {"Content-Type": "application/json"} | headers
    answer = http.post("/execute", content=json.dumps(SWAP), headers=sent)
    assert problem(answer) == (status, code)


@pytest.mark.parametrize(
    "path", ["/orders/none", "/orders/none/events", "/orders/%00", "/orders/" + "a" * 5_000]
)
def test_an_unknown_order_is_not_found(http: httpx.Client, path: str) -> None:
    """Whatever the id looks like."""
    status, _ = problem(http.get(path))
    assert status in {400, 404}


@pytest.mark.parametrize("path", ["/ws/none", "/ws/none?from_seq=x", "/ws/%F0%9F%92%A9"])
def test_an_unknown_order_has_no_socket(served: Serving, path: str) -> None:
    """Refused before the handshake is over, with the same body each time."""
    with pytest.raises(InvalidStatus) as raised:
        connect(f"ws://127.0.0.1:{served.port}{path}", open_timeout=5)
    response = raised.value.response
    assert (response.status_code, json.loads(response.body)["code"]) == (404, "UNKNOWN_ORDER")


def test_a_page_of_another_origin_has_no_socket(served: Serving) -> None:
    """A browser tells the origin; a page of our own is welcome."""
    url, own = f"ws://127.0.0.1:{served.port}/ws", f"http://127.0.0.1:{served.port}"
    with pytest.raises(InvalidStatus) as raised:
        connect(url, open_timeout=5, origin=Origin("https://evil.example"))
    assert raised.value.response.status_code == 403
    with connect(url, open_timeout=5, origin=Origin(own)):
        pass


def test_pages_hold_each_order_once(http: httpx.Client) -> None:
    """The newest first; open and ended ones apart."""
    ids = [submit(http) for _ in range(7)]
    seen: list[str] = []
    before: int | None = None
    while len(seen) < 7:
        params = {"limit": 3} | ({} if before is None else {"before": before})
        page = http.get("/orders", params=params).json()
        seen += [order["order_id"] for order in page["orders"]]
        before = page["before"]
    assert seen[:7] == ids[::-1]
    times = [
        order["accepted_at"] for order in http.get("/orders", params={"limit": 50}).json()["orders"]
    ]
    assert all(later >= earlier for later, earlier in pairwise(times))
    found = http.get("/orders", params={"state": "open", "limit": 500}).json()["orders"]
    assert set(ids) <= {order["order_id"] for order in found}
    for order_id in ids:
        ended(http, order_id)
    found = http.get("/orders", params={"state": "open", "limit": 500}).json()["orders"]
    assert not set(ids) & {order["order_id"] for order in found}


def test_a_quote_executes_nothing(http: httpx.Client) -> None:
    """It says what every venue said; an order then pays about that."""
    before = http.get("/orders", params={"limit": 1}).json()
    quote = http.post("/quote", json={name: SWAP[name] for name in ("sell", "buy", "amount")})
    assert quote.status_code == 200
    assert {said["venue"] for said in quote.json()["quotes"]} == {"raydium_cpmm", "meteora_dlmm"}
    assert http.get("/orders", params={"limit": 1}).json() == before
    assert problem(http.post("/quote", json=SWAP | {"buy": "JUP"})) == (400, "WRONG_PAIR")


def test_a_strategy_can_be_asked_for(http: httpx.Client) -> None:
    """It computes a route over the pools themselves, and says how good that is proven to be."""
    large = {"sell": "SOL", "buy": "USDC", "amount": "500000000000000"}
    quoted = http.post("/quote", json=large).json()
    assert {"bound", "left_out"}.isdisjoint(quoted)
    split = http.post("/quote", json=large | {"strategy": "split"}).json()
    assert {leg["venue"] for leg in split["legs"]} == {"raydium_cpmm", "meteora_dlmm"}
    assert int(split["bound"]) >= int(split["amount_out"]) > int(quoted["amount_out"])
    assert 0 <= split["gap_bps"] < 1e-3
    assert split["price_impact_bps"] > 1
    assert (split["quotes"], split["left_out"], split["declined"]) == ([], [], [])
    tiny = http.post("/quote", json=large | {"amount": "20000", "strategy": "split"}).json()
    assert [sorted(said) for said in tiny["left_out"]] == [["code", "pool", "reason", "venue"]]
    assert int(sum(int(leg["amount_in"]) for leg in tiny["legs"])) == 20_000
    proven = http.post("/quote", json=large | {"strategy": "best"}).json()
    assert (len(proven["legs"]), int(proven["bound"]) > int(proven["amount_out"])) == (1, True)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"strategy": "worst"}, 400, "INVALID_REQUEST"),
        ({"strategy": 1}, 400, "INVALID_REQUEST"),
        ({"strategy": "split", "buy": "JUP"}, 400, "WRONG_PAIR"),
        ({"strategy": "split", "amount": "1"}, 422, "AMOUNT_TOO_SMALL"),
        (
            {"strategy": "split", "mode": "exact_out", "amount": "18446744073709551615"},
            422,
            "INSUFFICIENT_LIQUIDITY",
        ),
    ],
    ids=str,
)
def test_a_strategy_that_finds_nothing_says_why(
    http: httpx.Client, changes: dict[str, object], status: int, code: str
) -> None:
    """What cannot be asked is a bad request; what the market cannot do is another matter."""
    body = {name: SWAP[name] for name in ("sell", "buy", "amount")} | changes
    assert problem(http.post("/quote", json=body)) == (status, code)


def test_a_service_routes_by_the_strategy_that_it_was_told(tmp_path: Path) -> None:
    """Its orders are split, and quotes without a strategy are what orders get."""
    env = {"ORDERENGINE_ROUTER": "split", "ORDERENGINE_SIM_PROFILE": "instant"}
    with (
        serving(tmp_path, **env) as served,
        httpx.Client(base_url=served.url, timeout=10) as client,
    ):
        assert "router split" in served.line
        large = {"sell": "SOL", "buy": "USDC", "amount": "500000000000000"}
        assert len(client.post("/quote", json=large).json()["legs"]) == 2
        order_id = submit(client, **large)
        assert ended(client, order_id)["status"] == "confirmed"
        (routed,) = [event for event in log_of(client, order_id) if isinstance(event, Routed)]
    assert {leg.venue for leg in routed.route.legs} == {"raydium_cpmm", "meteora_dlmm"}
    assert routed.route.bound is not None


def test_the_api_describes_itself(http: httpx.Client) -> None:
    """Every operation that takes a body shows one; the page needs nothing from elsewhere."""
    schema = http.get("/openapi.json").json()
    assert {"/execute", "/orders", "/orders/{order_id}", "/quote"} <= set(schema["paths"])
    for path in ("/execute", "/quote"):
        content = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert "1500000000" in json.dumps(content)
    assert '"strategy": "split"' in json.dumps(schema["paths"]["/quote"]["post"]["requestBody"])
    page = http.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text.replace("http://127.0.0.1", "").split("<script>")[0]
    for asset in ("swagger_bundle.js", "swagger_style.css", "swagger_preset.js"):
        assert asset in page.text
        assert http.get(f"/docs/assets/{asset}").status_code == 200


def test_it_says_that_it_is_ready(http: httpx.Client) -> None:
    """With what it stands on."""
    assert http.get("/health/live").json() == {"status": "ok"}
    ready = http.get("/health/ready")
    found = ready.json()
    assert (ready.status_code, found["status"], found["checks"]["queue"]) == (200, "ok", "memory")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("PUT", "/execute"),
        ("GET", "/docs/assets/%00"),
        ("GET", "/docs/assets/" + "x" * 300),
        ("GET", "/docs/assets/redoc.js"),
    ],
    ids=str,
)
def test_what_does_not_exist_is_a_problem_too(http: httpx.Client, method: str, path: str) -> None:
    """Paths and methods."""
    status = 405 if method == "PUT" else 404
    assert problem(http.request(method, path))[0] == status


def test_a_taken_port_is_said_in_one_line(served: Serving, tmp_path: Path) -> None:
    """Before anything is opened."""
    second = Process(tmp_path, "serve", "--port", str(served.port), name="second")
    second.wait_for(r"orderengine: PORT: expected a free port, found none \(Address already in")
    assert second.wait() == 2


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"DATABASE_URL": "sqlite:///nowhere/x.db"}, "unable to open"),
        ({"DATABASE_URL": "sqlite:///."}, "orderengine: "),
        ({"DATABASE_URL": "sqlite:///foreign.db"}, "orderengine: "),
        ({"REDIS_URL": "redis://:s3cret/pw@127.0.0.1:6379/0"}, "REDIS_URL: expected"),
        ({"REDIS_URL": "redis://127.0.0.1:notaport/0"}, "REDIS_URL: expected"),
        ({"REDIS_URL": "redis://127.0.0.1/0?foo=bar"}, "REDIS_URL: expected"),
        ({"ORDERENGINE_SIM_SEED": "9" * 5_000}, "ORDERENGINE_SIM_SEED: expected"),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["serve", "work"])
def test_what_cannot_be_opened_is_said_in_one_line(
    tmp_path: Path, command: str, env: dict[str, str], said: str
) -> None:
    """No traceback, no secret, exit code 2."""
    (tmp_path / "foreign.db").write_bytes(b"This is no database at all. " * 40)
    process = Process(tmp_path, command, name="refused", PORT="0", **env)
    assert process.wait() == 2
    lines = process.log.read_text().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert "s3cret" not in lines[0]
