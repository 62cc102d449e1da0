"""Check whole studies: every order ends once, nothing is lost, and the same seed repeats it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import orderengine as oe
from orderengine.errors import InvalidData, InvalidScenario
from orderengine.market.draws import order_id_of
from orderengine.model.events import (
    Accepted,
    AttemptFailed,
    Cancelled,
    Confirmed,
    Event,
    Expired,
    Failed,
    Routed,
    Submitted,
)
from orderengine.model.lifecycle import OrderState, fold
from orderengine.model.order import Declined, Mode, Order, Quote, Route
from orderengine.study.result import Result
from orderengine.study.run import scenario
from orderengine.study.scenario import Scenario
from orderengine.study.wiring import build_world
from tests.shared import SOL_2021, SOL_2026, shared_file
from tests.study import sources
from tests.study.busy import BUSY, busy, events_of


def confirmed(result: Result) -> list[tuple[Sequence[Event], Confirmed]]:
    """Return each filled order's log and its last event."""
    return [(log, log[-1]) for log in result.logs if isinstance(log[-1], Confirmed)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="busy"),
        pytest.param({"engine.workers": 1, "orders": 40}, id="one worker"),
        pytest.param({"order.deadline": "1ms"}, id="no time at all"),
        pytest.param({"order.cancel_share": 1, "order.cancel_after.median": "0ms"}, id="cancelled"),
        pytest.param({"market.landing.drop_rate": 0.99}, id="almost all lost"),
        pytest.param({"market.landing.model": "slots", "market.landing.slots_p": 0.05}, id="slots"),
        pytest.param({"arrivals.model": "burst", "engine.attempts_max": 100}, id="many attempts"),
        pytest.param({"market.skip_rate": 0.9}, id="nine of ten slots skipped"),
        pytest.param({"market.quote_pools": "one"}, id="one pool an order"),
        pytest.param({"orders": 1}, id="one order"),
    ],
)
def test_every_order_ends_exactly_once(changes: dict[str, object]) -> None:
    """Each log is numbered without gaps, folds to a terminal state, and has one terminal event."""
    study = BUSY.replace(changes)
    result = busy() if not changes else oe.simulate(study, progress=False)
    assert len(result.logs) == study.orders
    for number, log in enumerate(result.logs):
        assert log[0].order_id == order_id_of(study.seed, number)
        assert [event.seq for event in log] == [*range(1, len(log) + 1)]
        assert [event.status.is_terminal for event in log] == [False] * (len(log) - 1) + [True]
        assert all(a.at_ns <= b.at_ns for a, b in pairwise(log))
        assert fold(log).is_terminal
    figures = result.figures()
    ends = [figures[name] for name in ("confirmed", "failed", "cancelled", "expired")]
    assert sum(ends) == figures["orders"] == study.orders


def test_study_of_one_worker_queues() -> None:
    """The next order is claimed only when the last one has ended."""
    result = oe.simulate(
        "seed_default", orders=20, engine__workers=1, arrivals__model="burst", progress=False
    )
    assert result.figures()["confirmed"] == 20
    spans = sorted((log[1].at_ns, log[-1].at_ns) for log in result.logs)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert result.virtual_seconds > 20 * 2.2


def canonical(event: dict[str, Any]) -> str:
    """Return an event as INTERFACES.md says it is hashed."""
    return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_hash_can_be_recomputed_from_the_written_file(tmp_path: Path) -> None:
    """Canonical lines, sorted by (at, order number, seq), have the hash; so has the file itself."""
    busy().save(tmp_path)
    data = (tmp_path / "events.jsonl").read_bytes()
    assert sha256(data).hexdigest() == busy().event_log_sha256
    numbers = {order_id_of(BUSY.seed, number): number for number in range(BUSY.orders)}
    events = [json.loads(line) for line in data.splitlines()]
    events.sort(key=lambda event: (event["at"], numbers[event["order_id"]], event["seq"]))
    lines = "".join(canonical(event) + "\n" for event in events)
    assert sha256(lines.encode()).hexdigest() == busy().event_log_sha256


