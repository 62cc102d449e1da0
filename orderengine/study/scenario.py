"""Describe a study: how many orders of which kind, what engine, in which world, under which seed.

A scenario is a frozen value. It reads and prints as TOML; durations ("400ms"), amounts ("1SOL") and
prices stay as written. ``replace`` returns a changed copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

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


class ArrivalConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe when orders arrive; open loop: nobody waits for an answer before the next order."""

    model: Literal["poisson", "even", "burst"] = "poisson"
    """``poisson``: independent; ``even``: one every 1/rate seconds; ``burst``: all at time 0."""
    rate_per_s: float = 5_000.0
    """Orders a second; not used by ``burst``."""

    def __post_init__(self) -> None:
        check("rate_per_s", self.rate_per_s, 0 < self.rate_per_s <= 1e9, "above 0, at most 1e9")


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
    """Orders executed at once; the rest wait in their lanes."""
    router: Plugin = Plugin("best")
    """``best`` quote, or a strategy that computes a route from the pools themselves, by its name
    (``split``, …); or a function of an order and its quotes that returns a quote, a route or None;
    or a ``Strategy`` of one's own."""
    retry: Plugin = Plugin("backoff")
    """``backoff``, or a function of state and code that returns a wait in ns; None gives up."""
    slippage: Plugin = Plugin("fixed")
    """``fixed`` (the order's slippage_bps), or a function of order and route that returns
    (amount_in_max, amount_out_min)."""
    attempts_max: int = 3
    """Of ``backoff``."""
    backoff_first: Duration = "200ms"
    backoff_longest: Duration = "5s"
    quote_deadline: Duration = "1500ms"
    """Venues that have not answered by then are left out."""
    route_age_max: Duration = "5s"
    """An older route is quoted anew instead of signed."""
    resend: Duration = "2s"
    """How often the same bytes are sent again while their fate is unknown."""

    def __post_init__(self) -> None:
        check("workers", self.workers, 1 <= self.workers <= 1_000_000, "from 1 to 1000000")
        tries = self.attempts_max
        check("attempts_max", tries, 1 <= tries <= 100, "from 1 to 100")
        for name in ("backoff_first", "backoff_longest"):
            duration_ns(name, getattr(self, name))
        for name in ("quote_deadline", "route_age_max"):
            check(name, getattr(self, name), duration_ns(name, getattr(self, name)) > 0, "above 0")
        resend_ns = duration_ns("resend", self.resend)
        check("resend", self.resend, resend_ns >= 1_000_000, "at least 1ms")
        for name, built_in in (
            ("router", tuple(ROUTERS)),
            ("retry", ("backoff",)),
            ("slippage", ("fixed",)),
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
