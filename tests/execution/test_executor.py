"""Check the life of one order over scripted venues and a cluster that judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from orderengine import virtualtime
from orderengine.errors import (
    AmountOverflow,
    InvalidAmount,
    LeaseLost,
    OrderEngineError,
    Rejected,
    Unavailable,
)
from orderengine.execution.policy import ExecutionPolicy, backoff
from orderengine.execution.ports import Outcome, Signed, SwapPlan
from orderengine.model.events import (
    AttemptFailed,
    Claimed,
    Confirmed,
    Event,
    Failed,
    Routed,
    Status,
    Submitted,
)
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Declined, Mode, Order, Quote, route_of
from orderengine.routing.choose import best
from tests.execution.conftest import Run
from tests.execution.fakes import (
    LEASE_NS,
    MS,
    ORDER,
    PRICE_X64,
    ROUTE_BEST,
    SECOND,
    START_NS,
    VALID_NS,
    Cluster,
    Desk,
    Fate,
    Prices,
    Script,
    ScriptedVenue,
    VirtualClock,
    WatchedStore,
    next_event,
    quote,
    soon,
)
from tests.strategies import tag_of

FOREVER = 2**62
ONE_TRY = replace(ROUTE_BEST, retry=backoff(1, 1, 1))
RETRY_AT_ONCE = replace(ROUTE_BEST, retry=backoff(3, 0, 0))


def execute(desk: Desk, order: Order = ORDER) -> OrderState:
    """Carry the order to its end in virtual time."""
    return virtualtime.run(desk.execute, order)


def last_of(desk: Desk, kind: type[Event]) -> Any:
    """Return the last event of a type."""
    return [event for event in desk.log() if isinstance(event, kind)][-1]


def at_ms(desk: Desk) -> list[tuple[str, float]]:
    """Return the types of the order's events and when they were written."""
    times = [(event.at_ns - START_NS) / MS for event in desk.log()]
    return list(zip(desk.tags(), times, strict=True))


def due_at(deadline_ns: int) -> Order:
    """Return the order with a deadline, counted from the start."""
    return replace(ORDER, deadline_ns=START_NS + deadline_ns)


def test_the_happy_path_is_five_events() -> None:
    """Each at its time, with all that the order, the quotes and the cluster said."""
    raydium = ScriptedVenue("raydium", [quote("raydium", 150)], latency_ns=200 * MS)
    empty = Declined(venue="meteora", pool="meteora-pool", code="INSUFFICIENT_LIQUIDITY", reason="")
    meteora = ScriptedVenue("meteora", [empty], latency_ns=300 * MS)
    orca = ScriptedVenue("orca", [quote("orca", 200), quote("orca", 0)], latency_ns=100 * MS)
    desk = Desk(raydium, meteora, orca, cluster=Cluster(sign_ns=50 * MS))
    end = execute(desk)
    assert at_ms(desk) == [
        ("accepted", 0),
        ("claimed", 0),
        ("routed", 300),
        ("submitted", 350),
        ("confirmed", 750),
    ]
    _, claimed, routed, submitted, confirmed = (asdict(event) for event in desk.log())
    assert claimed["worker"] == "w"
    assert routed["attempt"] == 1
    assert routed["route"] == route_of(ORDER, quote("orca", 200))
    assert routed["quotes"] == (quote("raydium", 150), quote("orca", 200))
    assert [(lost.venue, lost.code) for lost in routed["declined"]] == [
        ("meteora", "INSUFFICIENT_LIQUIDITY"),
        ("raydium", "WORSE_PRICE"),
    ]
    assert routed["reference_price_x64"] == PRICE_X64
    (signed,) = desk.cluster.signed
    assert (submitted["signature"], submitted["last_valid_height"]) == ("sig-0", 100)
    assert (submitted["amount_in_max"], submitted["amount_out_min"]) == (ORDER.amount, 198)
    assert (submitted["attempt"], submitted["network_fee"]) == (1, signed.network_fee)
    assert (confirmed["attempt"], confirmed["signature"], confirmed["slot"]) == (1, "sig-0", 12)
    assert confirmed["landed_at_ns"] == START_NS + 750 * MS
    assert (confirmed["amount_in"], confirmed["amount_out"]) == (ORDER.amount, 149_000_000)
    assert (confirmed["fee_in"], confirmed["fee_out"], confirmed["network_fee"]) == (7, 0, 5_000)
    assert desk.cluster.sent == [(350 * MS, signed)]
    assert desk.observed == desk.log()
    assert end == desk.state()
    desk.require_sound()