def leaves(value: object) -> list[object]:
    """Return all plain values inside."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def test_written_events_hold_only_strings_and_integers(tmp_path: Path) -> None:
    """No floats, booleans or nulls; every event has its common fields, dated to nine digits."""
    busy().save(tmp_path)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert len(lines) == sum(len(log) for log in busy().logs)
    kinds: set[type] = set()
    for line in lines:
        event = json.loads(line)
        assert {"order_id", "seq", "type", "status", "at"} <= set(event)
        assert len(event["at"]) == len("2026-07-06T16:30:00.000000000Z")
        kinds |= {type(leaf) for leaf in leaves(event)}
    assert kinds == {str, int}


def test_reference_prices_stand_where_costs_need_them() -> None:
    """Accepted, routed and terminal events carry a positive integer price."""
    seen = 0
    for log in busy().logs:
        for event in log:
            if isinstance(event, Accepted | Routed | Confirmed | Failed | Cancelled | Expired):
                assert type(event.reference_price_x64) is int
                assert event.reference_price_x64 > 0
                seen += 1
    assert seen > 2 * BUSY.orders


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(BUSY, id="busy"),
        pytest.param(BUSY.replace({"order.slippage_bps": 0}), id="no slippage"),
        pytest.param(BUSY.replace({"order.exact_out_share": 1}), id="exact out"),
    ],
)
def test_fills_keep_their_limits(study: Scenario) -> None:
    """No fill pays less than its least or costs more than its most; exact sides are exact."""
    result = busy() if study is BUSY else oe.simulate(study, progress=False)
    filled = confirmed(result)
    assert filled
    for log, end in filled:
        order = fold(log).order
        submitted = [event for event in log if isinstance(event, Submitted)]
        assert end.signature == submitted[-1].signature
        assert end.amount_out >= submitted[-1].amount_out_min
        assert end.amount_in <= submitted[-1].amount_in_max
        route = next(event.route for event in reversed(log) if isinstance(event, Routed))
        if order.mode is Mode.EXACT_IN:
            assert end.amount_in == order.amount
            least = route.amount_out * (10_000 - order.slippage_bps)
            assert end.amount_out * 10_000 >= least
        else:
            assert end.amount_out == order.amount
            most = route.amount_in * (10_000 + order.slippage_bps)
            assert end.amount_in * 10_000 <= most


def test_signatures_never_overlap_and_land_in_time() -> None:
    """A new transaction is signed only after the last is dead; each lands by its limit."""
    result = oe.simulate(BUSY, market__skip_rate=0.0, progress=False)
    retried = 0
    for log in result.logs:
        out: Submitted | None = None
        for event in log:
            if isinstance(event, Submitted):
                assert out is None
                out = event
            elif isinstance(event, AttemptFailed | Failed | Confirmed):
                if isinstance(event, AttemptFailed) and event.code == "BLOCKHASH_EXPIRED":
                    assert out is not None
                    height = (event.at_ns - result.logs[0][0].at_ns) // 400_000_000
                    assert height >= out.last_valid_height - 1
                    retried += 1
                if isinstance(event, Confirmed):
                    assert out is not None
                    assert event.slot <= out.last_valid_height  # height is slot: none is skipped
                    assert out.at_ns < event.landed_at_ns <= event.at_ns
                out = None
    assert retried > 0


def test_deadline_stops_new_attempts_and_nothing_else() -> None:
    """Nothing is signed after the deadline; what is out may still be filled; else it expires."""
    after = 0
    for log in busy().logs:
        deadline_ns = fold(log).order.deadline_ns
        assert deadline_ns is not None
        assert all(e.at_ns < deadline_ns for e in log if isinstance(e, Submitted))
        after += isinstance(log[-1], Confirmed) and log[-1].at_ns > deadline_ns
        if isinstance(log[-1], Expired):
            assert log[-1].at_ns >= deadline_ns
    assert after > 0


def test_cancelled_orders_never_landed() -> None:
    """A cancelled order has no fill, and a cancellation that came too late lost to the fill."""
    asked = [log for log in busy().logs if any(e.status == "cancelled" for e in log)]
    assert asked
    for log in asked:
        assert not any(isinstance(event, Confirmed) for event in log)
    noted = [
        log[-1].status.value
        for log in busy().logs
        if any(type(event).__name__ == "CancelRequested" for event in log)
    ]
    assert set(noted) <= {"confirmed", "cancelled", "failed"}
    assert "confirmed" in noted


def test_tokens_are_conserved_and_named() -> None:
    """A result says which tokens were found again to the unit."""
    assert set(busy().supply) == {"SOL", "USDC"}
    assert busy().prices_sha256 == ""


def test_burst_is_all_in_flight_at_once(tmp_path: Path) -> None:
    """Five thousand orders that arrive together are all open together, on a made-up trace."""
    file = tmp_path / "prices.csv"
    rows = [f"{1_783_355_400 + 60 * k},{81 + k % 7 / 10}" for k in range(30)]
    file.write_text("\n".join(["timestamp,price", *rows]))
    burst_of_five_thousand(str(file))


@pytest.mark.needs_shared_data
def test_burst_is_all_in_flight_at_once_on_recorded_prices() -> None:
    """The same on the recorded minutes of July 2026."""
    burst_of_five_thousand(shared_file(SOL_2026))


def burst_of_five_thousand(file: str) -> None:
    """Run the default study as one burst on a price file, and check it."""
    result = oe.simulate(
        "default",
        arrivals__model="burst",
        market__price__model="trace",
        market__price__file=file,
        progress=False,
    )
    figures = result.figures()
    assert figures["in_flight_max"] == figures["orders"] == 5_000
    assert figures["confirmed"] > 4_500
    assert result.prices_sha256 == sha256(Path(file).read_bytes()).hexdigest()
    assert {log[0].at_ns for log in result.logs} == {result.logs[0][0].at_ns}


@pytest.mark.needs_shared_data
def test_recorded_pair_of_2021_runs_from_any_instant() -> None:
    """A study may begin inside a trace; its orders meet the price of that minute."""
    result = oe.simulate(
        "seed_default",
        orders=50,
        start="2021-10-01T00:00:00Z",
        market__quote="USDT",
        market__price__model="trace",
        market__price__file=shared_file(SOL_2021),
        market__pools=[{"name": "a", "venue": "raydium_cpmm", "depth": "5000000USDT"}],
        progress=False,
    )
    accepted = result.logs[0][0]
    assert datetime.fromtimestamp(accepted.at_ns // 10**9, UTC).isoformat()[:10] == "2021-10-01"
    assert result.figures()["confirmed"] == 50
    assert set(result.supply) == {"SOL", "USDT"}


def test_trace_begins_the_study_unless_told(tmp_path: Path) -> None:
    """Virtual time 0 is the first sample, or the scenario's start."""
    file = tmp_path / "prices.csv"
    file.write_text("timestamp,price\n2026-01-01T00:00:00Z,100\n2026-01-01T00:01:00Z,200\n")
    trace = {"market.price.model": "trace", "market.price.file": str(file)}
    world = build_world(Scenario().replace(trace))
    assert world.start_ns == 1_767_225_600 * 10**9
    later = Scenario().replace(trace | {"start": "2026-01-01T00:00:30Z"})
    assert build_world(later).price_x64 == pytest.approx(1.5 * world.price_x64, rel=1e-12)


