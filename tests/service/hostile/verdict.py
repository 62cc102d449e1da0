"""Judge what a service did with hostile requests: its answers, its log, its CPU, its orders."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from tests.service.hostile.case import Case, Outcomes
from tests.service.hostile.sender import Answer, Reply, Target, send

__all__ = [
    "ANY_BUT_FAILURE",
    "CPU_MS_MAX",
    "accepted",
    "complaint",
    "cpu_ms",
    "dear",
    "stored",
    "told_without_a_key",
]

CPU_MS_MAX = 250.0
"""What one request may cost the process."""

ANY_BUT_FAILURE: Outcomes = frozenset({101, *range(200, 500), "closed", "waiting"})
"""What generated requests may be answered: some of them are good by chance."""
_WITHOUT_A_KEY: Outcomes = frozenset({400, 401, 403, 408, 413, 431, "closed", "waiting"})
"""Of those without a key none is told more than what is wrong with the head of its request."""
_OPEN = re.compile(rb"\S+ (http://[^/ ]*)?/(docs|health|openapi\.json)\b")
"""Requests for what everybody may see."""
_MEMBERS = {"type", "title", "status", "code", "detail"}
_LEAKS = (b"Traceback", b"site-packages", b"orderengine/", b"sqlite3.", b"asyncpg", b'File "')


def complaint(case: Case, answer: Answer) -> str | None:
    """Return what is wrong with an answer, None if nothing is."""
    if answer.outcome not in case.allowed:
        may = ", ".join(sorted(map(str, case.allowed))) if len(case.allowed) < 20 else "no failure"
        return f"{case.name}: {answer.outcome}, allowed: {may}{_excerpt(answer)}"
    for reply in answer.replies:
        if fault := _fault_of(reply, is_head=case.raw.startswith(b"HEAD ")):
            return f"{case.name}: {fault}{_excerpt(answer)}"
    return None


def told_without_a_key(case: Case, answer: Answer) -> str | None:
    """Return what an answer tells to somebody who has no key, None if nothing."""
    if answer.outcome in _WITHOUT_A_KEY or _OPEN.search(case.raw.partition(b"\r\n\r\n")[0]):
        return None
    return f"{case.name}: {answer.outcome} without a key{_excerpt(answer)}"


def _excerpt(answer: Answer) -> str:
    return "".join(f" [{reply.status} {(reply.body or b'')[:150]!r}]" for reply in answer.replies)


def _fault_of(reply: Reply, *, is_head: bool) -> str | None:
    body = reply.body or b""
    if reply.status >= 500 and reply.status not in {501, 503, 505}:
        return "an answer says that we failed"
    if leak := next((leak for leak in _LEAKS if leak in body), None):
        return f"an answer shows {leak!r}"
    if reply.status < 400 or is_head:
        return None
    if reply.headers.get("content-type") != "application/problem+json":
        return "an error is no problem document"
    try:
        problem = json.loads(body)
    except ValueError:
        return "a problem document is no JSON"
    if not problem.keys() >= _MEMBERS or problem["status"] != reply.status:
        return "a problem document is not whole"
    return None


def accepted(answers: Iterable[Answer]) -> set[str]:
    """Return the ids of all orders that answers say are stored."""
    return {
        json.loads(reply.body)["order_id"]
        for answer in answers
        for reply in answer.replies
        if reply.status == 202 and reply.body
    }


def stored(http: httpx.Client) -> set[str]:
    """Return the ids of all orders there are, page by page."""
    found: set[str] = set()
    before: int | None = None
    while True:
        asked: dict[str, Any] = {"limit": 500} | ({} if before is None else {"before": before})
        answer = http.get("/orders", params=asked)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found |= {order["order_id"] for order in page["orders"]}
        before = page["before"]
        if before is None:
            return found


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process so far: what ``/proc/PID/stat`` says in ticks, but finer.

    Linux gives each process a clock whose number is made of its id (``clock_getcpuclockid``).
    """
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e6


async def dear(target: Target, cases: Sequence[Case]) -> list[str]:
    """Return which cases cost the process too much, sent one at a time."""
    found: list[str] = []
    for case in cases:
        before = cpu_ms(target.pid)
        await send(target, case)
        spent = cpu_ms(target.pid) - before
        if spent > CPU_MS_MAX:
            found.append(f"{case.name}: {spent:.0f} ms of CPU")
    return found
