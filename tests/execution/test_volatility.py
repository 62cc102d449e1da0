"""Check the estimate of volatility, and the slippage that is allowed by it."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.execution.policy import checked_limits
from orderengine.execution.volatility import (
    SeenPrices,
    Volatility,
    VolatilitySlippage,
    slippage_by_volatility,
)
from orderengine.market.draws import Draws
from orderengine.model.order import Mode, Order, Route, route_of
from orderengine.model.order import Quote as AQuote

SECOND = 1_000_000_000
RULE = VolatilitySlippage(sigmas=3.0, landing_s=4.0, floor_bps=5.0, cap_bps=300.0)


def walked(sigma: float, steps: int, step_ns: int, half_life_s: float) -> Volatility:
    """Return what was learnt of a random walk of this volatility over a second."""
    seen, draws, log = Volatility(half_life_s), Draws(1, "walk"), math.log(1e18)
    for step in range(steps):
        seen.see(round(math.exp(log)), step * step_ns)
        log += sigma * math.sqrt(step_ns / SECOND) * draws.normal(step)
    return seen


@pytest.mark.parametrize("step_ns", [SECOND // 100, SECOND, 7 * SECOND])
def test_the_volatility_of_a_walk_is_found(step_ns: int) -> None:
    """However often the price is seen; with 1,000 steps of half-life the error is 2 to 3 %."""
    seen = walked(0.002, 4_000, step_ns, half_life_s=1_000 * step_ns / SECOND)
    assert seen.sigma == pytest.approx(0.002, rel=0.1)


def test_looking_more_often_finds_no_other_volatility() -> None:
    """Between two moves the price stands still; who looks there sees less and longer."""
    once, often = Volatility(10.0), Volatility(10.0)
    draws, price = Draws(1, "walk"), 1e15
    for step in range(2_000):
        once.see(round(price), step * SECOND)
        for part in range(10):
            often.see(round(price), step * SECOND + part * SECOND // 10)
        price *= math.exp(0.001 * draws.normal(step))
    # A move is dated to the tenth in which it is seen, so weights differ by some percent.
    assert often.sigma == pytest.approx(once.sigma, rel=0.05)


@given(
    st.lists(st.tuples(st.integers(1, 10**20), st.integers(0, 10**10)), min_size=2, max_size=20),
    st.floats(0.1, 1e4),
)
def test_the_estimate_is_the_weighted_mean(
    samples: list[tuple[int, int]], half_life_s: float
) -> None:
    """By the definition, from all samples at once: each return weighs 2^(-age / half-life)."""
    seen, at_ns = Volatility(half_life_s), 0
    kept: list[tuple[int, float]] = []
    for price, gap_ns in samples:
        at_ns += gap_ns
        seen.see(price, at_ns)
        if not kept or at_ns > kept[-1][0]:
            kept.append((at_ns, math.log(price)))
    weights, squares = [], []
    for (a_ns, a), (b_ns, b) in itertools.pairwise(kept):
        dt, age = (b_ns - a_ns) / SECOND, (kept[-1][0] - b_ns) / SECOND
        weights.append(0.5 ** (age / half_life_s) * (1 - 0.5 ** (dt / half_life_s)))
        squares.append((b - a) ** 2 / dt)
    total = math.fsum(weights)
    expected = 0.0
    if total > 0:
        expected = math.fsum(w * s for w, s in zip(weights, squares, strict=True)) / total
    assert seen.sigma == pytest.approx(math.sqrt(expected), rel=1e-6, abs=1e-12)


class _Feed:
    """Say one price after another, a second apart, for either direction."""

    def __init__(self, prices_x64: list[int]) -> None:
        self._prices = prices_x64
        self.asked = 0

    def now_ns(self) -> int:
        return self.asked * SECOND

    def reference_price_x64(self, sell: str, buy: str) -> int:
        del buy
        price = self._prices[self.asked]
        self.asked += 1
        return price if sell == "SOL" else (1 << 128) // price


def test_both_directions_teach_one_volatility() -> None:
    """Who buys asks for the inverse price; only the size of a return counts."""
    prices = [2**64 * n // 7 for n in (500, 505, 503, 511)]
    one, other = _Feed(prices), _Feed(prices)
    same = SeenPrices(one, one, 60.0)  # type: ignore[arg-type]  # no waiting here
    mixed = SeenPrices(other, other, 60.0)  # type: ignore[arg-type]
    for k in range(4):
        pair = ("SOL", "USDC") if k % 2 else ("USDC", "SOL")
        assert same.reference_price_x64("SOL", "USDC") == prices[k]
        mixed.reference_price_x64(*pair)
    assert same.sigma("USDC", "SOL") == pytest.approx(mixed.sigma("SOL", "USDC"), rel=1e-9)
    assert same.sigma("USDC", "SOL") > 0
    assert same.sigma("SOL", "USDT") == 0.0


@given(st.floats(0, 0.1), st.floats(0, 0.1))
def test_more_volatility_never_allows_less(low: float, more: float) -> None:
    """From the floor to the cap, in hundredths of a basis point."""
    assert RULE.millionths(0.0) == 500
    assert 500 <= RULE.millionths(low) <= RULE.millionths(low + more) <= 30_000
    assert RULE.millionths(1.0) == 30_000


def test_the_tolerance_is_by_its_formula() -> None:
    """5 bps and three times 2 bps by the root of 4 seconds are 17 bps."""
    assert RULE.millionths(0.0002) in {1_700, 1_701}  # rounded up from a float


@given(st.sampled_from(Mode), st.integers(1, 2**60), st.integers(1, 2**60), st.floats(0, 0.01))
def test_limits_are_in_the_traders_favour(
    mode: Mode, amount_in: int, amount_out: int, sigma: float
) -> None:
    """The free side gives way by no more than is allowed; the fixed one not at all."""
    order = Order(order_id="o", sell="SOL", buy="USDC", amount=1, mode=mode, slippage_bps=0)
    quote = AQuote(
        venue="v",
        pool="p",
        amount_in=amount_in,
        amount_out=amount_out,
        fee_in=0,
        fee_out=0,
        network_cost=0,
        slot=1,
    )
    route: Route = route_of(order, quote)

    class _Known(SeenPrices):
        def __init__(self) -> None:
            pass

        def sigma(self, sell: str, buy: str) -> float:
            assert (sell, buy) == ("SOL", "USDC")
            return sigma

    most_in, least_out = checked_limits(order, route, slippage_by_volatility(RULE, _Known()))
    allowed = Fraction(RULE.millionths(sigma), 10**6)
    if mode is Mode.EXACT_IN:
        assert most_in == amount_in
        assert amount_out * (1 - allowed) <= least_out < amount_out * (1 - allowed) + 1
    else:
        assert least_out == amount_out
        assert amount_in * (1 + allowed) - 1 < most_in <= amount_in * (1 + allowed)