def test_twin_runs() -> None:
    """The twin of the SimPy program fills most orders, loses some transactions, asks one pool."""
    result = oe.simulate("simpy_twin", orders=300, progress=False)
    figures = result.figures()
    assert figures["confirmed"] > 280
    routed = events_of(result, Routed)
    assert {len(event.quotes) for event in routed} == {1}
    assert len({event.route.legs[0].pool for event in routed}) == 20
    codes = Counter(event.code for event in events_of(result, AttemptFailed))
    assert codes["DROPPED"] > 10
    assert "BLOCKHASH_EXPIRED" not in codes  # a loss is noticed long before


def test_seed_default_takes_two_to_three_seconds() -> None:
    """Quotes take 200 ms and executions 2 to 3 s; every order is filled on one of two venues."""
    result = oe.simulate("seed_default", orders=200, progress=False)
    figures = result.figures()
    assert figures["confirmed"] == 200
    assert set(figures["venues"]) <= {"raydium_cpmm", "meteora_dlmm"}
    for log, end in confirmed(result):
        routed = next(event for event in log if isinstance(event, Routed))
        assert routed.at_ns - log[0].at_ns == 200_000_000
        assert {answer.venue for answer in routed.quotes} == {"raydium_cpmm", "meteora_dlmm"}
        assert 2_000_000_000 <= end.at_ns - routed.at_ns <= 3_000_000_000


