"""Check that a load run counts every fault of a service, and gives the result of a study."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import polars as pl
import pytest

import orderengine as oe
from orderengine.errors import InvalidScenario, InvariantViolated, Unavailable
from orderengine.model.events import Event
from orderengine.study.load_report import LoadReport, report_of
from orderengine.study.load_tally import OrderTally, Tallies
from orderengine.study.result import Result
from tests.client.standin import FULL, Standin, filled, serving
from tests.client.test_client import ORDER
from tests.client.test_follow import repeated, skipped, swapped

EVENTS = filled(ORDER)
LOOPS: dict[str, dict[str, Any]] = {
    "open": {"rate_per_s": 400.0},
    "closed": {"concurrency": 4},
    "scenario": {},
}
ALL_WAYS = [
    pytest.param({"ws": ws, **how}, id=f"{ws}, {name}")
    for ws in ("one", "per-order")
    for name, how in LOOPS.items()
]
BOTH = pytest.mark.parametrize("ws", ["one", "per-order"])


def loaded(service: Standin, orders: int = 12, **how: Any) -> Result:
    """Load a stand-in and return the result."""

    async def main() -> Result:
        with anyio.fail_after(60):
            async with serving(service), oe.Client(service.url) as client:
                return await client.load(orders=orders, **{"progress": False, **how})

    return anyio.run(main)


def report(service: Standin, orders: int = 12, **how: Any) -> LoadReport:
    """Load a stand-in and return what was measured."""
    found = loaded(service, orders, **how).load
    assert found is not None
    return found


def faults(found: LoadReport) -> dict[str, int]:
    """Return the counts that must be 0, where they are not."""
    names = ("lost", "duplicated", "out_of_order", "missing")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


@pytest.mark.parametrize("how", ALL_WAYS)
def test_a_sound_service_is_found_whole(how: dict[str, Any]) -> None:
    """Every order is accepted and ended, every event came once and in order."""
    service = Standin()
    result = loaded(service, **how)
    found = result.load
    assert found is not None
    assert (found.orders, found.accepted, found.refused) == (12, 12, {})
    assert found.ended == {"confirmed": 12, "failed": 0, "cancelled": 0, "expired": 0}
    assert faults(found) == {}
    assert found.is_whole
    assert found.reconnects == 0
    assert len(service.keys) == 12
    sockets = [name for name in service.seen if name.startswith("WS")]
    assert len(sockets) == (1 if how["ws"] == "one" else 12)
    assert sorted(log[0].order_id for log in result.logs) == sorted(service.logs)
    assert all(len(log) == FULL for log in result.logs)
    for stage in ("accepted", "ended"):
        ranked = [ms for ms in found.latency_ms[stage].values() if ms is not None]
        assert len(ranked) == 3
        assert 0 < ranked[0] <= ranked[1] <= ranked[2]
    assert found.orders_per_s == pytest.approx(12 / found.seconds, rel=1e-3)
    assert found.cpu_seconds > 0


def test_the_result_is_that_of_a_study(tmp_path: Path) -> None:
    """Tables, hash, files and words work; what a client cannot know is left out."""
    result = loaded(Standin())
    assert result.orders.height == 12
    assert result.orders["status"].unique().to_list() == ["confirmed"]
    result.save(tmp_path)
    log = (tmp_path / "events.jsonl").read_bytes()
    assert sha256(log).hexdigest() == result.event_log_sha256
    assert pl.read_parquet(tmp_path / "orders.parquet").height == 12
    assert result.supply == {}
    assert "s of real time" in str(result)
    assert result.figures()["load"]["accepted"] == 12
    page = result.report(tmp_path / "report.html").read_text("utf-8")
    assert "put to a live service" in page
    assert "conserved" not in page.lower()


def test_the_scenario_makes_the_orders() -> None:
    """The service is sent the orders of the study, sized at its start price, under new ids."""
    service = Standin()
    result = loaded(service, concurrency=1)
    study = oe.simulate("default", orders=12, market__price__volatility=0.0, progress=False)
    assert result.orders["amount"].to_list() == study.orders["amount"].to_list()
    assert result.orders["sell"].to_list() == study.orders["sell"].to_list()
    assert result.orders["mode"].to_list() == study.orders["mode"].to_list()
    assert set(result.orders["order_id"]).isdisjoint(study.orders["order_id"])


@BOTH
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (repeated, {"duplicated": 12}),
        (skipped, {"missing": 12}),
        (swapped, {"out_of_order": 12}),
        (lambda log: log[:-1], {"missing": 12}),
        (lambda log: [*log, log[-1]], {"duplicated": 12}),
        (lambda log: [log[-1], *log[:-1]], {"out_of_order": 48}),
    ],
    ids=["repeated", "skipped", "swapped", "no end", "end twice", "end first"],
)
def test_faults_of_the_stream_are_counted(
    ws: str, sent: Callable[[list[Event]], list[Event]], expected: dict[str, int]
) -> None:
    """Each is told as itself, and the logs are whole all the same."""
    result = loaded(Standin(sent=sent), ws=ws, lost_after_s=2)
    assert result.load is not None
    assert faults(result.load) == expected
    assert not result.load.is_whole
    assert all([event.seq for event in log] == [1, 2, 3, 4, 5] for log in result.logs)
    assert len(result.logs) == 12


@BOTH
def test_an_end_that_was_not_sent_is_looked_up_in_time(ws: str) -> None:
    """A quarter of the time to wait, the log is asked; nobody waits for the whole."""
    found = report(Standin(sent=lambda log: log[:-1]), orders=2, ws=ws, lost_after_s=8)
    assert (found.ended["confirmed"], found.missing) == (2, 2)
    assert found.seconds < 7


@BOTH
def test_an_order_without_an_end_is_lost(ws: str) -> None:
    """It is waited for, and its log is kept as far as it goes."""
    result = loaded(Standin(never_end=True), orders=3, ws=ws, lost_after_s=0.4)
    assert result.load is not None
    assert faults(result.load) == {"lost": 3}
    assert result.load.latency_ms["ended"] == {"p50": None, "p95": None, "p99": None}
    assert [len(log) for log in result.logs] == [FULL - 1] * 3
    assert result.summary().open == 3


def test_a_socket_of_an_order_resumes() -> None:
    """A socket that breaks in the middle costs nothing where one can resume."""
    found = report(Standin(close_after=3), ws="per-order", concurrency=1)
    assert faults(found) == {}
    assert found.reconnects == 1


def test_what_passes_while_the_one_socket_is_away_is_missing() -> None:
    """It is read from the log, and counted as not sent."""
    service = Standin(close_after=3)
    found = report(service, orders=2, concurrency=1, lost_after_s=2)
    assert faults(found).keys() == {"missing"}
    assert found.missing >= FULL - 2
    assert found.reconnects == 1
    assert found.ended["confirmed"] == 2


def test_refusals_are_counted_by_code() -> None:
    """They are no fault, and no order."""
    result = loaded(Standin(refuse=(422, "INVALID_AMOUNT")), orders=5)
    assert result.load is not None
    assert (result.load.accepted, result.load.refused) == (0, {"INVALID_AMOUNT": 5})
    assert result.load.is_whole
    assert result.load.orders_per_s is None
    assert result.logs == []
    assert "refused, INVALID_AMOUNT" in str(result.load)
    assert result.figures()["orders"] == 0


def test_receipts_that_break_off_make_no_second_order() -> None:
    """The retry finds the stored order: as many orders as were sent, none twice."""
    service = Standin(cut_receipts=4, unavailable=3)
    found = report(service)
    assert (found.accepted, len(service.logs), faults(found)) == (12, 12, {})
    assert service.seen["POST /execute"] == 12 + 4 + 3


def test_one_id_for_two_orders_stops_the_run() -> None:
    """Such a service is broken beyond counting."""
    with pytest.raises(InvariantViolated, match="the id order-0 to two orders"):
        loaded(Standin(same_id=True))


def test_a_repetition_after_the_last_end_counts() -> None:
    """The run listens a little longer than until the last order has ended."""
    found = report(Standin(sent=lambda log: [*log, log[-1]], late_s=0.1), orders=1)
    assert faults(found) == {"duplicated": 1}


def test_latency_counts_from_the_intended_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders held up behind one that waits are as late as they really are."""
    monkeypatch.setattr("orderengine.study.load_run._SENDING_MAX", 1)
    service = Standin(unavailable=1_000)

    async def main() -> Result:
        async with (
            serving(service),
            oe.Client(service.url) as client,
            anyio.create_task_group() as group,
        ):
            group.start_soon(recover)
            return await client.load(orders=5, rate_per_s=1_000, progress=False)
        raise AssertionError

    async def recover() -> None:
        await anyio.sleep(0.5)
        service.unavailable = 0

    found = anyio.run(main).load
    assert found is not None
    assert (found.latency_ms["accepted"]["p50"] or 0) > 400


