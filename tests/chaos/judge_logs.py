"""Check the logs of orders alone: no gaps, one end, in time."""

from __future__ import annotations

from orderengine.errors import OrderEngineError
from orderengine.model.events import Submitted
from orderengine.model.lifecycle import fold
from orderengine.model.wire import decode_event
from tests.chaos.evidence import Evidence
from tests.chaos.findings import Findings

__all__ = ["ended", "ended_once", "folded", "punctual"]

_END_S_MAX = 30.0


def ended(evidence: Evidence, findings: Findings) -> None:
    """I2: within 30 s of the last fault; what was accepted later, of its acceptance."""
    record = evidence.record
    for order_id, row in evidence.orders.items():
        if row.is_open:
            findings.require(False, f"order {order_id} is {row.status} and never ended")
            continue
        ended_s = record.ended_s.get(order_id)
        if ended_s is None:  # nobody listened to it
            findings.require(True, "")
            continue
        late_s = ended_s - max(record.calm_s, record.accepted_s.get(order_id, 0.0))
        findings.require(
            late_s <= _END_S_MAX, f"order {order_id} ended {late_s:.1f} s after the last fault"
        )


def ended_once(evidence: Evidence, findings: Findings) -> None:
    """I3: one event that ends it, the last one."""
    for order_id, log in evidence.logs.items():
        ends = [seq for seq, body in log if decode_event(body).status.is_terminal]
        findings.require(
            ends in ([], [log[-1][0]]), f"order {order_id} ended at {ends} of {log[-1][0]} events"
        )


def folded(evidence: Evidence, findings: Findings) -> None:
    """I16: 1 to n, every step allowed, and the row says what the log says."""
    for order_id, row in evidence.orders.items():
        log = evidence.logs.get(order_id, [])
        seqs = [seq for seq, _ in log]
        findings.require(
            seqs == [*range(1, len(log) + 1)], f"order {order_id} has events numbered {seqs}"
        )
        try:
            state = fold([decode_event(body) for _, body in log])
        except OrderEngineError as error:
            findings.require(False, f"order {order_id} has a log that cannot be: {error}")
            continue
        findings.require(
            (state.status.value, state.seq, state.order.user) == (row.status, row.seq, row.user),
            f"order {order_id} is {row.status} at {row.seq}, but its log says"
            f" {state.status.value} at {state.seq}",
        )
        findings.require(
            row.takeovers <= row.fence, f"order {order_id} was taken over more than it was taken"
        )
    for order_id in evidence.logs:
        findings.require(order_id in evidence.orders, f"order {order_id} has a log and no row")


def punctual(evidence: Evidence, findings: Findings) -> None:
    """I24: nothing is signed after the deadline, and nothing expires before it."""
    for order_id, log in evidence.logs.items():
        events = [decode_event(body) for _, body in log]
        deadline_ns = events[0].order.deadline_ns  # type: ignore[attr-defined]
        if deadline_ns is None:
            continue
        for event in events:
            if isinstance(event, Submitted):
                findings.require(
                    event.at_ns < deadline_ns, f"order {order_id} was signed after its deadline"
                )
            elif event.status.value == "expired":
                findings.require(
                    event.at_ns >= deadline_ns, f"order {order_id} expired before its deadline"
                )