def test_the_plan_is_what_was_routed_and_allowed() -> None:
    """Settlement signs the route with the policy's bounds on the side that varies."""
    plans: list[SwapPlan] = []

    class Recorder(Cluster):
        async def sign(self, plan: SwapPlan, until_ns: int) -> Signed:
            plans.append(plan)
            return await super().sign(plan, until_ns)

    order = replace(ORDER, mode=Mode.EXACT_OUT, amount=777)
    wanted = replace(quote("raydium", 777), amount_in=10_001)
    desk = Desk(ScriptedVenue("raydium", [wanted]), cluster=Recorder())
    execute(desk, order)
    assert plans == [
        SwapPlan(
            order=order,
            route=route_of(order, wanted),
            attempt=1,
            amount_in_max=10_101,  # 10001 · 1.01 = 10101.01
            amount_out_min=777,
        )
    ]


def test_a_late_venue_is_left_out_and_named() -> None:
    """The others' quotes count at the deadline, and the late one's reason is in the log."""
    quick = ScriptedVenue("quick", [quote("quick", 100)], latency_ns=10 * MS)
    late = ScriptedVenue("late", [quote("late", 200)], latency_ns=1_501 * MS)
    desk = Desk(late, quick)
    execute(desk)
    routed = last_of(desk, Routed)
    assert routed.at_ns == START_NS + 1_500 * MS
    assert [leg.venue for leg in routed.route.legs] == ["quick"]
    assert routed.declined == (
        Declined(
            venue="late",
            pool="",
            code="QUOTE_TIMEOUT",
            reason="late gave no quote within 1500 ms",
        ),
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("down"), "UNAVAILABLE"),
        (Rejected("no"), "REJECTED"),
        (AmountOverflow("liquidity", 2**64, 64), "AMOUNT_OVERFLOW"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failing_venue_is_left_out_and_named(error: OrderEngineError, code: str) -> None:
    """An error of one venue costs only its quote."""
    desk = Desk(ScriptedVenue("broken", error), ScriptedVenue("sound"))
    execute(desk)
    (declined,) = last_of(desk, Routed).declined
    assert (declined.venue, declined.code, declined.reason) == ("broken", code, str(error))


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_venue_s_bug_is_not_swallowed(*, is_alone: bool) -> None:
    """Only our own errors are answers; a bug of an adapter stops the execution."""
    broken = ScriptedVenue("broken", ZeroDivisionError())
    desk = Desk(broken) if is_alone else Desk(broken, ScriptedVenue("sound"))
    with pytest.raises((ZeroDivisionError, ExceptionGroup)):
        execute(desk)
    assert desk.state().status is Status.ROUTING


def test_without_a_quote_the_order_fails_after_its_attempts() -> None:
    """Attempts wait as the policy says, ask anew, and the end tells every venue's reason."""
    broken = ScriptedVenue("broken", Unavailable("down"), latency_ns=10 * MS)
    silent = ScriptedVenue("silent", ())
    desk = Desk(broken, silent)
    end = execute(desk)
    assert desk.tags() == ["accepted", "claimed", "attempt_failed", "attempt_failed", "failed"]
    assert (broken.asked, silent.asked) == ([1, 2, 3], [1, 2, 3])
    first, second, failed = desk.log()[2:]
    reason = "no venue can fill the order (broken: down)"
    for number, event in enumerate((first, second), 1):
        assert isinstance(event, AttemptFailed)
        assert (event.attempt, event.code, event.reason) == (number, "NO_ROUTE", reason)
        assert 100 * MS * number <= event.retry_at_ns - event.at_ns <= 200 * MS * number
        after = desk.log()[2 + number]
        assert after.at_ns == event.retry_at_ns + 10 * MS
    assert isinstance(failed, Failed)
    assert (failed.code, failed.reason) == ("NO_ROUTE", reason)
    assert failed.reference_price_x64 == PRICE_X64
    assert (end.status, end.attempts, end.network_fees) == (Status.FAILED, 3, 0)


def test_slow_venues_are_timeouts() -> None:
    """Each attempt ends at the quote deadline, and says who was how late."""
    slow = [ScriptedVenue(name, latency_ns=2_000 * MS) for name in ("one", "two")]
    desk = Desk(*slow, policy=replace(RETRY_AT_ONCE, quote_deadline_ns=500 * MS))
    execute(desk)
    assert at_ms(desk)[2:] == [
        ("attempt_failed", 500),
        ("attempt_failed", 1_000),
        ("failed", 1_500),
    ]
    assert last_of(desk, Failed).reason == (
        "no venue can fill the order (one: one gave no quote within 500 ms; "
        "two: two gave no quote within 500 ms)"
    )


def test_an_attempt_that_failed_is_followed_by_a_better_one() -> None:
    """A quote that comes with the second attempt fills the order."""
    venue = ScriptedVenue("raydium", Unavailable("down"), [quote("raydium")])
    desk = Desk(venue)
    assert execute(desk).status is Status.CONFIRMED
    assert venue.asked == [1, 2]
    assert [last_of(desk, kind).attempt for kind in (Routed, Submitted, Confirmed)] == [2, 2, 2]


def test_a_router_that_raises_is_heard() -> None:
    """The error leaves the executor; the order stays open and can be taken up again."""
    calls: list[int] = []

    def router(order: Order, quotes: Sequence[Quote]) -> Quote:
        calls.append(len(calls))
        if len(calls) == 1:
            raise ZeroDivisionError(order.order_id)
        return quotes[0]

    desk = Desk(policy=replace(ROUTE_BEST, router=router))

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await desk.execute()
        assert desk.state().status is Status.ROUTING
        await anyio.sleep(4)
        await desk.execute(worker="second")

    virtualtime.run(main)
    assert desk.tags() == [
        "accepted",
        "claimed",
        "routed",
        "submitted",
        "confirmed",
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unavailable("no blockhash"), "UNAVAILABLE"), (Rejected("too large"), "REJECTED")],
    ids=["unavailable", "rejected"],
)
def test_signing_that_fails_is_tried_anew(error: OrderEngineError, code: str) -> None:
    """With new quotes, as the next attempt; nothing was sent meanwhile."""
    desk = Desk(cluster=Cluster(sign_errors=[error]))
    assert execute(desk).status is Status.CONFIRMED
    assert desk.tags() == [
        "accepted",
        "claimed",
        "routed",
        "attempt_failed",
        "routed",
        "submitted",
        "confirmed",
    ]
    failed = last_of(desk, AttemptFailed)
    assert (failed.code, failed.reason, failed.network_fee) == (code, str(error), 0)
    assert last_of(desk, Submitted).attempt == 2


