"""Check that the judge can fail: each invariant, fed one forged piece of evidence, is reported."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from orderengine.model.events import (
    Accepted,
    AttemptFailed,
    Cancelled,
    CancelRequested,
    Claimed,
    Confirmed,
    Event,
    Expired,
    Failed,
    Routed,
    Submitted,
)
from orderengine.model.order import Leg, Order, Route
from orderengine.model.wire import encode
from tests.chaos.evidence import Evidence, OrderRow
from tests.chaos.findings import Findings
from tests.chaos.judge import CHECKS, judge
from tests.chaos.record import FaultSeen, Heard, Record, StaleWrite, Stream, Tried, Vitals
from tests.chaos.sockets import digest_of

ALICE, BOB = "alice", "bob"
LANDS, LAPSES, GOES, RUNS_OUT = "lands", "lapses-then-lands", "is-cancelled", "expires"
BLOCKS = 150


class Logbook:
    """Write the log of one order."""

    def __init__(self, order_id: str, user: str, deadline_ns: int | None = None) -> None:
        self.order = Order(
            order_id=order_id, sell="SOL", buy="USDC", amount=10, user=user, deadline_ns=deadline_ns
        )
        self.events: list[Event] = []
        self.add(Accepted, order=self.order, reference_price_x64=1)

    def add(self, kind: type[Event], **fields: Any) -> Logbook:
        """Append an event."""
        seq = len(self.events) + 1
        self.events.append(kind(order_id=self.order.order_id, seq=seq, at_ns=seq, **fields))
        return self

    def sent(self, attempt: int, signature: str, height: int) -> Logbook:
        """Route, sign and send."""
        leg = Leg(pool="p", venue="v", sell="SOL", buy="USDC", amount_in=10, amount_out=20)
        route = Route(legs=(leg,), amount_in=10, amount_out=20)
        routed = {"attempt": attempt, "route": route, "quotes": (), "declined": ()}
        self.add(Routed, **routed, reference_price_x64=1)
        limits = {"amount_in_max": 10, "amount_out_min": 19, "network_fee": 5}
        return self.add(
            Submitted, attempt=attempt, signature=signature, last_valid_height=height, **limits
        )

    def confirmed(self, attempt: int, signature: str) -> Logbook:
        """Land."""
        fees = {"fee_in": 0, "fee_out": 0, "network_fee": 5, "reference_price_x64": 1}
        amounts = {"amount_in": 10, "amount_out": 20, "slot": 3, "landed_at_ns": 4}
        return self.add(Confirmed, attempt=attempt, signature=signature, **amounts, **fees)


def landed(out: int = 20) -> bytes:
    """Return the chain's word on a transaction that landed."""
    fate = {"type": "Landed", "slot": 3, "amount_in": "10", "amount_out": str(out)}
    return msgspec.json.encode(fate)


LAPSED = msgspec.json.encode({"type": "Lapsed", "code": "BLOCKHASH_EXPIRED", "reason": "-"})


