"""Check how processes end: not ready, nothing new, the rest ended or handed back, exit code 0."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from orderengine.model.events import Claimed
from tests.service.operations.test_heartbeat import heard_of
from tests.service.serving import Process, serving, working
from tests.service.test_app import ended, submit
from tests.service.test_processes import until
from tests.service.test_restart import logs_in


def leases(folder: Path) -> dict[str, tuple[int, int]]:
    """Return until when each open order's lease lasts, and its takeovers."""
    query = "SELECT order_id, lease_until_ms, takeovers FROM orders WHERE is_open = 1"
    with closing(sqlite3.connect(folder / "orderengine.db")) as database:
        return {
            order_id: (until_ms, count) for order_id, until_ms, count in database.execute(query)
        }


def is_claimed(folder: Path, order_id: str) -> bool:
    """Return whether a worker has taken an order up."""
    return any(isinstance(event, Claimed) for event in logs_in(folder)[order_id])


def test_a_serving_process_drains(tmp_path: Path) -> None:
    """It answers on, claims nothing, ends what it holds; what came last goes to the next one."""
    env = {"ORDERENGINE_DRAIN_S": "2", "ORDERENGINE_GRACE_S": "20"}
    with serving(tmp_path, **env) as process, httpx.Client(base_url=process.url) as http:
        slow = submit(http)
        until(lambda: is_claimed(tmp_path, slow), "the slow order is at hand")
        assert "connection" not in http.get("/health/live").headers
        process.tell(signal.SIGTERM)
        until(lambda: http.get("/health/ready").status_code == 503, "it is not ready any more")
        answer = http.get("/health/ready")
        assert answer.json()["checks"]["process"] == "it is about to end"
        assert answer.headers["connection"] == "close"
        late = submit(http)
        assert http.get(f"/orders/{slow}").status_code == 200
        assert process.wait() == 0
    log = logs_in(tmp_path)
    assert log[slow][-1].status == "confirmed"
    assert len(log[late]) == 1
    assert leases(tmp_path) == {late: (0, 0)}
    assert heard_of(tmp_path) == []
    with serving(tmp_path) as second, httpx.Client(base_url=second.url) as http:
        assert ended(http, late)["status"] == "confirmed"


@pytest.mark.parametrize("role", ["serve", "work"])
def test_what_does_not_end_in_time_is_handed_back(tmp_path: Path, role: str) -> None:
    """Its lease is given back, not lost: whoever is next takes it up at once."""
    env = {"ORDERENGINE_GRACE_S": "0", "ORDERENGINE_WORKERS": "1" if role == "serve" else "0"}
    with ExitStack() as stack:
        serve = stack.enter_context(serving(tmp_path, **env))
        process: Process = serve
        if role == "work":
            process = stack.enter_context(working(tmp_path, **env))
        with httpx.Client(base_url=serve.url) as http:
            order_id = submit(http)
        until(lambda: is_claimed(tmp_path, order_id), "the order is at hand")
        assert process.stop() == 0
    assert leases(tmp_path) == {order_id: (0, 0)}


@pytest.mark.parametrize("role", ["serve", "work"])
def test_a_second_signal_ends_at_once(tmp_path: Path, role: str) -> None:
    """Though orders at hand have a minute yet; what it dies of is the signal."""
    env = {"ORDERENGINE_DRAIN_S": "60", "ORDERENGINE_GRACE_S": "60"}
    api = {"ORDERENGINE_WORKERS": "1" if role == "serve" else "0"}
    with serving(tmp_path, **env, **api) as serve, httpx.Client(base_url=serve.url) as http:
        order_id = submit(http)
        if role == "serve":
            until(lambda: is_claimed(tmp_path, order_id), "the order is at hand")
            serve.tell(signal.SIGTERM)
            until(lambda: http.get("/health/ready").status_code == 503, "it drains")
            assert serve.stop() == -signal.SIGTERM
            return
        with working(tmp_path, **env) as work:
            until(lambda: is_claimed(tmp_path, order_id), "the order is at hand")
            work.tell(signal.SIGTERM)
            work.wait_for("stopping")
            assert work.stop() == -signal.SIGTERM
