"""Put each event of an order into words: one line, and the quotes that won and lost under it.

Numbers and counts are written here too, so that they look alike wherever they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from orderengine.model.amounts import format_amount
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
    Requoting,
    Routed,
    Submitted,
    Waiting,
)
from orderengine.model.order import Declined, Leg, Mode, Order, Quote, Route
from orderengine.model.tokens import SOL, token

__all__ = ["NONE", "Line", "count", "describe", "number"]

NONE = "-"
"""Shown for a figure that no order gives."""

_POOL_SHOWN = 16
_Amounts = Confirmed | Route | Leg | Quote | Declined


@dataclass(frozen=True)
class Line:
    """Hold one event for people."""

    offset_ns: int
    """Since the order was accepted."""
    event: str
    """The event's type as on the wire."""
    text: str
    details: tuple[tuple[str, str, str], ...] = ()
    """(mark, venue and pool, text): ``✓`` a quote that won, ``·`` one that lost, ``✗`` no quote."""


def describe(event: Event, accepted: Accepted) -> Line:
    """Return the event in words, amounts in shown units, exact."""
    order = accepted.order
    kind = str(event.__struct_config__.tag)
    details = _details(event, order) if isinstance(event, Routed) else ()
    return Line(event.at_ns - accepted.at_ns, kind, _text(event, accepted), details)


def _text(event: Event, accepted: Accepted) -> str:
    order = accepted.order
    match event:
        case Accepted() | Expired():
            return f"reference price {_price(event.reference_price_x64, order)}"
        case Waiting():
            return f"until {event.trigger}"
        case Claimed():
            return f"by {event.worker}"
        case Requoting():
            return event.reason
        case Routed():
            swap = _swap(event.route, order.sell, order.buy)
            return f"{swap} over {_shape(event.route, order)}; {_found(event)}"
        case Submitted():
            limit = (
                f"at least {format_amount(event.amount_out_min, order.buy)}"
                if order.mode is Mode.EXACT_IN
                else f"at most {format_amount(event.amount_in_max, order.sell)}"
            )
            return f"{limit}; may land up to block height {event.last_valid_height:,}"
        case AttemptFailed():
            pause_ns = max(0, event.retry_at_ns - event.at_ns)
            again = f"again in {pause_ns / 1e6:,.3f} ms" if pause_ns else "again at once"
            return f"{event.code}: {event.reason}; {again}{_fee(event.network_fee)}"
        case CancelRequested():
            return "too late to promise: a transaction is out"
        case Confirmed():
            filled = _swap(event, order.sell, order.buy)
            return f"{filled} in slot {event.slot:,}{_fee(event.network_fee)}"
        case Failed():
            return f"{event.code}: {event.reason}{_fee(event.network_fee)}"
        case Cancelled():
            return f"by the user; reference price {_price(event.reference_price_x64, order)}"
        case _:
            return ""


def _details(event: Routed, order: Order) -> tuple[tuple[str, str, str], ...]:
    """Return the winning legs first, then what lost, then those without a quote.

    Where a strategy computed the route there are no quotes, and a pool lost whose venue answered.
    """
    won = {leg.pool for leg in event.route.legs}
    told = {declined.pool: declined for declined in event.declined}
    legs = event.route.legs
    lost = [quote for quote in event.quotes if quote.pool not in won]
    quoted = {quote.pool for quote in lost} | won
    silent = [declined for declined in event.declined if declined.pool not in quoted]
    is_computed = not event.quotes
    return (
        *(("✓", _where(leg), _swap(leg, leg.sell, leg.buy)) for leg in legs),
        *(("·", _where(quote), _lost(quote, told.get(quote.pool), order)) for quote in lost),
        *(
            (
                "·" if is_computed and refusal.pool else "✗",
                _where(refusal),
                _lost(refusal, refusal, order),
            )
            for refusal in silent
        ),
    )


def _shape(route: Route, order: Order) -> str:
    """Return over how many pools a route goes, and by way of which tokens."""
    pools = len({leg.pool for leg in route.legs})
    shape = "one pool" if pools == 1 else f"{pools} pools"
    between = dict.fromkeys(leg.buy for leg in route.legs if leg.buy not in {order.sell, order.buy})
    return f"{shape} by way of {' and '.join(between)}" if between else shape


def _found(event: Routed) -> str:
    """Return out of what a route was chosen, or how good one is proven to be; rounded up."""
    bps = event.route.gap_bps
    if event.quotes or bps is None:
        return count(len(event.quotes), "quote") if event.quotes else "computed"
    return f"at most {ceil(bps * 1e4) / 1e4:,.4f} bps from the best" if bps else "proven best"


def _lost(quote: Quote | Declined, declined: Declined | None, order: Order) -> str:
    offer = f"{_swap(quote, order.sell, order.buy)}; " if quote.amount_out else ""
    why = "not chosen" if declined is None else f"{declined.code}: {declined.reason}"
    return f"{offer}{why}"


def _where(found: Leg | Quote | Declined) -> str:
    pool = found.pool if len(found.pool) <= _POOL_SHOWN else f"{found.pool[:6]}…{found.pool[-6:]}"
    return f"{found.venue} {pool}"


def _swap(amounts: _Amounts, sell: str, buy: str) -> str:
    paid, received = format_amount(amounts.amount_in, sell), format_amount(amounts.amount_out, buy)
    return f"{paid} → {received}"


def _price(price_x64: int, order: Order) -> str:
    """Return shown ``buy`` for one shown ``sell``, or the inverse if that is below 1; 6 digits."""
    sell, buy = token(order.sell), token(order.buy)
    price = price_x64 / 2**64 * 10.0 ** (sell.decimals - buy.decimals)
    if price <= 0:
        return "unknown"
    base, quote = (buy, sell) if price < 1 else (sell, buy)
    return f"{max(price, 1 / price):,.6g} {quote.symbol} for 1 {base.symbol}"


def _fee(lamports: int) -> str:
    return f"; network fee {format_amount(lamports, SOL.symbol)}" if lamports else ""


def count(many: int, noun: str) -> str:
    """Return a number of things: "1 order", "2,000 orders"."""
    return f"{many:,} {noun}{'' if many == 1 else 's'}"


def number(value: float | None, digits: int) -> str:
    """Return a figure of at most 11 characters with ``digits`` after the point, never "-0.00".

    From a million up it has none, from a hundred million up four significant ones in all.
    """
    if value is None:
        return NONE
    if abs(value) >= 1e8:
        return f"{value:.4g}"
    shown = 0 if abs(value) >= 1e6 else digits
    return f"{round(value, shown) + 0.0:,.{shown}f}"