# Functions of the user's own


@pytest.mark.parametrize(
    ("router", "venue"),
    [
        pytest.param(sources.first, "raydium_cpmm", id="first"),
        pytest.param(sources.last, "meteora_dlmm", id="last"),
        pytest.param(lambda order, quotes: quotes[-1], "meteora_dlmm", id="lambda"),
        pytest.param(sources.Nth(0), "raydium_cpmm", id="object"),
    ],
)
def test_router_sees_quotes_and_chooses(router: object, venue: str) -> None:
    """All fills are on the pool that the function takes."""
    result = oe.simulate("seed_default", orders=20, engine__router=router, progress=False)
    assert result.figures()["venues"] == {venue: 20}
    assert "source_sha256" in result.scenario.to_toml()


def test_router_gets_the_order_and_all_usable_quotes() -> None:
    """What the function sees is what the log says."""
    seen: list[tuple[Order, Sequence[Quote]]] = []

    def watch(order: Order, quotes: Sequence[Quote]) -> Quote:
        seen.append((order, tuple(quotes)))
        return quotes[0]

    result = oe.simulate("seed_default", orders=10, engine__router=watch, progress=False)
    routed = {event.order_id: event for event in events_of(result, Routed)}
    assert len(seen) == 10
    for order, quotes in seen:
        assert quotes == routed[order.order_id].quotes
        assert all(type(quote) is Quote and quote.amount_out > 0 for quote in quotes)


def test_router_that_takes_nothing_fails_the_order() -> None:
    """None is an answer: there is no route."""
    result = oe.simulate("seed_default", orders=5, engine__router=sources.nothing, progress=False)
    assert result.figures()["failed"] == 5
    assert {event.code for event in events_of(result, Failed)} == {"NO_ROUTE"}


class Broken(Exception):
    """Be an error of the user's own."""


