"""Check what processes say of themselves, and that nothing in the way of it hangs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import anyio
import msgspec
import pytest

from orderengine import virtualtime
from orderengine.errors import Unavailable
from orderengine.service.operations.heartbeat import Process, Pulse, Vitals, process_name
from orderengine.storage.database import Heartbeat, Operations
from orderengine.storage.opening import open_database
from tests.service.serving import serving, working
from tests.service.test_processes import until

VITALS = Vitals(roles=("worker",), version="1", host="h", pid=1, started_at="then", ended=3)


def _beat(body: bytes, age_ms: int = 0) -> Heartbeat:
    return Heartbeat(process="p", age_ms=age_ms, body=body)


def test_a_beat_is_read_back() -> None:
    """With its age on the database's clock."""
    found = Process.of(_beat(msgspec.json.encode(VITALS), 1_500))
    assert found is not None
    assert (found.name, found.age_s, found.vitals) == ("p", 1.5, VITALS)
    assert found.is_alive
    assert found.works


@pytest.mark.parametrize(
    ("changes", "age_ms", "works"),
    [
        ({}, 4_900, True),
        ({}, 5_100, False),
        ({"is_draining": True}, 0, False),
        ({"roles": ("api",)}, 0, False),
        ({"roles": ("api", "worker")}, 0, True),
    ],
)
def test_who_counts_as_a_worker(changes: dict[str, Any], age_ms: int, works: bool) -> None:
    """One that is heard of, executes orders, and goes on doing so."""
    body = msgspec.json.encode(msgspec.structs.replace(VITALS, **changes))
    found = Process.of(_beat(body, age_ms))
    assert found is not None
    assert found.works is works


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"roles": 1}', b"\xff"])
def test_what_cannot_be_read_is_no_process(body: bytes) -> None:
    """A newer version may say other things; that ends nobody."""
    assert Process.of(_beat(body)) is None


def test_fields_of_a_newer_version_are_passed_over() -> None:
    """What is known is read."""
    body = msgspec.json.encode({**msgspec.to_builtins(VITALS), "mood": "good"})
    found = Process.of(_beat(body))
    assert found is not None
    assert found.vitals == VITALS


def test_no_two_processes_have_one_name() -> None:
    """Not even under one id, as in containers."""
    assert process_name() != process_name()


class _Absent:
    """Be a database that refuses, then hangs, then answers."""

    def __init__(self) -> None:
        self.beats: list[float] = []

    async def beat(self, process: str, body: bytes) -> None:
        """Take the third and later ones."""
        del process, body
        self.beats.append(anyio.current_time())
        if len(self.beats) == 1:
            raise Unavailable("away")
        if len(self.beats) == 2:
            await anyio.sleep_forever()

    async def unbeat(self, process: str) -> None:
        """Hang."""
        del process
        await anyio.sleep_forever()


def test_a_database_that_is_away_hangs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Each beat gives up within a second, and so does the last word; the log has both ends."""
    absent = _Absent()
    pulse = Pulse(cast("Operations", absent), "p", lambda: VITALS)

    async def main() -> float:
        with anyio.move_on_after(5.5):
            await pulse.run()
        began = anyio.current_time()
        await pulse.end()
        return anyio.current_time() - began

    assert virtualtime.run(main) == 1
    assert absent.beats == [0, 1, 3, 4, 5]
    said = ["the database is lost: away", "the database is back"]
    assert [record.getMessage() for record in caplog.records] == said


def heard_of(folder: Path) -> Sequence[Process]:
    """Return what every process in a database said last."""

    async def main() -> Sequence[Process]:
        async with open_database(f"sqlite:///{folder}/orderengine.db") as database:
            found = [Process.of(beat) for beat in await database.operations.beats()]
            return [process for process in found if process is not None]

    return anyio.run(main)


def test_processes_are_heard_of_until_they_end(tmp_path: Path) -> None:
    """With their roles; one that is killed falls silent, one that is stopped is forgotten."""
    with serving(tmp_path, ORDERENGINE_WORKERS="0") as serve, working(tmp_path) as work:
        until(lambda: len(heard_of(tmp_path)) == 2, "both are heard of")
        found = {process.vitals.pid: process.vitals for process in heard_of(tmp_path)}
        assert found[serve.pid].roles == ("api",)
        assert found[work.pid].roles == ("worker",)
        assert found[work.pid].capacity == 2048
        assert serve.stop() == 0
        assert [process.vitals.pid for process in heard_of(tmp_path)] == [work.pid]
        work.kill()
        assert [process.vitals.pid for process in heard_of(tmp_path)] == [work.pid]
