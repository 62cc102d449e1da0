"""Check the commands of who runs the service: orders, retry, and the production checklist."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from orderengine.model.instants import rfc3339
from tests.servers import running_redis
from tests.service.operations.commands import run
from tests.service.serving import Serving, serving, working
from tests.service.test_app import ended, submit
from tests.service.test_processes import until

ENV = {"ORDERENGINE_SIM_PROFILE": "instant"}
SECRET = "hunter2-marker"  # noqa: S105  (looked for where it must not be)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for the process of this module."""
    return tmp_path_factory.mktemp("operated")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Serving]:
    """Give one process that executes nothing by itself."""
    with serving(folder, **ENV, ORDERENGINE_WORKERS="0") as process:
        yield process


@pytest.fixture(scope="module")
def http(served: Serving) -> Iterator[httpx.Client]:
    """Give a client of it."""
    with httpx.Client(base_url=served.url, timeout=10) as client:
        yield client


def asked(folder: Path, *arguments: str, **env: str) -> dict[str, Any]:
    """Return the one JSON object that a command prints."""
    code, out, err = run(folder, *arguments, "--json", **env)
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def listed(folder: Path, *arguments: str) -> list[str]:
    """Return the ids of the orders that are listed."""
    return [order["order_id"] for order in asked(folder, "orders", "list", *arguments)["orders"]]


def test_orders_are_found_by_what_they_are(folder: Path, http: httpx.Client) -> None:
    """Open ones the oldest first, failed ones, a user's, old ones, so many."""
    waiting = [submit(http) for _ in range(3)]
    gone = submit(http)
    http.delete(f"/orders/{gone}")
    everything = listed(folder)
    assert everything == [gone, *reversed(waiting)]
    assert listed(folder, "--open") == waiting
    assert listed(folder, "--open", "--limit", "2") == waiting[:2]
    assert listed(folder, "--failed") == []
    assert listed(folder, "--user", "user") == everything
    assert listed(folder, "--user", "nobody") == []
    assert listed(folder, "--older-than", "1h") == []
    assert listed(folder, "--older-than", "1ms") == everything
    code, out, err = run(folder, "orders", "list", "--limit", "2")
    head, *lines = out.splitlines()
    assert (code, len(lines)) == (0, 2)
    assert head.split() == [
        "ORDER",
        "USER",
        "LANE",
        "STATUS",
        "EVENTS",
        "AGE",
        "LEASE",
        "TAKEOVERS",
    ]
    assert lines[0].split()[:4] == [gone, "user", "normal", "cancelled"]
    assert "--limit" in err
    assert run(folder, "orders", "list", "--limit", "4")[2] == ""


def test_an_order_is_shown_from_the_inside(folder: Path, http: httpx.Client) -> None:
    """Its log as it is stored, and its lease."""
    order_id = submit(http)
    found = asked(folder, "orders", "show", order_id)
    assert found["events"] == http.get(f"/orders/{order_id}/events").json()["events"]
    assert (found["order"]["status"], found["order"]["lease_ms"]) == ("pending", 0)
    assert found["signed"] == []
    code, out, _ = run(folder, "orders", "show", order_id)
    assert code == 0
    assert order_id in out
    assert "exact_in 1500000000 base units, SOL for USDC" in out


def test_a_transaction_that_is_out_is_shown(tmp_path: Path) -> None:
    """With its signature and the height it is valid to, and who holds the order for how long."""
    with serving(tmp_path) as process, httpx.Client(base_url=process.url) as http:
        order_id = submit(http)
        until(lambda: http.get(f"/orders/{order_id}").json()["status"] == "submitted", "it is out")
        found = asked(tmp_path, "orders", "show", order_id)
        (signed,) = found["signed"]
        assert signed["signature"] == http.get(f"/orders/{order_id}").json()["signature"]
        assert 0 < found["order"]["lease_ms"] <= 3_000


def test_failed_orders_are_listed_with_why(tmp_path: Path) -> None:
    """By code, for people and programs; where one was filled its pool is shown."""
    with (
        serving(tmp_path, ORDERENGINE_SIM_PROFILE="instant") as process,
        httpx.Client(base_url=process.url, timeout=10) as http,
    ):
        good, bad = submit(http), submit(http, sell="USDC", buy="SOL", amount="1")
        assert [ended(http, each)["status"] for each in (good, bad)] == ["confirmed", "failed"]
        (order,) = asked(tmp_path, "orders", "list", "--failed")["orders"]
        assert (order["order_id"], order["code"]) == (bad, "NO_ROUTE")
        head, line = run(tmp_path, "orders", "list", "--failed")[1].splitlines()
        assert (head.split()[-1], line.split()[-1]) == ("CODE", "NO_ROUTE")
        assert "route=1500000000@" in run(tmp_path, "orders", "show", good)[1]


def test_an_order_that_ended_without_a_fill_is_placed_once_more(
    folder: Path, http: httpx.Client
) -> None:
    """As a new order of the same user; a second retry makes no third; a deadline is set anew."""
    due_ns = time.time_ns() + 400_000_000
    old = submit(http, amount="777", deadline=rfc3339(due_ns), priority="urgent")
    assert ended(http, old)["status"] == "expired"
    first = asked(folder, "orders", "retry", old)
    assert (first["is_new"], first["is_freed"]) == (True, False)
    new = http.get(f"/orders/{first['order_id']}").json()
    assert (new["amount"], new["priority"]) == ("777", "urgent")
    assert new["deadline"] > rfc3339(due_ns)
    second = asked(folder, "orders", "retry", old)
    assert (second["is_new"], second["order_id"]) == (False, first["order_id"])
    code, out, _ = run(folder, "orders", "retry", old)
    assert (code, out) == (0, f"placed again earlier, as {first['order_id']}\n")


