"""Check what requests meet before anybody parses them: hosts, origins, twins, and headers back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from orderengine.service.credentials import new_secret
from orderengine.service.web.headers import AnswerHeaders
from tests.service.access.doors import Answer, knock
from tests.service.serving import Serving, serving
from tests.service.test_app import SWAP

APP, KEY = "https://app.example.com", new_secret()
AUTHORIZED = ("Authorization", f"Bearer {KEY}")
JSON = ("Content-Type", "application/json")
BODY = json.dumps(SWAP).encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Give a service that knows its name and lets the pages of one other origin ask."""
    env = {
        "ORDERENGINE_BOOTSTRAP_KEY": KEY,
        "ORDERENGINE_CORS_ORIGINS": APP,
        "ORDERENGINE_HOSTS": "127.0.0.1,api.example.com",
        "ORDERENGINE_OPEN_ORDERS_USER_MAX": "2",
        "ORDERENGINE_WORKERS": "0",
    }
    with serving(tmp_path_factory.mktemp("guarded"), **env) as process:
        yield process


def quoted(served: Serving, *headers: tuple[str, str | bytes], body: bytes = BODY) -> Answer:
    """Ask for a quote."""
    return knock(served.port, "/quote", [AUTHORIZED, JSON, *headers], method="POST", body=body)


@pytest.mark.parametrize(
    "twin",
    [
        AUTHORIZED,
        ("Authorization", "Bearer x"),
        JSON,
        ("Host", "api.example.com"),
        ("Origin", APP),
        ("idempotency-KEY", "b"),
    ],
    ids=lambda twin: twin[0],
)
def test_a_header_that_two_readers_could_read_differently_is_refused(
    served: Serving, twin: tuple[str, str]
) -> None:
    """Also if it says the same twice."""
    first = {"Host": "127.0.0.1", "Origin": APP, "Idempotency-Key": "a"}
    headers = [AUTHORIZED, JSON, *first.items(), twin]
    answer = knock(served.port, "/quote", headers, method="POST", body=BODY)
    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")


def test_two_lengths_are_refused(served: Serving) -> None:
    """By the server's own parser, if not by us."""
    lengths = [("Content-Length", str(len(BODY))), ("Content-Length", "3")]
    headers = [AUTHORIZED, JSON, *lengths]
    assert knock(served.port, "/quote", headers, method="POST", body=BODY).status == 400


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "limit=1&lim%69t=1", "a=&a=", "&".join("abc" * 40)]
)
def test_a_query_has_each_parameter_once(served: Serving, query: str) -> None:
    """However it is spelt; of sockets too."""
    answer = knock(served.port, f"/orders?{query}", [AUTHORIZED])
    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    with pytest.raises(InvalidStatus) as raised:
        connect(
            f"ws://127.0.0.1:{served.port}/ws/x?from_seq=1&from_seq=2",
            additional_headers=dict([AUTHORIZED]),
        )
    assert raised.value.response.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b'{"sell":"SOL","buy":"USDC","amount":"1","amount":"2"}',
        b'{"sell":"SOL","buy":"USDC","amount":"1","amo\\u0075nt":"1"}',
        b'{"sell":"SOL","buy":"USDC","amount":"1","strategy":{"a":1,"a":1}}',
    ],
    ids=["plain", "escaped", "nested"],
)
def test_a_name_comes_once_in_an_object(served: Serving, body: bytes) -> None:
    """One reader would take the first and another the last."""
    answer = quoted(served, body=body)
    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
    assert b"twice" in answer.body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.com", 200),
        ("API.example.com:443", 200),
        ("127.0.0.1:1", 200),
        ("localhost", 403),
        ("evil.example", 403),
        ("api.example.com.evil.example", 403),
        ("api.example.com@evil.example", 403),
        ("evil.example@api.example.com", 403),
        ("api.example.com:x", 403),
        ("api.example.com/", 403),
        ("", 403),
    ],
)
def test_the_service_answers_to_its_names_only(served: Serving, host: str, status: int) -> None:
    """A name that somebody pointed here is not ours."""
    assert knock(served.port, "/orders", [AUTHORIZED, ("Host", host)]).status == status


def test_who_watches_the_process_may_call_it_as_they_like(served: Serving) -> None:
    """Balancers ask by address, whatever the service is called."""
    for path in ("/health/live", "/health/ready"):
        assert knock(served.port, path, [("Host", "10.0.0.1:3000")]).status == 200


def test_a_listed_page_may_ask(served: Serving) -> None:
    """It is told so beforehand, and may read every answer, refusals too."""
    asked = [("Origin", APP), ("Access-Control-Request-Method", "POST")]
    answer = knock(served.port, "/execute", asked, method="OPTIONS")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]
    for answer in (
        quoted(served, ("Origin", APP)),
        knock(served.port, "/orders", [("Origin", APP)]),
        knock(served.port, "/orders?a=1&a=1", [("Origin", APP)]),
    ):
        assert answer.headers["access-control-allow-origin"] == APP
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers
    headers = dict([AUTHORIZED])
    url = f"ws://127.0.0.1:{served.port}/ws"
    with connect(url, additional_headers=headers, origin=Origin(APP)):
        pass


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:444",
        "https://app.example.com.evil.example",
        "https://APP.example.com/x",
        "null",
        "",
        "http://[",
    ],
)
def test_other_pages_may_not_ask(served: Serving, origin: str) -> None:
    """Neither beforehand nor outright, nor over a socket; and they may read nothing."""
    asked = [("Origin", origin), ("Access-Control-Request-Method", "POST")]
    answers = [
        knock(served.port, "/execute", asked, method="OPTIONS"),
        quoted(served, ("Origin", origin)),
    ]
    for answer in answers:
        assert (answer.status, answer.code) == (403, "FOREIGN_ORIGIN")
        assert "access-control-allow-origin" not in answer.headers
    with pytest.raises(InvalidStatus) as raised:
        connect(
            f"ws://127.0.0.1:{served.port}/ws",
            additional_headers=dict([AUTHORIZED]),
            origin=Origin(origin),
        )
    assert raised.value.response.status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/orders", 200),
        ("/orders/none", 404),
        ("/openapi.json", 200),
        ("/nowhere", 404),
        ("/orders?limit=0", 400),
        ("/health/live", 200),
    ],
)
def test_every_answer_says_what_browsers_may_do(served: Serving, path: str, status: int) -> None:
    """Keep nothing, guess nothing, frame nothing, run nothing."""
    answer = knock(served.port, path, [AUTHORIZED])
    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers


def test_a_production_is_asked_over_https_only() -> None:
    """Browsers are told to; a page that is not listed gets no leave to read."""
    headers = dict(AnswerHeaders((), is_production=True).of(APP.encode(), is_page=False))
    assert headers[b"strict-transport-security"].startswith(b"max-age=")
    assert b"access-control-allow-origin" not in headers


def test_the_page_of_the_docs_runs_only_files_of_ours(served: Serving) -> None:
    """No script stands in it, and what it loads comes from here."""
    answer = knock(served.port, "/docs")
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    page = answer.body.decode()
    assert page.count("<script src=") == page.count("<script") == 3
    assert "http" not in page
    for part in page.split('"'):
        if part.startswith("/docs/assets/"):
            asset = knock(served.port, part)
            assert asset.status == 200
            assert asset.headers["cache-control"] == "max-age=86400"
            assert asset.headers["content-type"].startswith("text/")


def test_the_description_shows_a_request_for_every_operation(served: Serving) -> None:
    """And whether it needs a key, and how it is refused."""
    schema = json.loads(knock(served.port, "/openapi.json").body)
    (scheme,) = schema["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert "/docs" not in schema["paths"]
    seen = 0
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            seen += 1
            (sample,) = operation["x-codeSamples"]
            assert sample["source"].startswith("curl ")
            assert "null" not in sample["source"]
            is_open = path.startswith("/health")
            assert operation.get("security", schema["security"]) == (
                [] if is_open else [{"key": []}]
            )
            wanted = set() if is_open else {"401", "403", "429", "503"}
            wanted |= {"404"} if "{" in path else set()
            wanted |= {"422"} if "requestBody" in operation else set()
            assert wanted <= set(operation["responses"]), (method, path)
    assert seen >= 9
    execute = schema["paths"]["/execute"]["post"]["requestBody"]["content"]["application/json"]
    assert execute["example"]["amount"] == "1500000000"


def test_a_user_has_only_so_many_open_orders(served: Serving) -> None:
    """One more is told to come again; a request that is repeated gets its answer all the same."""
    headers = dict([AUTHORIZED])
    with httpx.Client(base_url=served.url, headers=headers, timeout=10) as http:

        def place(key: str, **changes: object) -> httpx.Response:
            return http.post("/execute", json=SWAP | changes, headers={"Idempotency-Key": key})

        first, second, third = place("1"), place("2"), place("3")
        assert (first.status_code, second.status_code) == (202, 202)
        assert (third.status_code, third.json()["code"]) == (429, "TOO_MANY_OPEN_ORDERS")
        assert int(third.headers["retry-after"]) >= 1
        again = place("1")
        assert (again.status_code, again.json()) == (202, first.json())
        assert place("1", amount="1").json()["code"] == "IDEMPOTENCY_KEY_REUSED"
        assert len(http.get("/orders").json()["orders"]) == 2


def test_nothing_is_cancelled_before_the_request_is_whole(served: Serving) -> None:
    """Also where the body says nothing: what is refused is not done."""
    with httpx.Client(base_url=served.url, headers=dict([AUTHORIZED]), timeout=10) as http:
        order_id = http.get("/orders").json()["orders"][0]["order_id"]
        at = f"/orders/{order_id}"
        chunked = [AUTHORIZED, ("Transfer-Encoding", "chunked")]
        answer = knock(served.port, at, chunked, method="DELETE", body=b"zz\r\n\r\n")
        assert answer.status == 400
        assert http.get(at).json()["status"] == "pending"
        assert http.delete(at).json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/orders", "GET, HEAD, OPTIONS"),
        ("/orders/x", "DELETE, GET, HEAD, OPTIONS"),
        ("/execute", "POST, OPTIONS"),
        ("/health/live", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_path_says_its_methods(served: Serving, path: str, allowed: str) -> None:
    """To who uses another one, and to who asks."""
    answer = knock(served.port, path, [AUTHORIZED], method="PATCH")
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allowed
    answer = knock(served.port, path, [AUTHORIZED], method="OPTIONS")
    assert (answer.status, answer.headers["allow"]) == (204, allowed)


def test_a_head_is_what_a_get_would_have(served: Serving) -> None:
    """Without the body."""
    for path in ("/orders", "/health/ready", "/docs"):
        got = knock(served.port, path, [AUTHORIZED])
        answer = knock(served.port, path, [AUTHORIZED], method="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == str(len(got.body))


def test_a_refused_body_closes_nothing(served: Serving) -> None:
    """The next request of the connection is answered; only a body without an end is cut off."""
    with httpx.Client(base_url=served.url, timeout=10) as http:
        for _ in range(3):
            answer = http.post("/execute", json=SWAP)
            assert (answer.status_code, "connection" in answer.headers) == (401, False)
        endless = http.post("/execute", content=iter([b"x" * 1_000] * 3))
        assert (endless.status_code, endless.headers["connection"]) == (401, "close")