def test_what_cannot_be_signed_fails_at_once() -> None:
    """A request that is wrong is not repeated."""
    wrong = InvalidAmount("amount_in", 2**70, "from 1 to 2^64 - 1")
    desk = Desk(cluster=Cluster(sign_errors=[wrong]))
    end = execute(desk)
    assert desk.tags() == ["accepted", "claimed", "routed", "failed"]
    assert isinstance(end.outcome, Failed)
    assert end.outcome.code == "INVALID_AMOUNT"


def test_signing_that_outlasts_every_route_ends() -> None:
    """A route that is too old once it is signed costs an attempt: the order does not go round."""
    desk = Desk(cluster=Cluster(sign_ns=6 * SECOND))
    end = execute(desk)
    assert desk.tags()[2:] == ["routed", "attempt_failed"] * 2 + ["routed", "failed"]
    assert isinstance(end.outcome, Failed)
    assert end.outcome.code == "STALE_ROUTE"
    assert desk.cluster.sent == []


def test_an_old_route_is_quoted_anew() -> None:
    """One that waited for its signature across a take-over is dropped, not signed."""
    desk = Desk(cluster=Cluster(sign_errors=[ZeroDivisionError()]))

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await desk.execute()
        await anyio.sleep(6)
        await desk.execute(worker="second")

    virtualtime.run(main)
    assert desk.tags()[2:] == ["routed", "requoting", "routed", "submitted", "confirmed"]


DEADLINE_CASES: dict[str, tuple[Callable[[], Desk], int, list[tuple[str, float]]]] = {
    "before it is claimed": (Desk, 0, [("expired", 0)]),
    "while quoting": (
        lambda: Desk(ScriptedVenue("slow", latency_ns=5 * SECOND)),
        700 * MS,
        [("claimed", 0), ("attempt_failed", 700), ("expired", 700)],
    ),
    "while quoting the last attempt": (
        lambda: Desk(ScriptedVenue("slow", latency_ns=5 * SECOND), policy=ONE_TRY),
        700 * MS,
        [("claimed", 0), ("attempt_failed", 700), ("expired", 700)],
    ),
    "while waiting for a retry": (
        lambda: Desk(
            ScriptedVenue("broken", Unavailable("down")),
            policy=replace(ROUTE_BEST, retry=backoff(9, 10 * SECOND, 10 * SECOND)),
        ),
        700 * MS,
        [("claimed", 0), ("attempt_failed", 0), ("expired", 700)],
    ),
    "while signing": (
        lambda: Desk(cluster=Cluster(sign_ns=5 * SECOND)),
        700 * MS,
        [("claimed", 0), ("routed", 0), ("expired", 700)],
    ),
    "in the moment of the signature": (
        lambda: Desk(cluster=Cluster(sign_ns=700 * MS)),
        700 * MS,
        [("claimed", 0), ("routed", 0), ("expired", 700)],
    ),
    "while a signature is out that lands": (
        lambda: Desk(cluster=Cluster(Script(Fate.LANDS, after_ns=5 * SECOND))),
        700 * MS,
        [("claimed", 0), ("routed", 0), ("submitted", 0), ("confirmed", 5_000)],
    ),
    "while a signature is out that reverts": (
        lambda: Desk(cluster=Cluster(Script(Fate.REVERTS, after_ns=5 * SECOND))),
        700 * MS,
        [
            ("claimed", 0),
            ("routed", 0),
            ("submitted", 0),
            ("attempt_failed", 5_000),
            ("expired", 5_000),
        ],
    ),
    "while a signature is out that lapses": (
        lambda: Desk(cluster=Cluster(Script(Fate.LAPSES))),
        700 * MS,
        [
            ("claimed", 0),
            ("routed", 0),
            ("submitted", 0),
            ("attempt_failed", 60_000),
            ("expired", 60_000),
        ],
    ),
}


