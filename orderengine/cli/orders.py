"""Commands about orders, for who runs the service: find them, look inside, try one again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from orderengine.cli.operations import with_database
from orderengine.cli.shared import age_ns
from orderengine.model.instants import rfc3339

if TYPE_CHECKING:
    from orderengine.service.operations.orders import Inspection, Retried
    from orderengine.storage.database import Database, OrderRow

__all__ = ["COMMANDS"]

_LIMIT_MAX = 10_000
_UNTOLD = frozenset({"order_id", "seq", "type", "status", "at", "order", "quotes", "declined"})
"""Fields of an event that a line leaves out: it says them otherwise, or they are long."""


@click.group()
def orders() -> None:
    """Find orders, look inside one, try one again; DATABASE_URL names the database."""


@orders.command("list")
@click.option("--open", "is_open", is_flag=True, help="Only those that have not ended.")
@click.option("--failed", is_flag=True, help="Only those that failed.")
@click.option("--older-than", metavar="TIME", help="Accepted so long ago: 60s, 5min, 2h, 3d.")
@click.option("--user", metavar="U", help="Only this user's.")
@click.option("--limit", type=click.IntRange(1, _LIMIT_MAX), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def list_orders(
    is_open: bool,
    failed: bool,
    older_than: str | None,
    user: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List orders: open ones with the oldest first, else the newest first."""
    if is_open and failed:
        raise click.UsageError("--open and --failed exclude each other")
    least_ns = None if older_than is None else age_ns("--older-than", older_than)

    async def act(database: Database) -> tuple[Sequence[OrderRow], dict[str, str], int]:
        from orderengine.service.clock import WallClock  # noqa: PLC0415  (loads the extra)
        from orderengine.service.operations.orders import codes_of  # noqa: PLC0415
        from orderengine.storage.database import OrderQuery  # noqa: PLC0415

        now_ns = WallClock().now_ns()
        query = OrderQuery(
            user=user,
            is_open=True if is_open else None,
            statuses=("failed",) if failed else (),
            accepted_before_ns=None if least_ns is None else now_ns - least_ns,
            is_oldest_first=is_open,
            limit=limit + 1,  # one more tells whether there are more
        )
        found = await database.operations.find(query)
        return found, await codes_of(database, found[:limit]) if failed else {}, now_ns

    found, codes, now_ns = with_database(act)
    rows = found[:limit]
    if as_json:
        more = [{"code": codes.get(row.order_id, "")} if failed else {} for row in rows]
        told = [_figures(row) | added for row, added in zip(rows, more, strict=True)]
        click.echo(msgspec.json.encode({"orders": told}))
        return
    for line in _table(rows, now_ns, codes):
        click.echo(line)
    if len(found) > limit:
        click.echo(f"only {limit} are shown; --limit shows more", err=True)


def _figures(row: OrderRow) -> dict[str, object]:
    return {
        "order_id": row.order_id,
        "user": row.user,
        "priority": row.priority.value,
        "status": row.status,
        "seq": row.seq,
        "accepted_at": rfc3339(row.accepted_at_ns),
        "ended_at": None if row.ended_at_ns is None else rfc3339(row.ended_at_ns),
        "deadline": None if row.deadline_ns is None else rfc3339(row.deadline_ns),
        "fence": row.fence,
        "takeovers": row.takeovers,
        "lease_ms": row.lease_ms,
    }


