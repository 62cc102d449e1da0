"""Hold every answer that a client got against what the database says in the end."""

from __future__ import annotations

from collections import defaultdict

from orderengine.model.events import CancelRequested
from orderengine.model.wire import decode_event
from tests.chaos.evidence import Evidence
from tests.chaos.findings import Findings
from tests.chaos.record import Tried

__all__ = ["answered", "cancelled", "keyed", "listed", "private", "readable", "refused"]

_TERMINAL = frozenset({"confirmed", "failed", "cancelled", "expired"})
_REFUSALS = frozenset({"TOO_MANY_OPEN_ORDERS", "QUEUE_FULL", "RATE_LIMITED"})
"""Codes that promise that nothing was stored; a 503 of other kinds says that nobody knows."""
_REUSED = "IDEMPOTENCY_KEY_REUSED"
_LATER = frozenset({0, 429, 503})
"""No answer, or one that asks to come again."""
_ANSWERS = {"POST": _LATER | {202, 422}, "DELETE": _LATER | {200}, "SPY": _LATER | {404}}
_CLOSED = frozenset({0, 1000, 1006, 1011, 1012, 1013})
"""Open, ended, broken, no sign of life, told to end, too slow."""


def readable(evidence: Evidence, findings: Findings) -> None:
    """I1: its own user finds it at once, on a socket of either API, and in SQL in the end."""
    record = evidence.record
    for tried in record.tried:
        if tried.verb == "POST" and tried.http == 202:
            row = evidence.orders.get(tried.order_id)
            findings.require(
                row is not None and row.user == tried.user,
                f"order {tried.order_id} was accepted for {tried.user} and is gone",
            )
        elif tried.verb == "DELETE":
            findings.require(
                tried.http != 404, f"order {tried.asked} was accepted, then unknown to DELETE"
            )
    for stream in record.streams:
        if stream.order_id and not stream.is_spying:
            findings.require(
                stream.http not in (401, 403, 404),
                f"order {stream.order_id} was accepted, then refused to {stream.user}"
                f" on {stream.api} with {stream.http}",
            )


def answered(evidence: Evidence, findings: Findings) -> None:
    """Clients get only answers that are promised to them: what they ask is right."""
    for tried in evidence.record.tried:
        findings.require(
            tried.http in _ANSWERS[tried.verb],
            f"{tried.verb} of {tried.user} was answered with {tried.http} {tried.code}",
        )
    for stream in evidence.record.streams:
        if stream.is_spying:
            continue  # another check's
        findings.require(
            stream.http in _LATER | {101} and stream.code in _CLOSED,
            f"a socket of {stream.user} on {stream.api} was answered with {stream.http}, closed"
            f" with {stream.code} {stream.reason!r}",
        )


def cancelled(evidence: Evidence, findings: Findings) -> None:
    """I13: what DELETE says comes true, and it says the same again."""
    first: dict[str, Tried] = {}
    for tried in evidence.record.tried:
        if tried.verb != "DELETE" or tried.http != 200:
            continue
        row = evidence.orders.get(tried.asked)
        if row is None:
            continue  # another check's
        said = f"order {tried.asked}: DELETE said {tried.status} at {tried.seq}"
        if tried.status in _TERMINAL:
            findings.require(
                (row.status, row.seq) == (tried.status, tried.seq),
                f"{said}, it ended {row.status} at {row.seq}",
            )
        else:
            findings.require(
                tried.cancel_requested and row.status in ("confirmed", "cancelled"),
                f"{said} and noted {tried.cancel_requested}, it ended {row.status}",
            )
            events = [decode_event(body) for _, body in evidence.logs.get(tried.asked, [])]
            findings.require(
                sum(isinstance(event, CancelRequested) for event in events) == 1,
                f"{said}, but its log has no one wish to cancel",
            )
        before = first.setdefault(tried.asked, tried)
        if before.status in _TERMINAL and before.at_s + before.took_s <= tried.at_s:
            findings.require(
                (before.status, before.seq) == (tried.status, tried.seq),
                f"{said}, and {before.status} at {before.seq} before",
            )


