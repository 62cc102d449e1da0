"""The world of the order-life twins: the same draws and the same pools for SimPy and for anyio.

An order arrives, waits for a place among ``PLACES``, reads a quote, sends a transaction, lands
somewhere in a later slot or is lost, is refused if the price has moved too far (three tries), and
waits for its confirmation. A market moves the price of every pool each slot. Floats, no events, no
exact pools: this is the least that a model of an order can do, so it measures the clock.

Landing somewhere in a slot, and not at its boundary, is what lets twins agree to the last unit: at
a boundary the rounding of a float clock decides who of the market and the orders comes first.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LAND_SHARE",
    "LOST_SECONDS",
    "PLACES",
    "POOLS",
    "SLOT_SECONDS",
    "TRIES",
    "Outcome",
    "World",
    "landing",
]

SLOT_SECONDS = 0.4
POOLS = 20
PLACES = 1024
"""How many orders may be in work at once."""
SLIPPAGE = 0.005
LAND_SHARE = 0.85
LOST_SECONDS = 1.5
"""How long an order waits before it knows that a transaction was lost."""
ORDERS_PER_SECOND = 500.0
TRIES = 3
STAGES = 6
RESERVE = 5_000_000.0
FEE_KEPT = 0.9975


class Outcome(NamedTuple):
    """Say what became of the orders; twins must agree on it."""

    fills: int
    amount_out: float
    seconds_max: float
    """The time at which the last order ended, to the microsecond: clocks round differently."""


class World:
    """Hold every draw, the pools and what is recorded of each order."""

    def __init__(self, orders: int, seed: int = 7) -> None:
        draw = np.random.default_rng(seed)
        self.orders = orders
        self.arrival: list[float] = np.cumsum(
            draw.exponential(1 / ORDERS_PER_SECOND, orders)
        ).tolist()
        tries = (orders, TRIES)
        self.quote_seconds: list[list[float]] = draw.lognormal(math.log(0.06), 0.5, tries).tolist()
        self.send_seconds: list[list[float]] = draw.lognormal(math.log(0.03), 0.6, tries).tolist()
        self.luck: list[list[float]] = draw.random(tries).tolist()
        self.slots_to_land: list[list[float]] = (
            draw.geometric(0.6, tries).astype(np.float64).tolist()
        )
        self.confirm_seconds: list[float] = draw.lognormal(math.log(0.6), 0.3, orders).tolist()
        self.pool: list[int] = draw.integers(0, POOLS, orders).tolist()
        self.amount: list[float] = draw.lognormal(math.log(2000), 1.0, orders).tolist()
        self.is_buy: list[bool] = (draw.random(orders) < 0.5).tolist()
        slots = int(orders / ORDERS_PER_SECOND / SLOT_SECONDS) + 400
        self.steps: list[list[float]] = draw.normal(0, 0.0004, (slots, POOLS)).tolist()
        self.pools = [[RESERVE, RESERVE] for _ in range(POOLS)]
        self.prices = [1.0] * POOLS
        self.times: NDArray[np.float64] = np.zeros((orders, STAGES))
        self.amount_out = 0.0
        self.fills = 0
        self.left = orders

    def amount_out_min(self, order: int) -> float:
        """Return the least an order accepts: what its pool would give now, less the slippage."""
        x, y = self.pools[self.pool[order]]
        if not self.is_buy[order]:
            x, y = y, x
        amount = self.amount[order] * FEE_KEPT
        return y * amount / (x + amount) * (1 - SLIPPAGE)

    def swap(self, order: int, amount_out_min: float) -> float:
        """Swap, or return -1 if less than ``amount_out_min`` would come out."""
        pool, amount = self.pools[self.pool[order]], self.amount[order]
        x, y = pool
        kept = amount * FEE_KEPT
        if self.is_buy[order]:
            out = y * kept / (x + kept)
            if out < amount_out_min:
                return -1.0
            pool[0], pool[1] = x + amount, y - out
        else:
            out = x * kept / (y + kept)
            if out < amount_out_min:
                return -1.0
            pool[1], pool[0] = y + amount, x - out
        return out

    def move_prices(self, slot: int) -> None:
        """Move every outside price and let an arbitrageur pull the pool to it."""
        for number, step in enumerate(self.steps[slot]):
            self.prices[number] *= math.exp(step)
            pool = self.pools[number]
            product = pool[0] * pool[1]
            pool[0] = math.sqrt(product * self.prices[number])
            pool[1] = product / pool[0]

    def record(self, order: int, times: list[float]) -> None:
        """Note the times of an order that has ended."""
        self.times[order] = times
        self.left -= 1

    def fill(self, amount_out: float) -> None:
        """Count an order that was filled."""
        self.amount_out += amount_out
        self.fills += 1

    def outcome(self) -> Outcome:
        """Return what became of the orders."""
        return Outcome(
            self.fills, round(self.amount_out, 6), round(float(self.times[:, -1].max()), 6)
        )


def landing(now: float, slots: float, place: float) -> float:
    """Return the time at a place (0 to 1) of the slot so many slots after the current one."""
    return (math.floor(now / SLOT_SECONDS) + slots + place) * SLOT_SECONDS
