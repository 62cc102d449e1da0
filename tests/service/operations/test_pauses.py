"""Check with real processes that a pause reaches all of them, and what it leaves alone."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from orderengine.model.events import Routed
from orderengine.model.instants import rfc3339
from tests.service.operations.commands import run
from tests.service.operations.figures import figures_of
from tests.service.serving import serving, working
from tests.service.test_app import SWAP, ended, log_of, submit
from tests.service.test_processes import until

ENV = {"ORDERENGINE_SIM_PROFILE": "instant"}


def paused(url: str) -> set[str]:
    """Return what a process knows to be paused."""
    return {name for (name,) in figures_of(url).get("orderengine_paused", {})}


def test_a_pause_holds_everywhere_and_ends(tmp_path: Path) -> None:
    """Orders are accepted, cancelled and expired, and none begins before work is resumed."""
    with (
        serving(tmp_path, **ENV, ORDERENGINE_WORKERS="0") as serve,
        working(tmp_path, **ENV),
        httpx.Client(base_url=serve.url, timeout=10) as http,
    ):
        assert run(tmp_path, "pause", "--reason", "odd prices") == (0, "paused: all work\n", "")
        until(lambda: paused(serve.url) == {"all"}, "the serving process knows")
        workers = {("alive",): 0, ("draining",): 0, ("paused",): 1, ("silent",): 0}
        until(lambda: figures_of(serve.url)["orderengine_workers"] == workers, "the worker knows")
        waits, unwanted = submit(http), submit(http)
        dated = submit(http, deadline=rfc3339(time.time_ns() + 300_000_000))
        assert http.delete(f"/orders/{unwanted}").json()["status"] == "cancelled"
        assert ended(http, dated)["status"] == "expired"
        assert [event.seq for event in log_of(http, waits)] == [1]
        ready = http.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]["paused"]) == (200, "all")
        assert run(tmp_path, "resume") == (0, "resumed: all work\n", "")
        assert ended(http, waits)["status"] == "confirmed"
        assert run(tmp_path, "resume") == (0, "all work was not paused\n", "")


def test_a_paused_venue_is_left_out(tmp_path: Path) -> None:
    """Orders and quotes go elsewhere, and say why."""
    with (
        serving(tmp_path, **ENV) as serve,
        httpx.Client(base_url=serve.url, timeout=10) as http,
    ):
        first = http.post("/quote", json=SWAP).json()["legs"][0]["venue"]
        assert run(tmp_path, "pause", "--venue", first) == (0, f"paused: {first}\n", "")
        until(lambda: paused(serve.url) == {first}, "it is known")
        quoted = http.post("/quote", json=SWAP).json()
        assert quoted["legs"][0]["venue"] != first
        assert [said["venue"] for said in quoted["declined"] if said["code"] == "PAUSED"] == [first]
        order_id = submit(http)
        assert ended(http, order_id)["status"] == "confirmed"
        (routed,) = [event for event in log_of(http, order_id) if isinstance(event, Routed)]
        assert all(leg.venue != first for leg in routed.route.legs)
        assert "PAUSED" in {said.code for said in routed.declined}


def test_a_pause_is_there_from_the_start(tmp_path: Path) -> None:
    """A process that starts during one claims nothing."""
    with serving(tmp_path, **ENV, ORDERENGINE_WORKERS="0") as serve:
        run(tmp_path, "pause")
        with (
            httpx.Client(base_url=serve.url, timeout=10) as http,
            working(tmp_path, **ENV) as work,
        ):
            order_id = submit(http)
            until(
                lambda: figures_of(serve.url)["orderengine_workers"][("paused",)] == 1,
                "it has started",
            )
            assert [event.seq for event in log_of(http, order_id)] == [1]
            assert work.stop() == 0


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_misspelt_venue_is_refused(tmp_path: Path, command: str) -> None:
    """It would pause nothing."""
    (tmp_path / "orderengine.db").touch()
    code, out, err = run(tmp_path, command, "--venue", "raydum")
    assert (code, out) == (2, "")
    assert "raydium_cpmm" in err
