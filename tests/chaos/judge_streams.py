"""Hold every message of every socket against the log."""

from __future__ import annotations

from collections import defaultdict

from tests.chaos.evidence import Evidence
from tests.chaos.findings import Findings
from tests.chaos.record import Stream
from tests.chaos.sockets import digest_of

__all__ = ["frozen", "ranges"]

_API_RSS_MB_MAX = 250.0
"""What an API may take beside sockets that are not read; a fresh one takes about 65."""


def ranges(evidence: Evidence, findings: Findings) -> None:
    """I17: in order, each once, none left out, from the number asked for; the bytes of the log."""
    logged = {
        order_id: {seq: digest_of(body.encode()) for seq, body in log}
        for order_id, log in evidence.logs.items()
    }
    for stream in evidence.record.streams:
        said: defaultdict[str, list[int]] = defaultdict(list)
        for message in stream.said:
            said[message.order_id].append(message.seq)
            findings.require(
                logged.get(message.order_id, {}).get(message.seq) == message.digest,
                f"order {message.order_id}: a socket said {message.seq} otherwise than the log",
            )
        for order_id, seqs in said.items():
            first = stream.from_seq if stream.order_id else seqs[0]
            findings.require(
                seqs == [*range(first, first + len(seqs))],
                f"order {order_id}: a socket of {stream.api} from {first} said {seqs}",
            )
        if stream.order_id and stream.code == 1000:
            last = stream.from_seq + len(stream.said) - 1
            ends = len(evidence.logs.get(stream.order_id, ()))
            findings.require(
                last == ends,
                f"order {stream.order_id}: a socket was closed as ended after {last} of {ends}",
            )
    for order_id in evidence.record.accepted_s:
        row = evidence.orders.get(order_id)
        if row is not None and not row.is_open:  # else another check's
            findings.require(
                order_id in evidence.record.ended_s,
                f"order {order_id} ended, and its clients never heard of it",
            )


def frozen(evidence: Evidence, findings: Findings) -> None:
    """I18: the others hear all (I17), and no process grows beyond its bound."""
    if not any(stream.was_frozen for stream in evidence.record.streams):
        return
    for found in evidence.record.vitals:
        if found.process.startswith("api"):
            findings.require(
                found.rss_mb_max <= _API_RSS_MB_MAX,
                f"{found.process} ({found.pid}) took {found.rss_mb_max:.0f} MB",
            )


def last_seq(stream: Stream) -> int:
    """Return the last number that a socket of one order has said, or had been told before."""
    return stream.said[-1].seq if stream.said else stream.from_seq - 1