def sound() -> Evidence:
    """Return the evidence of four orders' lives in which nothing is wrong."""
    books = [
        Logbook(LANDS, ALICE).add(Claimed, worker="w").sent(1, "s1", 200).confirmed(1, "s1"),
        Logbook(LAPSES, ALICE)
        .add(Claimed, worker="w")
        .sent(1, "s2", 200)
        .add(CancelRequested)
        .add(AttemptFailed, attempt=1, code="BLOCKHASH_EXPIRED", reason="-", retry_at_ns=0)
        .add(Cancelled, reference_price_x64=1),
        Logbook(GOES, BOB)
        .add(Claimed, worker="w")
        .sent(1, "s3", 200)
        .add(AttemptFailed, attempt=1, code="BLOCKHASH_EXPIRED", reason="-", retry_at_ns=0)
        .sent(2, "s4", 201 + BLOCKS)
        .confirmed(2, "s4"),
        Logbook(RUNS_OUT, BOB, deadline_ns=2).add(Expired, reference_price_x64=1),
    ]
    evidence = Evidence(record=Record(calm_s=10.0, over_s=20.0))
    for number, book in enumerate(books):
        put(evidence, book, f"key-{number}")
    evidence.chain |= {
        "s1": (LANDS, landed()),
        "s2": (LAPSES, LAPSED),
        "s3": (GOES, LAPSED),
        "s4": (GOES, landed()),
    }
    wish = Tried(
        verb="DELETE", user=ALICE, at_s=2.0, took_s=0.1, asked=LAPSES, http=200, status="submitted"
    )
    wish = replace(wish, order_id=LAPSES, seq=5, cancel_requested=True)
    again = replace(wish, at_s=12.0, status="cancelled", seq=7)
    spied = Tried(verb="SPY", user=BOB, at_s=1.0, took_s=0.1, asked=LANDS, http=404, text="no")
    full = Tried(
        verb="POST",
        user=BOB,
        at_s=3.0,
        took_s=0.1,
        key="full",
        body="{}",
        http=429,
        code="TOO_MANY_OPEN_ORDERS",
        has_retry_after=True,
    )
    other = Tried(
        verb="POST",
        user=BOB,
        at_s=3.0,
        took_s=0.1,
        key="key-2",
        body="[]",
        http=422,
        code="IDEMPOTENCY_KEY_REUSED",
    )
    evidence.record.tried += [wish, again, spied, replace(spied, asked="nobody"), full, other]
    evidence.record.vitals.append(Vitals("api-1", 1, 60.0, 70.0, 71.0, 72.0, 40, 30))
    evidence.record.faults += [
        FaultSeen(number=1, kind="stale_holder", target="holder", began_s=1, healed_s=2),
        FaultSeen(number=2, kind="sigterm_api", target="api-1", began_s=1, healed_s=2),
        FaultSeen(number=3, kind="redis_flushall", target="redis", began_s=1.5, healed_s=2),
        FaultSeen(number=4, kind="duplicate_delivery", target="redis", began_s=5, healed_s=6),
    ]
    evidence.record.faults[0].stale = [StaleWrite(LANDS, 1, 2, "LEASE_LOST")]
    evidence.record.faults[1].exit_code = 0
    evidence.record.faults[1].ready = [200, 503, 0]
    evidence.record.faults[3].woken = {LANDS: 1}
    evidence.metrics = {"api-1": {"accepted": 4.0, "open": 0.0, "ended": 4.0}}
    return evidence


def put(evidence: Evidence, book: Logbook, key: str) -> None:
    """Store an order with its log, its key, its sockets and its place in the lists."""
    order_id, user, last = book.order.order_id, book.order.user, book.events[-1]
    evidence.orders[order_id] = OrderRow(
        user=user, status=last.status.value, seq=last.seq, is_open=False, fence=1, takeovers=0
    )
    bodies = [encode(event) for event in book.events]
    evidence.logs[order_id] = [(n, body.decode()) for n, body in enumerate(bodies, 1)]
    evidence.keys[user, key] = order_id
    evidence.listed.setdefault(("api-1", user), []).append(order_id)
    record = evidence.record
    record.accepted_s[order_id], record.ended_s[order_id] = 1.0, 5.0
    said = [Heard(order_id, n, digest_of(body)) for n, body in enumerate(bodies, 1)]
    first = Stream(user=user, api="api-1", order_id=order_id, said=said[:1], code=1012)
    first.reason = "last_seq=1"
    rest = Stream(user=user, api="api-2", order_id=order_id, from_seq=2, said=said[1:], code=1000)
    every = Stream(user=user, api="api-2", said=list(said), code=1006, was_frozen=True)
    record.streams += [first, rest, every]
    record.tried.append(
        Tried(
            verb="POST",
            user=user,
            at_s=1.0,
            took_s=0.1,
            key=key,
            body="{}",
            http=202,
            order_id=order_id,
            status="pending",
            seq=1,
        )
    )


def tried_with(evidence: Evidence, verb: str, **changes: object) -> None:
    """Change the first request of a kind."""
    all_tried = evidence.record.tried
    at = next(n for n, tried in enumerate(all_tried) if tried.verb == verb)
    all_tried[at] = replace(all_tried[at], **changes)


def row_with(evidence: Evidence, order_id: str, **changes: object) -> None:
    """Change an order's row."""
    evidence.orders[order_id] = replace(evidence.orders[order_id], **changes)


def _log_with(evidence: Evidence, book: Logbook) -> None:
    evidence.logs[book.order.order_id] = [(e.seq, encode(e).decode()) for e in book.events]


def _expires_early(evidence: Evidence) -> None:
    book = Logbook(RUNS_OUT, BOB, deadline_ns=1_000).add(Expired, reference_price_x64=1)
    _log_with(evidence, book)


