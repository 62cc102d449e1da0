"""Check what became of each fault: stale writes, repeated wake-ups, wiped queues, gentle ends."""

from __future__ import annotations

from orderengine.errors import LeaseLost, SequenceConflict
from tests.chaos.evidence import Evidence
from tests.chaos.findings import Findings
from tests.chaos.holder import STALE_REASON
from tests.chaos.judge_streams import last_seq

__all__ = ["bounded", "counted", "drained", "stale", "uneventful", "wiped", "woken"]

_RSS_MB_MAX = 300.0
_GROWTH_MB_MAX = 60.0
_FILES_MAX = 1_000


def stale(evidence: Evidence, findings: Findings) -> None:
    """I20: who holds an old fence is refused, and its event is in no log."""
    for fault in evidence.record.faults:
        for write in fault.stale:
            # A user may have ended it meanwhile: then the number is what does not fit.
            findings.require(
                write.refused_with in (LeaseLost.code, SequenceConflict.code),
                f"order {write.order_id}: a write with fence {write.fence}, while the newest was"
                f" {write.newest_fence or 'that of an order that had ended'}, was answered with"
                f" {write.refused_with or 'success'}",
            )
            log = evidence.logs.get(write.order_id, [])
            findings.require(
                not any(STALE_REASON in body for _, body in log),
                f"order {write.order_id}: its log holds the write of fence {write.fence}",
            )


def woken(evidence: Evidence, findings: Findings) -> None:
    """I21: an order that had ended is not taken again, however often its id comes."""
    for fault in evidence.record.faults:
        for order_id, fence in fault.woken.items():
            row = evidence.orders.get(order_id)
            findings.require(
                row is not None and row.fence == fence,
                f"order {order_id} had ended and was taken again: fence {fence},"
                f" then {None if row is None else row.fence}",
            )


def wiped(evidence: Evidence, findings: Findings) -> None:
    """I22: what was open when the queue was lost has ended since."""
    record = evidence.record
    for fault in record.faults:
        if fault.kind not in ("redis_flushall", "redis_restart", "redis_outage"):
            continue
        for order_id, at_s in record.accepted_s.items():
            if at_s < fault.began_s < record.ended_s.get(order_id, record.over_s):
                row = evidence.orders.get(order_id)
                findings.require(
                    row is not None and not row.is_open,
                    f"order {order_id} was open at {fault.kind} {fault.number}, and still is",
                )


def drained(evidence: Evidence, findings: Findings) -> None:
    """I27: exit code 0, never ready again, and sockets are told how far they came."""
    for fault in evidence.record.faults:
        if fault.exit_code is None:
            continue
        named = f"{fault.target}, told to end ({fault.kind} {fault.number}),"
        findings.require(fault.exit_code == 0, f"{named} ended with {fault.exit_code}")
        not_ready = [status for status in fault.ready if status != 200]
        if fault.ready:
            since = fault.ready.index(not_ready[0]) if not_ready else len(fault.ready)
            findings.require(bool(not_ready), f"{named} was ready to the end")
            findings.require(
                200 not in fault.ready[since:], f"{named} was ready again: {fault.ready}"
            )
    for stream in evidence.record.streams:
        if stream.code == 1012 and stream.order_id:
            findings.require(
                stream.reason == f"last_seq={last_seq(stream)}",
                f"order {stream.order_id}: a socket was closed with {stream.reason!r} after"
                f" {last_seq(stream)}",
            )


def counted(evidence: Evidence, findings: Findings) -> None:
    """I29: on every API."""
    total = len(evidence.orders)
    still_open = sum(row.is_open for row in evidence.orders.values())
    for api, figures in evidence.metrics.items():
        expected = {"accepted": total, "open": still_open, "ended": total - still_open}
        findings.require(figures == expected, f"{api} counts {figures}, SQL has {expected}")


def bounded(evidence: Evidence, findings: Findings) -> None:
    """Memory and open files of our processes stay within bounds, and one that lives on is flat."""
    for found in evidence.record.vitals:
        named = f"{found.process} ({found.pid}), {found.lived_s:.0f} s old,"
        findings.require(found.rss_mb_max <= _RSS_MB_MAX, f"{named} took {found.rss_mb_max:.0f} MB")
        findings.require(found.files_max <= _FILES_MAX, f"{named} had {found.files_max} files open")
        findings.require(
            found.rss_mb_last <= found.rss_mb_first + _GROWTH_MB_MAX,
            f"{named} grew from {found.rss_mb_first:.0f} to {found.rss_mb_last:.0f} MB",
        )


def uneventful(evidence: Evidence, findings: Findings) -> None:
    """No process ended by itself, and no log holds a traceback."""
    findings.checked += len(evidence.record.vitals)
    for mishap in evidence.record.mishaps:
        findings.require(False, mishap)