def test_progress_is_told() -> None:
    """A function is called with the orders done and in all."""
    told: list[tuple[int, int]] = []
    loaded(Standin(), orders=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"concurrency": 2, "rate_per_s": 1.0}, "no rate beside it"),
        ({"concurrency": 0}, "from 1 to 10000"),
        ({"rate_per_s": 0.0}, "rate_per_s"),
        ({"orders": 0}, "orders"),
        ({"ws": "many"}, "one or per-order"),
        ({"lost_after_s": float("nan")}, "lost_after_s"),
        ({"study": "nothing"}, "nothing"),
    ],
)
def test_wrong_arguments_are_refused(how: dict[str, Any], said: str) -> None:
    """Before anything is sent."""

    async def main() -> None:
        async with oe.Client("http://127.0.0.1:9") as client:
            await client.load(**how)

    with pytest.raises(InvalidScenario, match=said):
        anyio.run(main)


@pytest.mark.parametrize("service", [Standin(unready=True), None])
def test_a_service_that_is_not_ready_is_told_at_once(service: Standin | None) -> None:
    """No order is sent."""

    async def main() -> None:
        async with oe.Client("http://127.0.0.1:9") as client:
            await client.load(orders=1)

    with pytest.raises(Unavailable):
        loaded(service) if service is not None else anyio.run(main)
    assert service is None or not service.seen["POST /execute"]


