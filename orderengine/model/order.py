"""Describe a swap order and the quotes and routes that answer it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import force_setattr

from orderengine.errors import InvalidAmount
from orderengine.model.amounts import U64_MAX, Amount
from orderengine.model.instants import Instant
from orderengine.model.tokens import token

__all__ = ["Declined", "Leg", "Mode", "Order", "Priority", "Quote", "Route", "route_of"]


class Mode(StrEnum):
    """Say which side of the swap the order fixes."""

    EXACT_IN = "exact_in"
    """Sell exactly ``amount``; get at least the quote less the slippage tolerance."""
    EXACT_OUT = "exact_out"
    """Buy exactly ``amount``; pay at most the quote plus the slippage tolerance."""


class Priority(StrEnum):
    """Name the lane that an order waits in, and how much it pays for its place in a block."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"


_TYPES: dict[str, type] = {
    "order_id": str,
    "sell": str,
    "buy": str,
    "amount": int,
    "mode": Mode,
    "slippage_bps": int,
    "priority": Priority,
    "user": str,
}
_TYPES_IN_ORDER = tuple(_TYPES.values())


class Order(Struct, frozen=True, kw_only=True, gc=False):
    """Ask for one swap. Checked when built, so every order that exists is well formed."""

    order_id: str
    sell: str
    """The token paid; given as symbol or mint, held as symbol."""
    buy: str
    """The token received; given as symbol or mint, held as symbol."""
    amount: Amount
    """Base units: of ``sell`` in mode exact_in, of ``buy`` in mode exact_out."""
    mode: Mode = Mode.EXACT_IN
    slippage_bps: int = 50
    """How far the execution may fall behind the quote, in whole basis points, 0 to 10,000."""
    priority: Priority = Priority.NORMAL
    deadline_ns: Instant | None = None
    """From this instant no new attempt starts; a signature that is out may still land."""
    user: str = "user"

    def __post_init__(self) -> None:
        """Check types too: a float is not exact, and a plain string is no ``Mode``."""
        types = (
            type(self.order_id),
            type(self.sell),
            type(self.buy),
            type(self.amount),
            type(self.mode),
            type(self.slippage_bps),
            type(self.priority),
            type(self.user),
        )
        if types != _TYPES_IN_ORDER:
            for (field, kind), given in zip(_TYPES.items(), types, strict=True):
                if given is not kind:
                    found = getattr(self, field)
                    raise InvalidAmount(field, found, f"of type {kind.__name__}")
        if self.deadline_ns is not None and type(self.deadline_ns) is not int:
            raise InvalidAmount("deadline_ns", self.deadline_ns, "of type int")
        if not self.order_id:
            raise InvalidAmount("order_id", self.order_id, "a non-empty string")
        if not 1 <= self.amount <= U64_MAX:
            raise InvalidAmount("amount", self.amount, "from 1 to 2^64 - 1 base units")
        if not 0 <= self.slippage_bps <= 10_000:
            raise InvalidAmount("slippage_bps", self.slippage_bps, "from 0 to 10000")
        sell, buy = token(self.sell).symbol, token(self.buy).symbol
        if sell == buy:
            raise InvalidAmount("buy", self.buy, f"another token than sell ({self.sell})")
        if sell is not self.sell:
            force_setattr(self, "sell", sell)
        if buy is not self.buy:
            force_setattr(self, "buy", buy)


class Quote(Struct, frozen=True, kw_only=True, gc=False):
    """Hold what one pool would pay for an order in the state of one slot."""

    venue: str
    pool: str
    amount_in: Amount
    """All that the trader would pay, pool fees included."""
    amount_out: Amount
    """All that the trader would receive, pool fees already taken."""
    fee_in: Amount = 0
    """Part of ``amount_in`` that the pool keeps as a fee."""
    fee_out: Amount = 0
    """What the pool kept as a fee of the token received, before ``amount_out``."""
    network_cost: Amount = 0
    """The transaction's fee in the token that varies (``buy`` for exact_in, else ``sell``),
    rounded up; 0 where that token has no price in SOL."""
    slot: int = 0
    """The slot whose state was read."""