def keyed(evidence: Evidence, findings: Findings) -> None:
    """I14: one order a key, whoever asked how often; another body gets 422."""
    made: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    bodies: dict[tuple[str, str], str] = {}
    for tried in evidence.record.tried:
        if tried.verb == "POST" and tried.http == 202:
            made[tried.user, tried.key].add(tried.order_id)
            bodies.setdefault((tried.user, tried.key), tried.body)
    owners: dict[str, tuple[str, str]] = {}
    for (user, key), ids in made.items():
        findings.require(len(ids) == 1, f"key {key} of {user} made {len(ids)} orders: {ids}")
        stored = evidence.keys.get((user, key))
        findings.require(
            stored in ids, f"key {key} of {user} was answered with {ids}, stored is {stored}"
        )
        for order_id in ids:
            other = owners.setdefault(order_id, (user, key))
            findings.require(
                other == (user, key), f"order {order_id} was made by {other} and by {user, key}"
            )
    for tried in evidence.record.tried:
        if tried.verb != "POST" or (tried.user, tried.key) not in bodies:
            continue
        is_same = bodies[tried.user, tried.key] == tried.body
        findings.require(
            tried.http != 422 if is_same else tried.http != 202,
            f"key {tried.key} of {tried.user}: {'the same' if is_same else 'another'} body was"
            f" answered with {tried.http} {tried.code}",
        )
        if tried.http == 422:
            findings.require(tried.code == _REUSED, f"key {tried.key} was refused: {tried.code}")
    findings.require(
        len(set(evidence.keys.values())) == len(evidence.keys) == len(evidence.orders),
        f"{len(evidence.orders)} orders were made by {len(evidence.keys)} keys",
    )


def private(evidence: Evidence, findings: Findings) -> None:
    """I19: another's order is answered as one that nobody has, and nothing else tells of it."""
    bodies = {tried.text for tried in evidence.record.tried if tried.http == 404}
    for tried in evidence.record.tried:
        if tried.verb == "SPY":
            findings.require(
                tried.http in (0, 404, 429, 503),
                f"order {tried.asked} was told to {tried.user}: {tried.http}",
            )
    findings.require(len(bodies - {""}) <= 1, f"unknown orders are answered in ways: {bodies}")
    for stream in evidence.record.streams:
        if stream.is_spying:
            findings.require(
                stream.http in _LATER | {404},
                f"order {stream.order_id} was opened to {stream.user} on a socket of {stream.api}:"
                f" {stream.http}",
            )
        heard = {message.order_id for message in stream.said}
        for order_id in heard:
            row = evidence.orders.get(order_id)
            findings.require(
                row is not None and row.user == stream.user,
                f"order {order_id} was told to {stream.user} on a socket of {stream.api}",
            )
    for (api, user), ids in evidence.listed.items():
        for order_id in ids:
            row = evidence.orders.get(order_id)
            findings.require(
                row is not None and row.user == user,
                f"order {order_id} is listed for {user} on {api}",
            )


def refused(evidence: Evidence, findings: Findings) -> None:
    """I25: who was refused at each try has no order, and was told when to come again."""
    tries: defaultdict[tuple[str, str], list[Tried]] = defaultdict(list)
    for tried in evidence.record.tried:
        if tried.http in (429, 503):
            findings.require(
                tried.has_retry_after, f"{tried.http} {tried.code} came without Retry-After"
            )
        if tried.verb == "POST":
            tries[tried.user, tried.key].append(tried)
    for (user, key), answers in tries.items():
        if all(answer.http in (429, 503) and answer.code in _REFUSALS for answer in answers):
            order_id = evidence.keys.get((user, key))
            findings.require(
                order_id is None, f"order {order_id}: key {key} of {user} was refused, and made it"
            )


def listed(evidence: Evidence, findings: Findings) -> None:
    """I28: every order of a user once, whichever API is asked."""
    for (api, user), ids in evidence.listed.items():
        mine = {order_id for order_id, row in evidence.orders.items() if row.user == user}
        findings.require(
            len(ids) == len(set(ids)) and set(ids) == mine,
            f"{api} lists {len(ids)} orders of {user}, {len(set(ids))} of them different,"
            f" SQL has {len(mine)}",
        )
        findings.checked += len(ids)
