"""Gather what the judge reads: the database as it stands in the end, and what clients can see."""

from __future__ import annotations

import re

import asyncpg
import httpx
from msgspec import Struct, field

from tests.chaos.record import Record

__all__ = ["Evidence", "OrderRow", "gather"]

_FIGURE = re.compile(
    r"^orderengine_orders_(accepted_total|open|ended_total\{[^}]*\}) (\S+)$", re.MULTILINE
)


class OrderRow(Struct, frozen=True, kw_only=True):
    """Hold what the database keeps of an order beside its log."""

    user: str
    status: str
    seq: int
    is_open: bool
    fence: int
    takeovers: int


class Evidence(Struct, kw_only=True):
    """Hold all that is known of a run when it is over."""

    record: Record
    orders: dict[str, OrderRow] = field(default_factory=dict)
    logs: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Numbers and bodies of each order's events."""
    chain: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """By signature: whose it is, and what became of it."""
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    """By user and idempotency key: the order that it made."""
    listed: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By API and user: the ids of all orders as they are listed there."""
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    """By API: how many orders were accepted, are open and ended."""


async def gather(
    database: str, urls: dict[str, str], keys: dict[str, str], operator: str, record: Record
) -> Evidence:
    """Read everything, once all is calm.

    Args:
        database: its URL.
        urls: of the APIs.
        keys: of the users.
        operator: the key that may read metrics.
        record: what was seen meanwhile.
    """
    evidence = Evidence(record=record)
    await _read_sql(database, evidence)
    for api, url in urls.items():
        try:
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
                await _read_api(http, api, keys, operator, evidence)
        except httpx.HTTPError as error:
            record.mishaps.append(f"{api} does not answer in the end: {error!r}")
    return evidence


async def _read_api(
    http: httpx.AsyncClient, api: str, keys: dict[str, str], operator: str, evidence: Evidence
) -> None:
    for user, key in keys.items():
        http.headers["Authorization"] = f"Bearer {key}"
        evidence.listed[api, user] = await _list_all(http)
    http.headers["Authorization"] = f"Bearer {operator}"
    said = await http.get("/metrics")
    said.raise_for_status()
    evidence.metrics[api] = _figures(said.text)


async def _read_sql(database: str, evidence: Evidence) -> None:
    connection = await asyncpg.connect(database, timeout=5)
    try:
        for row in await connection.fetch("SELECT * FROM orders"):
            evidence.orders[row["order_id"]] = OrderRow(
                user=row["user_id"],
                status=row["status"],
                seq=row["seq"],
                is_open=row["is_open"],
                fence=row["fence"],
                takeovers=row["takeovers"],
            )
        async with connection.transaction():
            query = "SELECT order_id, seq, body FROM events ORDER BY order_id, seq"
            async for row in connection.cursor(query, prefetch=5_000):
                evidence.logs.setdefault(row["order_id"], []).append((row["seq"], row["body"]))
        for row in await connection.fetch("SELECT signature, order_id, body FROM chain"):
            evidence.chain[row["signature"]] = row["order_id"], row["body"]
        for row in await connection.fetch("SELECT user_id, key, order_id FROM idempotency_keys"):
            evidence.keys[row["user_id"], row["key"]] = row["order_id"]
    finally:
        await connection.close(timeout=5)


async def _list_all(http: httpx.AsyncClient) -> list[str]:
    """Page through a user's orders."""
    found: list[str] = []
    before: int | None = None
    while True:
        asked = {"limit": "500"} | ({} if before is None else {"before": str(before)})
        answer = await http.get("/orders", params=asked)
        answer.raise_for_status()
        page = answer.json()
        found += [order["order_id"] for order in page["orders"]]
        before = page["before"]
        if before is None:
            return found


def _figures(text: str) -> dict[str, float]:
    """Return accepted, open and ended orders as the metrics tell them."""
    found = {"accepted": 0.0, "open": 0.0, "ended": 0.0}
    for name, value in _FIGURE.findall(text):
        found[name.split("_")[0]] += float(value)
    return found
