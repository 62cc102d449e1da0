"""Check deadlines with real processes, and that one broken log keeps nobody from starting."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx

from orderengine.model.instants import rfc3339
from tests.service.serving import serving
from tests.service.test_app import ended, submit
from tests.service.test_processes import until
from tests.service.test_restart import logs_in

ENV = {"ORDERENGINE_SIM_PROFILE": "instant", "ORDERENGINE_WORKERS": "0"}


def test_an_order_of_a_process_that_was_killed_expires_on_time(tmp_path: Path) -> None:
    """Another one, which never heard of it and executes nothing, ends it."""
    due_ns = time.time_ns() + 3_000_000_000
    with serving(tmp_path, name="survivor", **ENV):
        with (
            serving(tmp_path, name="accepting", **ENV) as process,
            httpx.Client(base_url=process.url, timeout=10) as http,
        ):
            order_id = submit(http, deadline=rfc3339(due_ns))
            process.kill()
        until(lambda: logs_in(tmp_path)[order_id][-1].status == "expired", "it expires")
    assert logs_in(tmp_path)[order_id][-1].at_ns >= due_ns


def test_a_broken_log_is_reported_and_hinders_nobody(tmp_path: Path) -> None:
    """The process starts, other orders end and expire, and the broken one is named once."""
    with serving(tmp_path, **ENV) as process, httpx.Client(base_url=process.url) as http:
        soon = rfc3339(time.time_ns() + 3_000_000_000)
        broken = submit(http, deadline=soon)
        process.stop()
    with closing(sqlite3.connect(tmp_path / "orderengine.db")) as database, database:
        database.execute("UPDATE events SET body = 'noise' WHERE order_id = ?", [broken])
    with (
        serving(tmp_path, name="again", **ENV | {"ORDERENGINE_WORKERS": "1"}) as process,
        httpx.Client(base_url=process.url, timeout=10) as http,
    ):
        for _ in range(3):
            assert ended(http, submit(http))["status"] == "confirmed"
        until(lambda: broken in process.log.read_text(), "the broken one is named")
        until(lambda: time.time_ns() > _due_ns(tmp_path, broken), "its deadline passes")
        assert ended(http, submit(http))["status"] == "confirmed"
        assert process.stop() == 0
        assert process.log.read_text().count(f"order {broken} failed") == 1


def _due_ns(folder: Path, order_id: str) -> int:
    with closing(sqlite3.connect(folder / "orderengine.db")) as database:
        ((due_ns,),) = database.execute(
            "SELECT deadline_ns FROM orders WHERE order_id = ?", [order_id]
        )
    return int(due_ns)