@pytest.mark.parametrize(
    ("build", "deadline_ns", "expected"), DEADLINE_CASES.values(), ids=DEADLINE_CASES
)
def test_a_deadline_passes(
    build: Callable[[], Desk], deadline_ns: int, expected: list[tuple[str, float]]
) -> None:
    """It stops what could begin a new attempt, to the instant, and never a live signature."""
    desk = build()
    execute(desk, due_at(deadline_ns))
    assert at_ms(desk)[1:] == expected
    if expected[-1][0] == "expired" and ("submitted", 0) not in expected:
        assert desk.cluster.sent == []
    desk.require_sound()


class StubbornCluster(Cluster):
    """Sign to the end, whoever wants it to stop."""

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed:
        """Ignore cancellation."""
        signed: list[Signed] = []
        with anyio.CancelScope(shield=True):
            signed.append(await super().sign(plan, until_ns))
        return signed[0]


def test_what_is_signed_after_the_deadline_is_not_sent() -> None:
    """A signer that cannot be stopped delays the end, and begins nothing."""
    desk = Desk(cluster=StubbornCluster(sign_ns=3 * SECOND))
    execute(desk, due_at(700 * MS))
    assert at_ms(desk)[2:] == [("routed", 0), ("expired", 3_000)]
    assert len(desk.cluster.signed) == 1
    assert desk.cluster.sent == []


CANCEL_VENUE_NS, CANCEL_SIGN_NS = 200 * MS, 100 * MS


def _cancelled_at(desk: Desk, after_ns: int) -> tuple[OrderState, OrderState]:
    """Return what the user was answered, and the end."""
    answers: list[OrderState] = []

    async def cancel() -> None:
        await anyio.sleep(after_ns / 1e9)
        answers.append(await desk.engine.cancel(ORDER.order_id))

    async def main() -> OrderState:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            return await desk.execute()
        raise AssertionError("unreachable")

    end = virtualtime.run(main)
    return answers[0], end


@pytest.mark.parametrize(
    ("after_ms", "tags"),
    [
        pytest.param(100, ["accepted", "claimed", "cancelled"], id="routing"),
        pytest.param(250, ["accepted", "claimed", "routed", "cancelled"], id="signing"),
    ],
)
def test_a_cancellation_before_submission_wins(after_ms: int, tags: list[str]) -> None:
    """It ends the order at once, and a signature made meanwhile is never sent."""
    desk = Desk(
        ScriptedVenue("raydium", latency_ns=CANCEL_VENUE_NS),
        cluster=Cluster(sign_ns=CANCEL_SIGN_NS),
    )
    answer, end = _cancelled_at(desk, after_ms * MS)
    assert (answer.status, end) == (Status.CANCELLED, answer)
    assert desk.tags() == tags
    assert desk.log()[-1].at_ns == START_NS + after_ms * MS
    assert desk.cluster.sent == []
    desk.require_sound()


def test_a_cancellation_while_waiting_for_a_retry_wins() -> None:
    """The wait is not worth waiting for: the end is written at once."""
    desk = Desk(ScriptedVenue("broken", Unavailable("down")))
    answer, end = _cancelled_at(desk, 50 * MS)
    assert (answer.status, end.status) == (Status.CANCELLED, Status.CANCELLED)
    assert at_ms(desk)[-1] == ("cancelled", 50)


