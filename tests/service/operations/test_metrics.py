"""Check that figures agree with SQL on every process, and that their labels are few."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx

from orderengine.model.instants import rfc3339
from tests.service.operations.figures import Figures, figures_of
from tests.service.serving import Process, Serving, serving, working
from tests.service.test_app import submit
from tests.service.test_processes import until

ENV = {"ORDERENGINE_SIM_PROFILE": "instant", "ORDERENGINE_WORKERS": "0"}


def in_sql(folder: Path) -> tuple[int, dict[str, int], int]:
    """Return how many orders were accepted, how many ended, by status, and how many are open."""
    with closing(sqlite3.connect(folder / "orderengine.db")) as database:
        by_status: dict[str, int] = dict(
            database.execute("SELECT status, count(*) FROM orders WHERE is_open = 0 GROUP BY 1")
        )
        ((accepted, is_open),) = database.execute("SELECT count(*), total(is_open) FROM orders")
    return accepted, by_status, int(is_open)


def told(figures: Figures) -> tuple[int, dict[str, int], int]:
    """Return the same of a process's figures."""
    ended = figures["orderengine_orders_ended_total"]
    return (
        int(figures["orderengine_orders_accepted_total"][()]),
        {status: int(count) for (status,), count in ended.items() if count},
        int(figures["orderengine_orders_open"][()]),
    )


def _place(http: httpx.Client) -> list[str]:
    """Place orders of every fate: filled, cancelled, expired, failed."""
    filled = [submit(http) for _ in range(5)]
    for _ in range(3):
        assert http.delete(f"/orders/{submit(http)}").json()["status"] == "cancelled"
    soon = rfc3339(time.time_ns() + 300_000_000)
    expired = [submit(http, deadline=soon) for _ in range(2)]
    failed = submit(http, amount=str(2**64 - 1))
    until(
        lambda: {http.get(f"/orders/{each}").json()["status"] for each in expired} == {"expired"},
        "orders expire though nobody works",
    )
    return [*filled, *expired, failed]


def test_metrics_equal_sql_on_every_process(tmp_path: Path) -> None:
    """Accepted is ended and open, to the last order, whoever accepted and whoever executed it."""
    with (
        serving(tmp_path, name="one", **ENV) as one,
        serving(tmp_path, name="two", **ENV) as two,
        httpx.Client(base_url=one.url, timeout=10) as http,
    ):
        _place(http)
        with httpx.Client(base_url=two.url, timeout=10) as other:
            submit(other, priority="urgent")
        _require_agreed(tmp_path, one, two)
        figures = figures_of(two.url)
        assert told(figures)[2] == 7
        assert figures["orderengine_orders_open_limit"][()] == 100_000
        assert figures["orderengine_workers"][("alive",)] == 0
        with working(tmp_path, **ENV) as work:
            until(lambda: in_sql(tmp_path)[2] == 0, "all orders end")
            _require_agreed(tmp_path, one, two)
            assert told(figures_of(one.url)) == (
                12,
                {"confirmed": 6, "cancelled": 3, "expired": 2, "failed": 1},
                0,
            )
            _require_seen(one, work)
        late = serving(tmp_path, name="late", **ENV)
        with late as third:
            until(lambda: "orderengine_orders_open" in figures_of(third.url), "it has counted")
            _require_agreed(tmp_path, one, third)


def _require_agreed(folder: Path, *processes: Serving) -> None:
    for process in processes:
        assert told(figures_of(process.url)) == in_sql(folder)


def _require_seen(serve: Serving, work: Process) -> None:
    """Check what a worker tells, which has no port of its own."""

    def is_seen() -> bool:
        figures = figures_of(serve.url)
        lags = figures["orderengine_event_loop_lag_seconds"]
        return (
            figures["orderengine_workers"][("alive",)] == 1
            and any(f"-{work.pid}-" in process for (process,) in lags)
            and () in figures.get("orderengine_worker_last_progress_seconds", {})
        )

    until(is_seen, "the worker's heartbeat shows")
    assert work.stop() == 0
    until(
        lambda: figures_of(serve.url)["orderengine_workers"][("alive",)] == 0,
        "a worker that ended is gone at once",
    )


def test_lanes_show_what_waits_and_what_is_held(tmp_path: Path) -> None:
    """By lane; the age of the oldest grows while nobody takes it."""
    with (
        serving(tmp_path, **ENV) as process,
        httpx.Client(base_url=process.url, timeout=10) as http,
    ):
        for lane in ("urgent", "bulk", "bulk"):
            submit(http, priority=lane)

        def waiting() -> dict[tuple[str, ...], float]:
            return figures_of(process.url)["orderengine_lane_waiting_orders"]

        expected = {("urgent",): 1, ("normal",): 0, ("bulk",): 2}
        until(lambda: waiting() == expected, "the lanes show them")
        until(
            lambda: figures_of(process.url)["orderengine_lane_oldest_seconds"][("bulk",)] > 0.5,
            "they grow old",
        )
        assert figures_of(process.url)["orderengine_lane_oldest_seconds"][("normal",)] == 0


def test_requests_are_counted_by_route_and_never_by_path(tmp_path: Path) -> None:
    """However many paths are asked for, there are as many labels as routes."""
    with (
        serving(tmp_path, **ENV) as process,
        httpx.Client(base_url=process.url, timeout=10) as http,
    ):
        submit(http)
        for number in range(30):
            http.get(f"/orders/stranger-{number}")
            http.get(f"/nowhere/{number}")
        http.post("/execute", content="{", headers={"Content-Type": "application/json"})
        figures = figures_of(process.url)
        counts = figures["orderengine_requests_total"]
        kind = http.get("/metrics").headers["content-type"]
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        assert counts["/execute", "202"] == 1
        assert counts["/execute", "400"] == 1
        assert counts["/orders/{order_id}", "404"] == 30
        assert counts["other", "404"] == 30
        assert not any("stranger" in label for labels in counts for label in labels)
        took = figures["orderengine_request_seconds_count"]
        assert took["/orders/{order_id}",] == 30
        buckets = figures["orderengine_request_seconds_bucket"]
        inside = [count for (_, route), count in buckets.items() if route == "/orders/{order_id}"]
        assert inside == sorted(inside)
        assert inside[-1] == 30