def _ends_twice(evidence: Evidence) -> None:
    failed = Failed(order_id=LANDS, seq=6, at_ns=9, code="-", reason="-", reference_price_x64=1)
    evidence.logs[LANDS].append((6, encode(failed).decode()))


def _signs_early(evidence: Evidence) -> None:
    book = Logbook(GOES, BOB).add(Claimed, worker="w").sent(1, "s3", 200)
    book.add(AttemptFailed, attempt=1, code="BLOCKHASH_EXPIRED", reason="-", retry_at_ns=0)
    _log_with(evidence, book.sent(2, "s4", 200 + BLOCKS).confirmed(2, "s4"))


def _stream(evidence: Evidence, order_id: str, from_seq: int = 1) -> Stream:
    streams = evidence.record.streams
    return next(s for s in streams if (s.order_id, s.from_seq) == (order_id, from_seq))


Forgery = tuple[str, Callable[[Evidence], object]]

FORGERIES: dict[str, Forgery] = {
    "an accepted order is gone": ("I1", lambda e: e.orders.pop(LANDS)),
    "an accepted order is unknown to a socket": (
        "I1",
        lambda e: setattr(_stream(e, LANDS), "http", 404),
    ),
    "an order never ends": ("I2", lambda e: row_with(e, LANDS, is_open=True)),
    "an order ends late": ("I2", lambda e: e.record.ended_s.update({LANDS: 40.5})),
    "an order ends twice": ("I3", _ends_twice),
    "an order lands twice": ("I5", lambda e: e.chain.update(s3=(GOES, landed()))),
    "it is signed again while the first may land": ("I6", _signs_early),
    "it is signed again though the first has no fate": ("I6", lambda e: e.chain.pop("s3")),
    "confirmed, and the chain says lapsed": ("I7", lambda e: e.chain.update(s1=(LANDS, LAPSED))),
    "confirmed, and the chain has another amount": (
        "I7",
        lambda e: e.chain.update(s1=(LANDS, landed(21))),
    ),
    "cancelled, and it landed": ("I7", lambda e: e.chain.update(s2=(LAPSES, landed()))),
    "the chain knows what nobody announced": ("I7", lambda e: e.chain.update(s9=(LANDS, LAPSED))),
    "cancelling is promised and not done": (
        "I13",
        lambda e: tried_with(e, "DELETE", status="cancelled"),
    ),
    "a wish to cancel is noted nowhere": (
        "I13",
        lambda e: tried_with(e, "DELETE", asked=LANDS),
    ),
    "a key makes two orders": (
        "I14",
        lambda e: e.record.tried.append(replace(e.record.tried[0], order_id=LAPSES)),
    ),
    "a key makes another user's order": ("I14", lambda e: tried_with(e, "POST", order_id=GOES)),
    "another body is taken under a key": (
        "I14",
        lambda e: e.record.tried.append(replace(e.record.tried[0], body="[]")),
    ),
    "a log has a gap": ("I16", lambda e: e.logs[LANDS].pop(1)),
    "a row says otherwise than its log": ("I16", lambda e: row_with(e, LANDS, status="failed")),
    "a socket leaves one out": ("I17", lambda e: _stream(e, LANDS, 2).said.pop(1)),
    "a socket says one twice": (
        "I17",
        lambda e: _stream(e, LANDS, 2).said.insert(0, _stream(e, LANDS, 2).said[0]),
    ),
    "a socket says what the log does not": (
        "I17",
        lambda e: _stream(e, LANDS).said.__setitem__(0, Heard(LANDS, 1, b"forged")),
    ),
    "an end is never heard of": ("I17", lambda e: e.record.ended_s.pop(LANDS)),
    "a socket is closed before the end": ("I17", lambda e: _stream(e, LANDS, 2).said.pop()),
    "a process grows beside who does not read": (
        "I18",
        lambda e: e.record.vitals.append(Vitals("api-1", 1, 1.0, 70.0, 900.0, 900.0, 9, 9)),
    ),
    "an order is shown to another": ("I19", lambda e: tried_with(e, "SPY", http=200)),
    "another's order is answered otherwise": ("I19", lambda e: tried_with(e, "SPY", text="his")),
    "a socket of another's order is opened": (
        "I19",
        lambda e: e.record.streams.append(
            Stream(user=BOB, api="api-1", order_id=LANDS, is_spying=True)
        ),
    ),
    "another's order is on a socket": ("I19", lambda e: setattr(_stream(e, LANDS), "user", BOB)),
    "another's order is listed": ("I19", lambda e: e.listed["api-1", BOB].append(LANDS)),
    "an old lease writes": (
        "I20",
        lambda e: e.record.faults[0].stale.append(StaleWrite(GOES, 1, 2, "")),
    ),
    "an order that had ended is taken again": ("I21", lambda e: row_with(e, LANDS, fence=2)),
    "an order is lost with the queue": ("I22", lambda e: row_with(e, LANDS, is_open=True)),
    "an order expires before its deadline": ("I24", _expires_early),
    "what was refused is executed": ("I25", lambda e: e.keys.update({(BOB, "full"): GOES})),
    "a refusal says not when": (
        "I25",
        lambda e: e.record.tried.append(replace(e.record.tried[-2], has_retry_after=False)),
    ),
    "told to end, it fails": ("I27", lambda e: setattr(e.record.faults[1], "exit_code", 1)),
    "told to end, it is ready again": (
        "I27",
        lambda e: setattr(e.record.faults[1], "ready", [503, 200]),
    ),
    "a socket is told a wrong number": (
        "I27",
        lambda e: setattr(_stream(e, LANDS), "reason", "last_seq=2"),
    ),
    "a list leaves one out": ("I28", lambda e: e.listed["api-1", ALICE].pop()),
    "a list has one twice": ("I28", lambda e: e.listed["api-1", ALICE].append(LANDS)),
    "metrics count otherwise": ("I29", lambda e: e.metrics["api-1"].update(accepted=5.0)),
    "what is right is answered with an error": (
        "answers",
        lambda e: e.record.tried.append(replace(e.record.tried[0], http=500, code="INTERNAL")),
    ),
    "a key that holds is not known": ("answers", lambda e: tried_with(e, "DELETE", http=401)),
    "a socket of all orders is refused": (
        "answers",
        lambda e: e.record.streams.append(Stream(user=BOB, api="api-1", http=401)),
    ),
    "a socket is closed by an error": (
        "answers",
        lambda e: setattr(_stream(e, LANDS), "code", 1008),
    ),
    "a process leaves files open": (
        "growth",
        lambda e: e.record.vitals.append(Vitals("work-1", 1, 1.0, 70.0, 70.0, 70.0, 5_000, 9)),
    ),
    "a process grows": (
        "growth",
        lambda e: e.record.vitals.append(Vitals("work-1", 1, 1.0, 70.0, 170.0, 170.0, 9, 9)),
    ),
    "a process ends by itself": ("processes", lambda e: e.record.mishaps.append("work-1 ended")),
}