class Declined(Struct, frozen=True, kw_only=True, gc=False):
    """Hold why a venue's pool did not win: no answer, an error, or a worse quote."""

    venue: str
    pool: str
    code: str
    reason: str
    amount_in: Amount = 0
    amount_out: Amount = 0


class Leg(Struct, frozen=True, kw_only=True, gc=False):
    """Swap on one pool as part of a route."""

    pool: str
    venue: str
    sell: str
    buy: str
    amount_in: Amount
    amount_out: Amount
    fee_in: Amount = 0
    fee_out: Amount = 0


class Route(Struct, frozen=True, kw_only=True, gc=False):
    """Hold the legs that together fill an order, with their totals.

    Legs stand in the order in which they can be executed: a leg that spends another token than the
    order sells comes after those that bring it. What follows ``slot`` is known only of routes that
    a strategy computed from pools, and None of those made of quotes.
    """

    legs: tuple[Leg, ...]
    amount_in: Amount
    amount_out: Amount
    slot: int = 0
    """The oldest slot that a leg was quoted from."""
    mode: Mode | None = None
    """Which side was fixed."""
    bound: Amount | None = None
    """What no route over the pools asked can do better than, whatever its number of legs, before
    costs, and without trading in cycles unless that was asked for: of exact_in an ``amount_out``,
    rounded down, of exact_out an ``amount_in``, rounded up."""
    price_x64: Amount | None = None
    """Of the first unit, after pool fees: buy units a sell unit, Q64.64, rounded down."""
    network_cost: Amount | None = None
    """What the transaction costs in the token that varies (``buy`` for exact_in, else ``sell``),
    rounded up."""
    net_bound: Amount | None = None
    """As ``bound``, but of what is left after costs (of exact_out: paid, costs included), and only
    over routes within the limits that were set; never looser than ``bound`` allows. None, too,
    where costs eat up all that any route receives."""
    left_out: tuple[Declined, ...] | None = None
    """Every pool asked that no leg uses, and why."""

    @property
    def gap_bps(self) -> float | None:
        """How far the route may be from the best there is; 0 is proven best. None: not known."""
        if self.bound is None:
            return None
        return _gap_bps(self.mode, self.amount_in, self.amount_out, self.bound)

    @property
    def net_gap_bps(self) -> float | None:
        """As ``gap_bps``, after costs and within the limits that were set."""
        if self.net_bound is None:
            return None
        cost = self.network_cost or 0
        return _gap_bps(self.mode, self.amount_in + cost, self.amount_out - cost, self.net_bound)

    @property
    def price_impact_bps(self) -> float | None:
        """How far the route's price falls short of its first unit's; pool fees are in both."""
        if self.price_x64 is None or not self.price_x64:
            return None
        worth = self.amount_in * self.price_x64 / 2**64
        return max(1e4 * (1 - self.amount_out / worth), 0.0)


def _gap_bps(mode: Mode | None, amount_in: int, amount_out: int, bound: int) -> float:
    if mode is Mode.EXACT_OUT:
        return 1e4 * max(amount_in - bound, 0) / max(bound, 1)
    return 1e4 * max(bound - amount_out, 0) / max(bound, 1)


def route_of(order: Order, quote: Quote) -> Route:
    """Return the route that takes one quote."""
    leg = Leg(
        pool=quote.pool,
        venue=quote.venue,
        sell=order.sell,
        buy=order.buy,
        amount_in=quote.amount_in,
        amount_out=quote.amount_out,
        fee_in=quote.fee_in,
        fee_out=quote.fee_out,
    )
    return Route(
        legs=(leg,), amount_in=quote.amount_in, amount_out=quote.amount_out, slot=quote.slot
    )
