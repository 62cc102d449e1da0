"""Turn the engine section of a scenario into policies and a queue.

A field that names a built-in is looked up here; one that holds a function gives that function.
"""

from __future__ import annotations

from collections.abc import Callable

from orderengine.execution.ordered_queue import DISCIPLINES, OrderedQueue
from orderengine.execution.policy import ExecutionPolicy, backoff, slippage
from orderengine.execution.ports import FeeFeed, WorkQueue
from orderengine.execution.priority_fee import (
    FeeView,
    UnitPriceOf,
    UnitPrices,
    at_percentile,
    escalating,
)
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.volatility import (
    SeenPrices,
    VolatilitySlippage,
    slippage_by_volatility,
)
from orderengine.market.fees import Fees
from orderengine.market.fields import duration_ns
from orderengine.model.order import Order, Priority
from orderengine.routing.choose import ROUTERS
from orderengine.study.plugin import Plugin
from orderengine.study.scenario import EngineConfig

__all__ = ["build_policy", "queue_of", "unit_prices"]


def build_policy(
    config: EngineConfig, prices: SeenPrices, unit_price: UnitPriceOf | None
) -> ExecutionPolicy:
    """Return the policy that the scenario's engine section says.

    Args:
        config: the section.
        prices: of which slippage by volatility learns.
        unit_price: what attempts pay, as ``unit_prices`` says.
    """
    built_in_retry = backoff(
        config.attempts_max,
        duration_ns("backoff_first", config.backoff_first),
        duration_ns("backoff_longest", config.backoff_longest),
    )
    rule = VolatilitySlippage(
        sigmas=config.slippage_sigmas,
        landing_s=duration_ns("slippage_landing", config.slippage_landing) / 1e9,
        floor_bps=config.slippage_floor_bps,
        cap_bps=config.slippage_cap_bps,
    )
    slippages = {"fixed": slippage, "volatility": slippage_by_volatility(rule, prices)}
    return ExecutionPolicy(
        router=config.router.resolve("engine.router", ROUTERS),
        retry=config.retry.resolve("engine.retry", {"backoff": built_in_retry}),
        slippage=config.slippage.resolve("engine.slippage", slippages),
        unit_price=unit_price,
        quote_deadline_ns=duration_ns("quote_deadline", config.quote_deadline),
        route_age_ns_max=duration_ns("route_age_max", config.route_age_max),
        resend_ns=duration_ns("resend", config.resend),
    )


def unit_prices(config: EngineConfig, fees: Fees, feed: FeeFeed) -> UnitPriceOf | None:
    """Return what attempts pay for a compute unit; None for the settlement's own, by priority."""
    if config.priority_fee == Plugin("fixed"):
        return None
    policy = config.priority_fee.resolve(
        "engine.priority_fee",
        {
            "percentile": at_percentile(config.fee_percentile, config.fee_floor),
            "escalate": escalating(config.fee_growth, config.fee_floor),
        },
    )
    own = {priority: fees.unit_price(priority) for priority in Priority}
    return UnitPrices(policy, FeeView(own, feed), config.fee_cap)


def queue_of(engine: EngineConfig, orders: int, order_of: Callable[[str], Order]) -> WorkQueue:
    """Return the queue that the section says.

    Args:
        engine: the section.
        orders: how many the study has: more never wait.
        order_of: gives an accepted order.
    """
    capacity = engine.queue_capacity or orders
    if engine.discipline == Plugin("lanes"):
        return MemoryQueue(capacity)
    return OrderedQueue(
        engine.discipline.resolve("engine.discipline", DISCIPLINES),
        order_of,
        capacity=capacity,
        is_last_first=engine.discipline == Plugin("lifo"),
    )