@pytest.mark.parametrize(
    ("script", "policy", "tail"),
    [
        pytest.param(Script(Fate.LANDS, SECOND), ROUTE_BEST, ["confirmed"], id="landed"),
        pytest.param(Script(Fate.LAPSES), ROUTE_BEST, ["attempt_failed", "cancelled"], id="lapsed"),
        pytest.param(
            Script(Fate.LAPSES), ONE_TRY, ["attempt_failed", "cancelled"], id="lapsed-last-attempt"
        ),
        pytest.param(
            Script(Fate.REVERTS, SECOND),
            ROUTE_BEST,
            ["attempt_failed", "cancelled"],
            id="reverted",
        ),
    ],
)
def test_a_cancellation_after_submission_is_noted(
    script: Script, policy: ExecutionPolicy, tail: list[str]
) -> None:
    """The answer promises nothing; the order is cancelled only if the transaction did not land."""
    desk = Desk(cluster=Cluster(script), policy=policy)
    answer, end = _cancelled_at(desk, 500 * MS)
    assert (answer.status, answer.cancel_requested) == (Status.SUBMITTED, True)
    assert desk.tags() == ["accepted", "claimed", "routed", "submitted", "cancel_requested", *tail]
    assert end.status == tail[-1]
    assert len(desk.cluster.signed) == 1
    desk.require_sound()


@pytest.mark.parametrize("after_ms", [100, 500], ids=["before", "after-submission"])
def test_a_repeated_cancellation_gives_the_same_answer(after_ms: int) -> None:
    """Any number of calls at once and in a row write one event."""
    desk = Desk(
        ScriptedVenue("raydium", latency_ns=CANCEL_VENUE_NS),
        cluster=Cluster(Script(Fate.LAPSES)),
    )
    answers: list[OrderState] = []

    async def cancel() -> None:
        answers.append(await desk.engine.cancel(ORDER.order_id))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.execute)
            await anyio.sleep(after_ms / 1e3)
            async with anyio.create_task_group() as users:
                for _ in range(5):
                    users.start_soon(cancel)
            await cancel()

    virtualtime.run(main)
    assert len(answers) == 6
    assert all(answer == answers[0] for answer in answers)
    assert desk.tags().count("cancelled") == 1
    assert desk.tags().count("cancel_requested") == (1 if after_ms == 500 else 0)


@pytest.mark.parametrize("fate", Fate)
def test_a_cancellation_after_the_end_changes_nothing(fate: Fate) -> None:
    """The answer is the end."""
    desk = Desk(cluster=Cluster(Script(fate)), policy=ONE_TRY)

    async def main() -> None:
        end = await desk.execute()
        log = list(desk.log())
        assert await desk.engine.cancel(ORDER.order_id) == end
        assert desk.log() == log

    virtualtime.run(main)


class RefusingCluster(Cluster):
    """Take the bytes and say no."""

    async def send(self, signed: Signed, until_ns: int) -> None:
        """Take them all the same."""
        await super().send(signed, until_ns)
        raise Rejected("preflight failed")


@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param(lambda: Cluster(Script(send_errors=1)), id="unavailable-but-arrived"),
        pytest.param(
            lambda: Cluster(Script(send_errors=2, is_heard_after=3)), id="unavailable-and-lost"
        ),
        pytest.param(RefusingCluster, id="rejected-but-arrived"),
    ],
)
def test_a_send_that_raises_says_nothing(cluster: Any) -> None:
    """A send that timed out was once retried with a new transaction, and both landed."""
    desk = Desk(cluster=cluster())
    assert execute(desk).status is Status.CONFIRMED
    assert desk.tags() == ["accepted", "claimed", "routed", "submitted", "confirmed"]
    assert len(desk.cluster.signed) == 1
    desk.require_sound()


def test_unknown_means_the_same_bytes_again() -> None:
    """Every two seconds until the fate is proven, and nothing is signed meanwhile."""
    desk = Desk(cluster=Cluster(Script(is_heard_after=4, after_ns=100 * MS)))
    execute(desk)
    (signed,) = desk.cluster.signed
    assert desk.cluster.sent == [(number * 2 * SECOND, signed) for number in range(4)]
    assert at_ms(desk)[-1] == ("confirmed", 6_100)


def test_a_node_that_does_not_answer_is_asked_again() -> None:
    """Errors of the question for the outcome are no outcome."""
    desk = Desk(cluster=Cluster(Script(outcome_errors=3)))
    execute(desk)
    (signed,) = desk.cluster.signed
    assert desk.cluster.sent == [(number * 2 * SECOND, signed) for number in range(4)]
    assert desk.tags()[-2:] == ["submitted", "confirmed"]