def broken(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Raise."""
    raise Broken(order.order_id)


@pytest.mark.parametrize("model", ["burst", "poisson"])
def test_router_that_raises_gives_its_own_error(model: str) -> None:
    """The user sees the error itself, not a group of it, also when many orders fail at once."""
    with pytest.raises(Broken):
        oe.simulate(
            "seed_default",
            orders=50,
            arrivals__model=model,
            engine__router=broken,
            progress=False,
        )


@pytest.mark.parametrize("field", ["pool", "sell"])
def test_router_that_invents_a_leg_fails_the_order(field: str) -> None:
    """A route over a pool that is not there is refused when it is signed; the study goes on."""

    def invent(order: Order, quotes: Sequence[Quote]) -> Route:
        leg = {"pool": quotes[0].pool, "sell": order.sell} | {field: "JUP"}
        return Route(
            legs=(
                oe.Leg(
                    pool=leg["pool"],
                    venue=quotes[0].venue,
                    sell=leg["sell"],
                    buy=order.buy,
                    amount_in=quotes[0].amount_in,
                    amount_out=quotes[0].amount_out,
                ),
            ),
            amount_in=quotes[0].amount_in,
            amount_out=quotes[0].amount_out,
        )

    try:
        result = oe.simulate("seed_default", orders=5, engine__router=invent, progress=False)
    except oe.errors.InvalidRequest:
        return  # refused as soon as it is chosen
    assert result.figures()["failed"] == 5
    assert {event.code for event in events_of(result, Failed)} == {"INVALID_REQUEST"}


def test_retry_function_decides_on_waits_and_end() -> None:
    """Its waits stand in the log, and None ends the order."""

    def twice(state: OrderState, code: str) -> int | None:
        assert code
        return 123_000_000 if state.attempts == 0 else None

    result = oe.simulate(BUSY, engine__retry=twice, progress=False)
    assert {e.retry_at_ns - e.at_ns for e in events_of(result, AttemptFailed)} <= {0, 123_000_000}
    assert max(fold(log).attempts for log in result.logs) == 2
    assert events_of(result, Failed)


def test_slippage_function_sets_the_limits() -> None:
    """What it returns is what is signed."""

    def loose(order: Order, route: Route) -> tuple[int, int]:
        return route.amount_in * 2, 1

    result = oe.simulate("seed_default", orders=10, engine__slippage=loose, progress=False)
    submitted = events_of(result, Submitted)
    assert {event.amount_out_min for event in submitted} == {1}
    assert result.figures()["confirmed"] == 10


def test_toml_of_a_function_needs_the_function() -> None:
    """Such a scenario runs again only with the function, then to the same log."""
    result = oe.simulate("seed_default", orders=5, engine__router=sources.last, progress=False)
    read = Scenario.from_toml(result.scenario.to_toml())
    with pytest.raises(InvalidScenario, match=r"engine.router: expected the function itself"):
        oe.simulate(read, progress=False)
    again = oe.simulate(read, engine__router=sources.last, progress=False)
    assert again.event_log_sha256 == result.event_log_sha256


# Where and how it runs


def test_study_runs_inside_a_running_loop() -> None:
    """A notebook's cell has an asyncio loop already; the result is the same."""

    async def cell() -> Result:
        return oe.simulate(BUSY, orders=50, progress=False)

    inside = asyncio.run(cell())
    assert inside.event_log_sha256 == oe.simulate(BUSY, orders=50, progress=False).event_log_sha256


def test_progress_is_reported_to_the_end() -> None:
    """The function hears rising counts, the last of them all orders, at most some hundreds."""
    heard: list[tuple[int, int]] = []
    oe.simulate(BUSY, progress=lambda ended, total: heard.append((ended, total)))
    assert heard[-1] == (400, 400)
    assert heard == sorted(set(heard))
    assert len(heard) <= 250


def test_unknown_change_is_refused() -> None:
    """A misspelt keyword is an error before anything runs."""
    with pytest.raises(InvalidScenario, match="ordres: expected one of the keys name, seed"):
        oe.simulate("default", ordres=5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"market__pools__1__depth": 0}, r"market\.pools\[1\]\.depth"),
        ({"market__pools__4__depth": 5}, r"market\.pools\[4\]\.depth: expected at least 2 base"),
        ({"market__price__start": "0.00000000000000000001"}, r"market\.price\.start"),
        ({"market__pools__4__bins": 5_000, "market__pools__4__bin_step": 400}, r"pools\[4\]\.bins"),
    ],
)
def test_world_that_cannot_open_names_its_field(changes: dict[str, object], said: str) -> None:
    """What only the price can tell is refused by the field's whole path as well."""
    with pytest.raises(InvalidScenario, match=said):
        oe.simulate(oe.scenario("default").replace(**changes), progress=False)


