"""Check that nothing accepted is lost or done twice when the only process is killed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from orderengine.market.draws import Draws
from orderengine.model.events import Confirmed, Event, Submitted
from orderengine.model.lifecycle import fold
from orderengine.model.wire import decode_event
from tests.service.serving import Serving, serving

SWAP = {"sell": "SOL", "buy": "USDC", "amount": "1000000"}
DONE_S_MAX = 60.0


async def flood(url: str, count: int, accepted: list[str] | None = None) -> list[str]:
    """Send orders at once until the server is gone; return the ids that were acknowledged."""
    accepted = [] if accepted is None else accepted

    async def one(client: httpx.AsyncClient) -> None:
        try:
            async with room:  # httpx is slow where many wait for its connections
                answer = await client.post("/execute", json=SWAP)
        except httpx.HTTPError:
            return  # killed meanwhile: nobody was told anything
        if answer.status_code == 202:
            accepted.append(answer.json()["order_id"])

    room = asyncio.Semaphore(32)
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        await asyncio.gather(*(one(client) for _ in range(count)))
    return accepted


def logs_in(folder: Path) -> dict[str, list[Event]]:
    """Return every order's log as it stands in the database."""
    logs: dict[str, list[Event]] = {}
    with closing(sqlite3.connect(folder / "orderengine.db")) as database:
        for (body,) in database.execute("SELECT body FROM events ORDER BY number"):
            event = decode_event(body)
            logs.setdefault(event.order_id, []).append(event)
    return logs


def require_all_end(process: Serving, folder: Path, accepted: set[str]) -> None:
    """Wait until every order that is stored has ended, and check each one's log."""
    deadline = time.monotonic() + DONE_S_MAX
    with httpx.Client(base_url=process.url, timeout=20) as http:
        while http.get("/orders", params={"state": "open", "limit": 1}).json()["orders"]:
            assert time.monotonic() < deadline, "some orders did not end"
            time.sleep(0.1)
    logs = logs_in(folder)
    assert accepted <= set(logs), "an order that was acknowledged is gone"
    for log in logs.values():
        assert fold(log).is_terminal
        assert [event.seq for event in log] == [*range(1, len(log) + 1)]
        fills = [event for event in log if isinstance(event, Confirmed)]
        out = {event.signature for event in log if isinstance(event, Submitted)}
        assert len(fills) <= 1
        assert {event.signature for event in fills} <= out
    require_one_execution(folder)


def require_one_execution(folder: Path) -> None:
    """Check with the chain's own record: no order has two transactions that landed."""
    with closing(sqlite3.connect(folder / "orderengine.db")) as database:
        landed = Counter(
            order_id
            for order_id, body in database.execute("SELECT order_id, body FROM chain")
            if b"Landed" in body
        )
    assert landed, "the chain recorded nothing"
    assert max(landed.values()) == 1, "an order was executed twice"


@pytest.mark.parametrize("moment", range(2))
def test_killed_in_the_middle_and_started_again(tmp_path: Path, moment: int) -> None:
    """At random moments of 500 orders' lives: all that were acknowledged end exactly once."""
    with serving(tmp_path) as first:
        accepted = asyncio.run(flood(first.url, 500))
        assert len(accepted) == 500
        time.sleep(2.5 * Draws(moment, "kill").uniform(0))
        first.kill()
    still_open = [log for log in logs_in(tmp_path).values() if not fold(log).is_terminal]
    assert still_open, "it was killed too late to show anything"
    with serving(tmp_path) as second:
        require_all_end(second, tmp_path, set(accepted))


def test_killed_while_accepting(tmp_path: Path) -> None:
    """What was acknowledged before the end is there afterwards, and nothing half."""
    with serving(tmp_path, ORDERENGINE_SIM_PROFILE="instant") as first:

        async def both() -> list[str]:
            accepted: list[str] = []
            flooding = asyncio.create_task(flood(first.url, 400, accepted))
            while len(accepted) < 100:  # noqa: ASYNC110  (an event each would say no more)
                await asyncio.sleep(0.01)
            first.kill()
            await flooding
            return accepted

        accepted = asyncio.run(both())
        assert 100 <= len(accepted) < 400
    with serving(tmp_path, ORDERENGINE_SIM_PROFILE="instant") as second:
        require_all_end(second, tmp_path, set(accepted))


def test_stopped_gently_it_hands_back(tmp_path: Path) -> None:
    """SIGTERM: what can end within the grace ends, the rest is there for the next process."""
    with serving(tmp_path) as first:
        accepted = asyncio.run(flood(first.url, 50))
        assert first.stop() == 0
    with serving(tmp_path) as second:
        require_all_end(second, tmp_path, set(accepted))
