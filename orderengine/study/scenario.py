"""Describe a study: how many orders of which kind, what engine, in which world, under which seed.

A scenario is a frozen value. It reads and prints as TOML; durations ("400ms"), amounts ("1SOL") and
prices stay as written. ``replace`` returns a changed copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from orderengine.execution.ordered_queue import DISCIPLINES
from orderengine.market.arrivals import ArrivalConfig
from orderengine.market.config import MarketConfig
from orderengine.market.fields import (
    Duration,
    TokenAmount,
    amount_of,
    check,
    duration_ns,
    instant_ns,
)
from orderengine.market.latency import LatencyConfig
from orderengine.routing.choose import ROUTERS
from orderengine.study.plugin import Plugin
from orderengine.study.scenario_form import changed, from_dict, from_toml, to_dict, to_toml

__all__ = ["ArrivalConfig", "EngineConfig", "OrderConfig", "Scenario"]


class OrderConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe the orders; each property is drawn for each order on its own."""

    size_median: TokenAmount = "1SOL"
    """Sizes are lognormal, in the base token; orders that sell the quote token trade its worth."""
    size_sigma: float = 1.0
    buy_share: float = 0.5
    """Share of orders that buy the base token."""
    exact_out_share: float = 0.1
    """Share of orders that fix what they receive."""
    slippage_bps: int = 50
    deadline: Duration = "60s"
    """From acceptance; "0s" for none."""
    urgent_share: float = 0.1
    bulk_share: float = 0.2
    cancel_share: float = 0.02
    """Share of orders whose user cancels."""
    cancel_after: LatencyConfig = LatencyConfig(model="lognormal", median="1500ms", sigma=1.0)
    """From acceptance to the user's cancellation."""
    users: int = 100

    def __post_init__(self) -> None:
        check("size_sigma", self.size_sigma, 0 <= self.size_sigma <= 5, "from 0 to 5")
        for name in ("buy_share", "exact_out_share", "urgent_share", "bulk_share", "cancel_share"):
            share = getattr(self, name)
            check(name, share, 0 <= share <= 1, "from 0 to 1")
        both = self.urgent_share + self.bulk_share
        check("bulk_share", self.bulk_share, both <= 1, "at most 1 - urgent_share")
        bps = self.slippage_bps
        check("slippage_bps", bps, 0 <= bps <= 10_000, "from 0 to 10000")
        duration_ns("deadline", self.deadline)
        check("users", self.users, 1 <= self.users <= 1_000_000, "from 1 to 1000000")


class EngineConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe the engine under study."""

    workers: int = 8_192
    """Orders executed at once; the rest wait."""
    discipline: Plugin = Plugin("lanes")
    """Who goes first of those that wait. ``lanes``: of sixteen turns thirteen are urgent orders',
    two normal, one bulk; ``fifo``; ``lifo``; ``priority``: strictly; ``edf``: the earliest deadline
    first; or a function of an order that returns a sort key, the least of which is first."""
    queue_capacity: int = 0
    """How many orders may wait, under ``lanes`` in each lane; 0 for any number. An order that finds
    no room is refused: in its log it fails at once, with QUEUE_FULL."""
    router: Plugin = Plugin("best")
    """``best`` quote, or a strategy that computes a route from the pools themselves, by its name
    (``split``, …); or a function of an order and its quotes that returns a quote, a route or None;
    or a ``Strategy`` of one's own."""
    retry: Plugin = Plugin("backoff")
    """``backoff``, or a function of state and code that returns a wait in ns; None gives up."""
    slippage: Plugin = Plugin("fixed")
    """``fixed`` (the order's slippage_bps), ``volatility`` (by what the price moved so far), or a
    function of order and route that returns (amount_in_max, amount_out_min)."""
    slippage_sigmas: float = 3.0
    """Of ``volatility``: the tolerance in standard deviations of the price over the time to land.
    Assumption: 3, which a normal price passes against the order in 0.13 % of cases."""
    slippage_landing: Duration = "4s"
    """Of ``volatility``: the time to land, by expectation (188 transfers of 2024-10-01 took 3.2 s
    in the median until confirmed, 4.7 s at p90)."""
    slippage_floor_bps: float = 5.0
    """Of ``volatility``: added to the rest, for other trades move pools too. Assumption."""
    slippage_cap_bps: float = 300.0
    """Of ``volatility``: the most that is allowed. Assumption."""
    slippage_half_life: Duration = "60s"
    """Of ``volatility``: how far back the price is looked at: the weight of what it did falls by
    half in this time. Assumption."""
    priority_fee: Plugin = Plugin("fixed")
    """``fixed`` (by priority, as ``market.fees`` says), ``percentile`` of what recent blocks took,
    ``escalate`` (the fixed price, more at each attempt), or a function of order, attempt and a view
    that returns micro-lamports a compute unit."""
    fee_percentile: int = 75
    """Of ``percentile``. Assumption."""
    fee_growth: float = 2.0
    """Of ``escalate``: each attempt pays so many times what the last one paid. Assumption."""
    fee_floor: int = 0
    """Of ``percentile`` and ``escalate``: the least price, micro-lamports a compute unit."""
    fee_cap: int = 10_000_000
    """The most that any priority fee but ``fixed`` pays, micro-lamports a compute unit. The 99th
    percentile of block 361774429 is 9.8 million."""
    attempts_max: int = 3
    """Of ``backoff``."""
    backoff_first: Duration = "200ms"
    backoff_longest: Duration = "5s"
    quote_deadline: Duration = "1500ms"
    """Venues that have not answered by then are left out."""
    route_age_max: Duration = "5s"
    """The limit of staleness: an older route is quoted anew instead of signed."""
    resend: Duration = "2s"
    """How often the same bytes are sent again while their fate is unknown."""

    def __post_init__(self) -> None:
        check("workers", self.workers, 1 <= self.workers <= 1_000_000, "from 1 to 1000000")
        room = self.queue_capacity
        check("queue_capacity", room, 0 <= room <= 10_000_000, "from 0 to 10000000")
        tries = self.attempts_max
        check("attempts_max", tries, 1 <= tries <= 100, "from 1 to 100")
        for name in ("backoff_first", "backoff_longest"):
            duration_ns(name, getattr(self, name))
        for name in ("quote_deadline", "route_age_max", "slippage_landing", "slippage_half_life"):
            check(name, getattr(self, name), duration_ns(name, getattr(self, name)) > 0, "above 0")
        resend_ns = duration_ns("resend", self.resend)
        check("resend", self.resend, resend_ns >= 1_000_000, "at least 1ms")
        sigmas, least = self.slippage_sigmas, self.slippage_floor_bps
        check("slippage_sigmas", sigmas, 0 <= sigmas <= 100, "from 0 to 100")
        check("slippage_floor_bps", least, 0 <= least <= 10_000, "from 0 to 10000")
        most = self.slippage_cap_bps
        check("slippage_cap_bps", most, least <= most <= 10_000, f"from {least:g} to 10000")
        check("fee_percentile", self.fee_percentile, 0 <= self.fee_percentile <= 100, "0 to 100")
        check("fee_growth", self.fee_growth, 1 <= self.fee_growth <= 100, "from 1 to 100")
        check("fee_floor", self.fee_floor, 0 <= self.fee_floor <= 10**12, "from 0 to 10^12")
        is_cap = self.fee_floor <= self.fee_cap <= 10**12
        check("fee_cap", self.fee_cap, is_cap, f"from {self.fee_floor} to 10^12")
        for name, built_in in (
            ("discipline", ("lanes", *DISCIPLINES)),
            ("router", tuple(ROUTERS)),
            ("retry", ("backoff",)),
            ("slippage", ("fixed", "volatility")),
            ("priority_fee", ("fixed", "percentile", "escalate")),
        ):
            plugin = getattr(self, name)
            known = bool(plugin.source_sha256) or plugin.name in built_in
            check(name, plugin.name, known, f"one of {', '.join(built_in)}, or a function")


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold everything that decides a study's outcome."""

    name: str = "default"
    seed: int = 1
    orders: int = 5_000
    start: str = ""
    """The instant at which virtual time 0 lies, RFC 3339; empty for the start of the price trace,
    or 2026-07-06T16:30:00Z."""
    arrivals: ArrivalConfig = ArrivalConfig()
    order: OrderConfig = OrderConfig()
    engine: EngineConfig = EngineConfig()
    market: MarketConfig = MarketConfig()

    def __post_init__(self) -> None:
        check("name", self.name, bool(self.name), "a name")
        check("seed", self.seed, 0 <= self.seed < 2**63, "from 0 to 2^63 - 1")
        check("orders", self.orders, 1 <= self.orders <= 10_000_000, "from 1 to 10000000")
        amount_of("order.size_median", self.order.size_median, self.market.base)
        pair, fee = (self.market.base, self.market.quote), self.engine.priority_fee
        is_payable = fee == Plugin("fixed") or "SOL" in pair
        expected = "fixed, unless one token of the pair is SOL, in which fees are paid"
        check("engine.priority_fee", fee.name, is_payable, expected)
        if self.start:
            instant_ns("start", self.start)

    @classmethod
    def from_dict(cls, wire: dict[str, Any]) -> Scenario:
        """Return the scenario of a nested dict; absent keys have their default.

        Raises:
            InvalidScenario: names the field, the value found and what was expected.
        """
        return from_dict(cls, wire)

    @classmethod
    def from_toml(cls, text: str) -> Scenario:
        """Return the scenario of a TOML text; ``extends = "NAME"`` takes a named one's values."""
        return from_toml(cls, text)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as a nested dict of plain values."""
        return to_dict(self)

    def to_toml(self) -> str:
        """Return all fields as TOML; ``from_toml`` reads it back."""
        return to_toml(self)

    def replace(self, changes: Mapping[str, object] | None = None, /, **fields: object) -> Scenario:
        """Return a copy with some fields changed.

        Nested fields have dots in ``changes`` and double underscores as keywords:
        ``scenario.replace({"engine.workers": 64})`` is ``scenario.replace(engine__workers=64)``.

        Raises:
            InvalidScenario: names the field, the value found and what was expected.
        """
        dotted = dict(changes or {})
        dotted.update({name.replace("__", "."): value for name, value in fields.items()})
        return changed(self, dotted)

    def __str__(self) -> str:
        return self.to_toml()

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  (only a notebook asks)

        summary = f"{escape(self.name)}: {self.orders:,} orders, seed {self.seed}"
        return (
            f"<details><summary><b>Scenario</b> {summary}</summary>"
            f"<pre>{escape(self.to_toml())}</pre></details>"
        )