def test_an_open_order_is_freed_and_a_filled_one_refused(tmp_path: Path) -> None:
    """A worker that hangs on to an order loses it; what was filled is never filled again."""
    with (
        serving(tmp_path, **ENV, ORDERENGINE_WORKERS="0") as process,
        httpx.Client(base_url=process.url, timeout=10) as http,
    ):
        order_id = submit(http)
        with closing(sqlite3.connect(tmp_path / "orderengine.db")) as database, database:
            database.execute("UPDATE orders SET fence = 1, lease_until_ms = 1 << 50")
        with working(tmp_path, **ENV):
            assert listed(tmp_path, "--open") == [order_id]
            done = asked(tmp_path, "orders", "retry", order_id)
            assert (done["is_freed"], done["order_id"]) == (True, order_id)
            assert ended(http, order_id)["status"] == "confirmed"
        code, out, err = run(tmp_path, "orders", "retry", order_id)
        assert (code, out) == (2, "")
        assert "confirmed" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("orders", "show", "nope"),
        ("orders", "retry", "nope"),
        ("orders", "list", "--older-than", "soon"),
        ("orders", "list", "--limit", "0"),
        ("orders", "list", "--open", "--failed"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line(folder: Path, served: Serving, arguments: tuple[str, ...]) -> None:
    """And exit code 2."""
    del served
    code, out, err = run(folder, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("orderengine: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("orders", "list"), ("pause",), ("resume",)])
def test_no_command_makes_a_database(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Asked in the wrong folder, it says so."""
    code, _, err = run(tmp_path, *arguments)
    assert code == 2
    assert "DATABASE_URL" in err
    assert list(tmp_path.iterdir()) == []


def checked(folder: Path, **env: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Return the exit code of the checklist, and state and words by name; no secret is in it."""
    code, out, err = run(folder, "doctor", "--json", **env)
    assert err == ""
    assert SECRET not in out
    found = json.loads(out)
    assert found["ok"] is (code == 0)
    return code, {each["name"]: (each["state"], each["said"]) for each in found["checks"]}


def test_with_nothing_there_the_checklist_is_whole(tmp_path: Path) -> None:
    """Each line says what is missing; nothing is made by looking."""
    code, found = checked(tmp_path)
    assert code == 1
    assert {name for name, (state, _) in found.items() if state == "failed"} >= {
        "settings",
        "database",
        "order limits",
    }
    for variable in ("DATABASE_URL", "REDIS_URL", "ORDERENGINE_ORDER_MAX"):
        assert variable in found["settings"][1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", [f"redis://:{SECRET}@127.0.0.1:1/0", f"redis://:{SECRET}@127.0.0.1:port/0"]
)
def test_no_secret_is_said_of_what_is_down_or_wrong(tmp_path: Path, url: str) -> None:
    """Addresses hold passwords, whether they can be used or not."""
    env = {"REDIS_URL": url, "DATABASE_URL": f"postgres://u:{SECRET}@h:x/y"}
    code, found = checked(tmp_path, **env, ORDERENGINE_BOOTSTRAP_KEY=SECRET)
    assert code == 1
    assert found["database"][0] == "failed"


def test_what_runs_well_is_found_well(tmp_path: Path) -> None:
    """With a worker, a Redis and limits; what is left is what this set-up is not."""
    with running_redis("--maxmemory", "64mb") as redis:
        env = ENV | {"REDIS_URL": redis.url, "ORDERENGINE_ORDER_MAX": "1000SOL"}
        with (
            serving(tmp_path, **env, ORDERENGINE_WORKERS="0") as serve,
            working(tmp_path, **env),
        ):
            more = {"PORT": str(serve.port), "ORDERENGINE_ENV": "production"}
            more |= {"DATABASE_URL": f"sqlite:///{tmp_path}/orderengine.db"}
            until(
                lambda: checked(tmp_path, **env | more)[1]["workers"][0] == "ok",
                "the worker is heard of",
            )
            _, found = checked(tmp_path, **env | more)
            states = {name: state for name, (state, _) in found.items()}
            assert states["database"] == states["clocks"] == states["pauses"] == "ok"
            assert states["settings"] == states["redis"] == states["metrics"] == "ok"
            assert states["database kind"] == "look"
            assert states["keys"] == "failed"
            run(tmp_path, "pause", "--venue", "meteora_dlmm", "--reason", "odd prices")
            state, said = checked(tmp_path, **env | more)[1]["pauses"]
            assert state == "look"
            assert said.startswith("paused: meteora_dlmm since 2")
            assert said.endswith("(odd prices)")


def test_people_get_a_line_a_check(tmp_path: Path) -> None:
    """A mark, a name, what is so, what to do; no colours where nobody sees them."""
    code, out, _ = run(tmp_path, "doctor")
    assert code == 1
    lines = out.splitlines()
    assert {line[0] for line in lines} == {"✓", "✗", "!"}
    assert all("→" in line for line in lines if line.startswith("✗"))
    assert "\x1b" not in out