def test_what_lapsed_is_signed_anew_after_it_is_proven() -> None:
    """A second signature exists only once the first can land no more."""
    desk = Desk(cluster=Cluster(Script(Fate.LAPSES), Script(Fate.LANDS)))
    execute(desk)
    assert [event.signature for event in desk.log() if isinstance(event, Submitted)] == [
        "sig-0",
        "sig-1",
    ]
    failed = last_of(desk, AttemptFailed)
    assert (failed.code, failed.network_fee) == ("BLOCKHASH_EXPIRED", 0)
    assert failed.at_ns - START_NS == VALID_NS
    assert desk.cluster.sendings("sig-0")[-1] < VALID_NS <= desk.cluster.sendings("sig-1")[0]
    desk.require_sound()


def test_a_reverted_transaction_is_paid() -> None:
    """Its fee counts, with the fill's."""
    desk = Desk(cluster=Cluster(Script(Fate.REVERTS), Script(Fate.LANDS)))
    end = execute(desk)
    failed = last_of(desk, AttemptFailed)
    assert (failed.code, failed.reason) == ("SLIPPAGE", "paid too little")
    assert (failed.network_fee, end.network_fees) == (5_000, 10_000)


def test_the_last_reverted_transaction_is_paid_too() -> None:
    """The end carries its own fee."""
    end = execute(Desk(cluster=Cluster(Script(Fate.REVERTS)), policy=ONE_TRY))
    assert isinstance(end.outcome, Failed)
    assert (end.outcome.code, end.outcome.network_fee, end.network_fees) == (
        "SLIPPAGE",
        5_000,
        5_000,
    )


def test_unknown_is_never_failed_while_it_can_land() -> None:
    """With no attempt left and a node that is deaf to the last, failed comes after the proof."""
    script = Script(Fate.LAPSES, outcome_errors=5)
    desk = Desk(cluster=Cluster(script), policy=ONE_TRY)
    execute(desk)
    assert at_ms(desk)[-1] == ("failed", VALID_NS / MS)


def test_an_old_fence_sends_nothing_new() -> None:
    """Stopped while signing and taken over, a worker cannot store what it signed, so never sends.

    A queue job that was stopped past its time-out once ran four times.
    """
    patient = replace(ROUTE_BEST, route_age_ns_max=60 * SECOND)
    desk = Desk(cluster=Cluster(sign_ns=10 * SECOND), policy=patient)
    errors: list[LeaseLost] = []

    async def first() -> None:
        with pytest.raises(LeaseLost) as lost:
            await desk.execute(worker="first")
        errors.append(lost.value)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await anyio.sleep(4)
            await desk.execute(worker="second")

    virtualtime.run(main)
    assert [(error.fence, error.newest_fence) for error in errors] == [(1, 2)]
    assert [signed.signature for signed in desk.cluster.signed] == ["sig-0", "sig-1"]
    assert {signed.signature for _, signed in desk.cluster.sent} == {"sig-1"}
    assert [e.signature for e in desk.log() if isinstance(e, Submitted)] == ["sig-1"]
    desk.require_sound()


STALE_CASES: dict[str, tuple[Status, Callable[[], Desk], int]] = {
    "claimed": (Status.PENDING, Desk, 0),
    "expired": (Status.PENDING, Desk, 20 * SECOND),
    "routed": (Status.ROUTING, Desk, 0),
    "attempt_failed without a quote": (
        Status.ROUTING,
        lambda: Desk(ScriptedVenue("broken", Unavailable("down"))),
        0,
    ),
    "failed without a quote": (
        Status.ROUTING,
        lambda: Desk(ScriptedVenue("broken", Unavailable("down")), policy=ONE_TRY),
        0,
    ),
    "submitted": (Status.BUILDING, Desk, 0),
    "requoting": (Status.BUILDING, Desk, 20 * SECOND),
    "confirmed": (Status.SUBMITTED, Desk, 0),
    "attempt_failed": (Status.SUBMITTED, lambda: Desk(cluster=Cluster(Script(Fate.REVERTS))), 0),
    "failed": (
        Status.SUBMITTED,
        lambda: Desk(cluster=Cluster(Script(Fate.REVERTS)), policy=ONE_TRY),
        0,
    ),
}


@pytest.mark.parametrize(("status", "build", "wait_ns"), STALE_CASES.values(), ids=STALE_CASES)
def test_an_old_fence_can_write_nothing(
    status: Status, build: Callable[[], Desk], wait_ns: int
) -> None:
    """Whatever the order's next event is, the worker that was overtaken cannot write it."""
    desk = build()
    order = due_at(10 * SECOND) if status is Status.PENDING else ORDER

    async def main() -> None:
        state = await desk.journal.open(order, PRICE_X64)
        old = await desk.store.claim(order.order_id, "first")
        assert old is not None
        state = await _carry_to(desk, state, status, old.fence)
        await desk.store.release(order.order_id, old.fence)
        assert await desk.store.claim(order.order_id, "second") is not None
        await anyio.sleep(wait_ns / 1e9)
        log = list(desk.log())
        with pytest.raises(LeaseLost):
            await desk.executor.execute(order.order_id, "first", old.fence)
        assert desk.log() == log

    virtualtime.run(main)