def test_what_is_sound_is_found_sound() -> None:
    """Nothing is reported, and every check has looked at something."""
    verdicts = judge(sound())
    assert [said for verdict in verdicts for said in verdict.violations] == []
    assert [verdict.invariant for verdict in verdicts if not verdict.checked] == []


@pytest.mark.parametrize(("invariant", "forge"), FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_found(invariant: str, forge: Callable[[Evidence], object]) -> None:
    """By the check of its own invariant, in one line that names it."""
    evidence = deepcopy(sound())
    forge(evidence)
    findings = Findings()
    CHECKS[invariant].run(evidence, findings)
    assert findings.violations
    assert all("\n" not in said for said in findings.violations)


def test_an_order_that_nobody_finds_again_is_judged() -> None:
    """Neither in SQL nor by its clients: no check falls over it."""
    evidence = sound()
    evidence.orders.pop(LANDS)
    evidence.record.ended_s.pop(LANDS)
    said = [said for verdict in judge(evidence) for said in verdict.violations]
    assert f"I1: order {LANDS} was accepted for {ALICE} and is gone" in said


def test_other_checks_do_not_stand_for_stale_writes() -> None:
    """Where no old lease was tried, nothing was checked of them."""
    evidence = sound()
    evidence.record.faults[0].stale = []
    assert [v.invariant for v in judge(evidence) if not v.checked] == ["I20"]


def test_every_check_is_seen_to_fail() -> None:
    """None is without a forgery."""
    assert {invariant for invariant, _ in FORGERIES.values()} == set(CHECKS)