def _table(rows: Sequence[OrderRow], now_ns: int, codes: dict[str, str]) -> Iterator[str]:
    """Yield a head and a line an order, in columns as wide as what stands in them."""
    if not rows:
        yield "no such orders"
        return
    lines = [["ORDER", "USER", "LANE", "STATUS", "EVENTS", "AGE", "LEASE", "TAKEOVERS", "CODE"]]
    lines += [
        [
            row.order_id,
            row.user,
            row.priority.value,
            row.status,
            str(row.seq),
            _age(max(now_ns - row.accepted_at_ns, 0) // 10**9),
            f"{row.lease_ms} ms" if row.lease_ms else "-",
            str(row.takeovers),
            codes.get(row.order_id, ""),
        ]
        for row in rows
    ]
    if not codes:
        lines = [line[:-1] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _age(seconds: int) -> str:
    """Return the two largest units: ``4m26s``, ``3d2h``."""
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


@orders.command()
@click.argument("order_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def show(order_id: str, as_json: bool) -> None:
    """Show an order from the inside: its log, its transactions, its lease."""

    async def act(database: Database) -> Inspection:
        from orderengine.service.operations.orders import inspect  # noqa: PLC0415

        return await inspect(database, order_id)

    found = with_database(act)
    log = [json.loads(event.body) for event in found.log]
    signed = [
        {
            "signature": each.signature,
            "attempt": each.attempt,
            "last_valid_height": each.last_valid_height,
            "network_fee": str(each.network_fee),
            "bytes": len(each.payload),
        }
        for each in found.signed
    ]
    if as_json:
        click.echo(
            msgspec.json.encode({"order": _figures(found.row), "events": log, "signed": signed})
        )
        return
    for line in _shown(found.row, log, signed):
        click.echo(line)


def _shown(
    row: OrderRow, log: Sequence[dict[str, Any]], signed: Sequence[dict[str, object]]
) -> Iterator[str]:
    yield f"order     {row.order_id} of {row.user}, {row.priority.value}: {row.status}"
    asked = log[0].get("order", {}) if log else {}
    if asked:
        yield (
            f"asks      {asked.get('mode')} {asked.get('amount')} base units, "
            f"{asked.get('sell')} for {asked.get('buy')}, within {asked.get('slippage_bps')} bps"
        )
    if row.deadline_ns is not None:
        yield f"deadline  {rfc3339(row.deadline_ns)}"
    holds = f"holds for {row.lease_ms} ms" if row.lease_ms else "none"
    yield f"lease     {holds}; fence {row.fence}, ran out {row.takeovers} times"
    for each in signed:
        yield (
            f"signed    attempt {each['attempt']}: {each['signature']}, "
            f"valid to height {each['last_valid_height']}"
        )
    for event in log:
        told = {
            name: value
            for name, value in event.items()
            if name not in _UNTOLD and not isinstance(value, dict | list)
        }
        more = "".join(f" {name}={value}" for name, value in (told | _legs(event)).items())
        yield f"{event['seq']:>5}     {event['at']} {event['type']}{more}"


def _legs(event: dict[str, Any]) -> dict[str, str]:
    """Return over which pools an order was routed, and how much of it."""
    legs = (event.get("route") or {}).get("legs", ())
    told = ",".join(f"{leg['amount_in']}@{leg['venue']}:{leg['pool']}" for leg in legs)
    return {"route": told} if told else {}


@orders.command()
@click.argument("order_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def retry(order_id: str, as_json: bool) -> None:
    """Try an order again.

    An open one is freed, so that workers take it up at once. One that failed, expired or was
    cancelled is placed once more for its user, as a new order; doing that twice makes one. A
    deadline that has passed is set anew, as far ahead as it was.
    """

    async def act(database: Database) -> Retried:
        from orderengine.service.clock import WallClock  # noqa: PLC0415  (loads the extra)
        from orderengine.service.live import LiveMarket  # noqa: PLC0415
        from orderengine.service.operations.orders import retry as try_again  # noqa: PLC0415
        from orderengine.service.settings import Settings  # noqa: PLC0415

        settings, clock = Settings.from_env(os.environ), WallClock()
        market = LiveMarket.open(
            settings.market,
            seed=settings.sim_seed,
            fail_rate=settings.sim_fail_rate,
            clock=clock,
            record=database.orders,
        )
        return await try_again(database, clock, market.prices, order_id)

    done = with_database(act)
    if as_json:
        said: dict[str, object] = {
            "order_id": done.order_id,
            "is_freed": done.is_freed,
            "is_new": done.is_new,
        }
        click.echo(msgspec.json.encode(said))
    elif done.is_freed:
        click.echo(f"freed: {done.order_id} is taken up by the next worker that is free")
    elif done.is_new:
        click.echo(f"placed again as {done.order_id}")
        if done.deadline_ns is not None:
            click.echo(f"deadline {rfc3339(done.deadline_ns)}")
    else:
        click.echo(f"placed again earlier, as {done.order_id}")


COMMANDS = (orders,)