async def _carry_to(desk: Desk, state: OrderState, status: Status, fence: int) -> OrderState:
    """Write an order's events up to a status."""
    record, route = desk.journal.record, route_of(state.order, quote("raydium"))
    if status is not Status.PENDING:
        state = await record(state, next_event(state, Claimed, worker="first"), fence=fence)
    if status in (Status.BUILDING, Status.SUBMITTED):
        routed = next_event(
            state,
            Routed,
            attempt=1,
            route=route,
            quotes=(),
            declined=(),
            reference_price_x64=PRICE_X64,
        )
        state = await record(state, routed, fence=fence)
    if status is Status.SUBMITTED:
        plan = SwapPlan(
            order=state.order, route=route, attempt=1, amount_in_max=1, amount_out_min=1
        )
        signed = await desk.cluster.sign(plan, FOREVER)
        submitted = next_event(
            state,
            Submitted,
            attempt=1,
            signature=signed.signature,
            last_valid_height=signed.last_valid_height,
            amount_in_max=1,
            amount_out_min=1,
            network_fee=signed.network_fee,
        )
        state = await record(state, submitted, fence=fence, signed=signed)
    return state


def test_a_worker_that_comes_back_to_an_order_that_ended_is_told() -> None:
    """Stopped while sending, it finds the order confirmed by the one who took it over."""
    slow = Cluster(send_ns=30 * SECOND)
    desk = Desk(cluster=slow, policy=replace(ROUTE_BEST, resend_ns=60 * SECOND))
    ends: list[OrderState] = []

    async def main() -> None:
        async with anyio.create_task_group() as group:

            async def first() -> None:
                ends.append(await desk.execute(worker="first"))

            group.start_soon(first)
            await anyio.sleep(4)
            slow._send_ns = 0  # for the second one
            ends.append(await desk.execute(worker="second"))

    virtualtime.run(main)
    assert [end.status for end in ends] == [Status.CONFIRMED, Status.CONFIRMED]
    assert ends[0] == ends[1]
    desk.require_sound()


def test_a_send_that_hangs_does_not_hide_the_outcome() -> None:
    """The bytes may have arrived: after one resend interval the chain is asked about them."""
    desk = Desk(cluster=Cluster(send_ns=10_000 * SECOND))
    end = virtualtime.run(desk.execute)
    assert end.is_terminal
    assert desk.log()[-1].at_ns < START_NS + 400 * SECOND
    desk.require_sound()


def test_executing_an_order_that_ended_does_nothing() -> None:
    """A late duplicate returns the end."""
    desk = Desk()

    async def main() -> None:
        end = await desk.execute()
        log = list(desk.log())
        assert await desk.executor.execute(ORDER.order_id, "late", 1) == end
        assert desk.log() == log

    virtualtime.run(main)


@pytest.mark.parametrize(
    ("script", "cancels", "tags"),
    [
        (Script(after_ns=5 * MS), False, ["submitted", "confirmed"]),
        (Script(is_heard_after=2, send_errors=1, after_ns=0), False, ["submitted", "confirmed"]),
        (Script(), True, ["cancelled"]),
    ],
    ids=["lands", "lost-and-resent", "cancelled-while-signing"],
)
def test_a_life_is_the_same_on_asyncio(
    run: Run, script: Script, tags: list[str], *, cancels: bool
) -> None:
    """In real time, as the service runs it, beside a venue that never answers."""
    desk = Desk(
        ScriptedVenue("late", latency_ns=60 * SECOND),
        ScriptedVenue("raydium", latency_ns=MS),
        cluster=Cluster(script, sign_ns=200 * MS if cancels else MS),
        policy=replace(ROUTE_BEST, quote_deadline_ns=20 * MS, resend_ns=10 * MS),
    )

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.execute)
            await soon()
            async for event in desk.engine.subscribe(ORDER.order_id):
                if cancels and isinstance(event, Routed):
                    await desk.engine.cancel(ORDER.order_id)

    run(main)
    assert desk.tags() == ["accepted", "claimed", "routed", *tags]
    assert [said.code for said in last_of(desk, Routed).declined] == ["QUOTE_TIMEOUT"]
    desk.require_sound()