def test_percentiles_are_values_that_occurred() -> None:
    """Of 1 to 100 ms, p50, p95 and p99 are 50, 95 and 99 ms."""
    tallies = []
    for number in range(1, 101):
        tally = OrderTally()
        tally.intended_at, tally.accepted_at = 5.0, 5.0 + number / 1_000
        tallies.append(tally)
    found = report_of(tallies, refused={}, reconnects=0, began_at=5.0, cpu_seconds=0)
    assert found.latency_ms["accepted"] == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert found.lost == 100


def test_messages_before_the_receipt_count() -> None:
    """The socket is often faster than the answer to the request."""
    tallies = Tallies()
    for event in EVENTS[:2]:
        tallies.heard(event, 1.0)
    tally = tallies.claim("mine", 0.5, 2.0)
    tallies.heard(EVENTS[2], 3.0)
    assert [event.seq for event in tally.log] == [1, 2, 3]
    assert (tally.missing, tally.next_seq, tally.is_whole) == (0, 4, False)
    assert tallies.claim("another", 0.0, 1.0).log == []


# The command line


def command(service: Standin, *args: str) -> tuple[int, str, str]:
    """Run ``orderengine load`` in a process of its own against a stand-in."""

    async def main() -> tuple[int, str, str]:
        async with serving(service):
            done = await anyio.run_process(
                [
                    Path(sys.executable).with_name("orderengine"),
                    "load",
                    "--url",
                    service.url,
                    *args,
                ],
                check=False,
            )
            return done.returncode, done.stdout.decode(), done.stderr.decode()

    return anyio.run(main)


def test_command_prints_one_object() -> None:
    """Standard output is one JSON object, standard error is empty."""
    service = Standin()
    args = ("--orders", "5", "--rate", "500", "--key", "secret", "--json")
    code, out, err = command(service, *args)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert out.count("\n") == 1
    assert (found["orders"], found["accepted"], found["ended"]["confirmed"]) == (5, 5, 5)
    assert len(bytes.fromhex(found["event_log_sha256"])) == 32
    assert service.headers[-1]["authorization"] == "Bearer secret"


def test_command_prints_tables() -> None:
    """For people: what was measured, then what became of the orders."""
    code, out, err = command(Standin(), "--orders", "5", "--concurrency", "2", "--ws", "per-order")
    assert (code, err) == (0, "")
    for said in ("What must be 0", "start to receipt", "Where the time went", "sha256"):
        assert said in out
    assert "onserved" not in out
    assert max(map(len, out.splitlines()[:-1])) <= 80


def test_command_exits_1_on_a_fault() -> None:
    """The report is printed all the same."""
    code, out, err = command(Standin(sent=repeated), "--orders", "3", "--json")
    assert (code, err) == (1, "")
    assert json.loads(out)["duplicated"] == 3
    code, out, _ = command(Standin(never_end=True), "--orders", "2", "--lost-after", "0.3")
    assert code == 1
    assert "accepted, and no end seen" in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--rate", "5", "--concurrency", "5"), "no rate beside it"),
        (("--orders", "none"), "orders"),
        (("--rate", "fast"), "fast"),
        (("--ws", "two"), "two"),
        (("--scenario", "nothing"), "nothing"),
        (("--url", "nowhere"), "the url"),
        (("--url", "http://127.0.0.1:9"), "no answer from 127.0.0.1"),
    ],
)
def test_command_exits_2_on_bad_input(args: tuple[str, ...], said: str) -> None:
    """One line says what was wrong."""
    code, out, err = command(Standin(), *args)
    assert (code, out) == (2, "")
    assert err.startswith("orderengine: ")
    assert err.count("\n") == 1
    assert said in err