def test_missing_latency_file_is_refused() -> None:
    """A file that a latency names is read before the study begins."""
    with pytest.raises(InvalidData, match=r"nowhere\.csv: .*no such file"):
        oe.simulate(
            "default",
            market__quote_latency={
                "model": "empirical",
                "file": "nowhere.csv",
                "column": "took_ms",
            },
            progress=False,
        )


def test_measured_latencies_are_drawn(tmp_path: Path) -> None:
    """With an empirical model every quote takes one of the measured times."""
    file = tmp_path / "latency.csv"
    file.write_text("took_ms\n100\n250\n")
    result = oe.simulate(
        "seed_default",
        orders=40,
        market__quote_latency={"model": "empirical", "file": str(file), "column": "took_ms"},
        market__pools=[{"name": "a", "venue": "raydium_cpmm", "depth": "5000000USDC"}],
        progress=False,
    )
    waits = {
        next(event for event in log if isinstance(event, Routed)).at_ns - log[0].at_ns
        for log in result.logs
    }
    assert waits == {100_000_000, 250_000_000}


# Common random numbers


def stage_ns(result: Result, since: type[Event], until: type[Event]) -> dict[str, int]:
    """Return the time between two events of the first attempt, by order."""
    found = {}
    for log in result.logs:
        first = next((event for event in log if isinstance(event, since)), None)
        last = next((event for event in log if isinstance(event, until)), None)
        if first is not None and last is not None:
            found[log[0].order_id] = last.at_ns - first.at_ns
    return found


def test_changing_one_latency_leaves_other_draws_alone() -> None:
    """With slower quotes the same orders arrive, and building takes each as long as before."""
    calm = scenario("default").replace(
        orders=300, order__cancel_share=0.0, engine__quote_deadline="60s"
    )
    before = oe.simulate(calm, progress=False)
    after = oe.simulate(calm, market__quote_latency__median="700ms", progress=False)
    assert before.event_log_sha256 != after.event_log_sha256
    for log, other in zip(before.logs, after.logs, strict=True):
        assert log[0] == other[0]  # the same order at the same time and price
    built = stage_ns(before, Routed, Submitted), stage_ns(after, Routed, Submitted)
    assert built[0] == built[1]
    quoted = stage_ns(before, Accepted, Routed), stage_ns(after, Accepted, Routed)
    assert all(quoted[0][name] <= quoted[1][name] for name in quoted[0])
    assert quoted[0] != quoted[1]


def test_more_orders_leave_the_first_ones_alone() -> None:
    """The n-th order is the same in a longer study."""
    short = oe.simulate("seed_default", orders=20, progress=False)
    long = oe.simulate("seed_default", orders=60, progress=False)
    for log, other in zip(short.logs, long.logs, strict=False):
        assert log[0] == other[0]


def test_losers_are_logged_with_reasons() -> None:
    """Every pool is accounted for in each routing: chosen, or declined with a reason."""
    pools = {pool.name for pool in BUSY.market.pools}
    for event in events_of(busy(), Routed):
        taken = {leg.pool for leg in event.route.legs}
        said = {declined.pool for declined in event.declined}
        timed_out = {d.venue for d in event.declined if d.code == "QUOTE_TIMEOUT"}
        late = {pool.name for pool in BUSY.market.pools if pool.venue in timed_out}
        assert taken | (said - {""}) | late == pools
        assert all(isinstance(d, Declined) and d.reason for d in event.declined)


def test_the_order_table_becomes_a_pandas_frame() -> None:
    """Amounts keep every unit on the way; the study extra brings what the conversion needs."""
    result = busy()
    frame = result.orders.to_pandas()
    assert len(frame) == len(result.logs)
    assert [int(amount) for amount in frame["amount"]] == result.orders["amount"].to_list()