scripts = st.lists(
    st.builds(
        Script,
        fate=st.sampled_from(Fate),
        after_ns=st.integers(0, 20) | st.integers(0, 90 * SECOND),
        is_heard_after=st.integers(1, 4),
        send_errors=st.integers(0, 3),
        outcome_errors=st.integers(0, 3),
    ),
    min_size=1,
    max_size=4,
)
"""What becomes of the first, second … signature; the last one's fate is that of all further."""


@given(
    scripts=scripts,
    cancel_after_ns=st.none() | st.integers(0, 200 * SECOND),
    deadline_ns=st.none() | st.integers(0, 200 * SECOND),
    venue_ns=st.integers(0, 3 * SECOND),
    sign_ns=st.integers(0, 3 * SECOND),
)
def test_whatever_the_cluster_does_an_order_ends_once(
    scripts: list[Script],
    cancel_after_ns: int | None,
    deadline_ns: int | None,
    venue_ns: int,
    sign_ns: int,
) -> None:
    """Never two live signatures, settled if and only if landed, cancelled means never landed."""
    desk = Desk(
        ScriptedVenue("raydium", latency_ns=venue_ns),
        cluster=Cluster(*scripts, sign_ns=sign_ns),
    )
    order = ORDER if deadline_ns is None else due_at(deadline_ns)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.execute, order)
            if cancel_after_ns is not None:
                await anyio.sleep(cancel_after_ns / 1e9)
                answer = await desk.engine.cancel(order.order_id)
                assert answer.is_terminal or answer.cancel_requested

    virtualtime.run(main)
    desk.require_sound()
    tags = desk.tags()
    assert tags.count("attempt_failed") + tags.count("confirmed") + tags.count("failed") <= 3
    if "cancel_requested" in tags:
        after = tags[tags.index("cancel_requested") + 1 :]
        assert after in (["confirmed"], ["attempt_failed", "cancelled"])
    if deadline_ns is not None:
        begun = [e.at_ns for e in desk.log() if isinstance(e, Routed | Submitted)]
        assert all(at_ns - START_NS < deadline_ns for at_ns in begun)
        if tags[-1] == "expired" and "submitted" not in tags:
            assert desk.log()[-1].at_ns == START_NS + deadline_ns


class _Forgetful:
    """Implement the ``Settlement`` port, keeping nothing, to see what the executor hands over."""

    def __init__(self) -> None:
        self.asked: list[tuple[Signed, int]] = []

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed:
        return Signed(
            order_id=plan.order.order_id,
            attempt=plan.attempt,
            signature="s",
            payload=b"\x00\xff",
            last_valid_height=1,
            network_fee=2,
        )

    async def send(self, signed: Signed, until_ns: int) -> None:
        assert signed.payload == b"\x00\xff"

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        self.asked.append((signed, until_ns - VirtualClock().now_ns()))
        await anyio.sleep((until_ns - VirtualClock().now_ns()) / 1e9)
        raise Unavailable("asleep") if len(self.asked) < 3 else LookupError


def test_questions_have_a_deadline() -> None:
    """Each question for the outcome lasts until the next sending, and carries the stored bytes."""
    forgetful = _Forgetful()
    desk = Desk(settlement=forgetful, policy=ExecutionPolicy(router=best, resend_ns=300 * MS))
    with pytest.raises(LookupError):
        execute(desk)
    assert [left_ns for _, left_ns in forgetful.asked] == [300 * MS] * 3
    assert {signed.payload for signed, _ in forgetful.asked} == {b"\x00\xff"}
    assert Prices().reference_price_x64("SOL", "USDC") == PRICE_X64


class NotedStore(WatchedStore):
    """Note down what each write rests on."""

    rested: list[tuple[str, object]]

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Append, and note it."""
        self.rested.append((tag_of(type(event)), after))
        await super().append(event, fence=fence, signed=signed)

    async def note(
        self, event: Event, *, fence: int, stored: Callable[[], None], after: object = None
    ) -> object:
        """Append, and hand out what the next event is to rest on."""
        await super().note(event, fence=fence, stored=stored, after=after)
        return f"note {event.seq}"


def test_what_follows_a_note_rests_on_it() -> None:
    """So that it is refused with it; what was waited for needs no such thing."""
    desk = Desk(cluster=Cluster(Script(Fate.LAPSES), Script()))
    store = NotedStore(desk.clock, LEASE_NS, desk.cluster)
    store.rested = []
    desk.store = desk.journal._store = desk.executor._store = store
    execute(desk)
    assert store.rested == [
        ("claimed", None),
        ("routed", "note 2"),
        ("submitted", "note 3"),
        ("attempt_failed", None),
        ("routed", None),
        ("submitted", "note 6"),
        ("confirmed", None),
    ]
