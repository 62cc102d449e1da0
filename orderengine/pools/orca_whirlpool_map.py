"""Lay out an Orca Whirlpool's liquidity once, so that a swap finds its way by bisection.

Theory. Initialised ticks cut the curve into ranges of constant liquidity. What crossing a whole
range costs and pays depends on the range and the fee rate alone, so with a constant rate the sums
of both over the ranges passed are known beforehand. A swap's last range is found in them; only the
first range, where the price stands, and the last are computed.

The ends of the known ticks (the arrays that were read) are boundaries too, where nothing is
crossed: of a walk that leaves through them, never of one that comes in.

Source: orca-so/whirlpools programs/whirlpool/src/util/swap_tick_sequence.rs and
rust-sdk/core/src/math/tick_array.rs at 630c0e0.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import U128_MAX
from orderengine.pools.orca_whirlpool_spec import OrcaWhirlpoolSpec, WhirlpoolTick
from orderengine.pools.orca_whirlpool_step import (
    LIQUIDITY_SAFE_MAX,
    amount_a_ceil,
    amount_a_floor,
    amount_b_ceil,
    amount_b_floor,
    fee_on_top,
)
from orderengine.pools.orca_whirlpool_ticks import TICK_MAX, TICK_MIN, sqrt_price_at_tick

__all__ = ["LiquidityMap", "Way", "map_liquidity"]

PROTOCOL_SHARE_ONE = 10_000


class Way(Struct, frozen=True, gc=False):
    """Hold the boundaries in one direction, in the order in which a swap comes to them.

    The tuples run in parallel, but for ``crossed``, which is one longer. Range k lies between
    boundaries k and k + 1; sums at k are over the ranges before k, and left out if the rate varies.
    """

    keys: tuple[int, ...]
    """Ticks, negated for A to B, so that they ascend."""
    prices_x64: tuple[int, ...]
    landing_ticks: tuple[int, ...]
    """The pool's tick after a swap has reached the boundary: t - 1 for A to B."""
    liquidities: tuple[int, ...]
    """Beyond the boundary."""
    crossed: tuple[int, ...]
    """Initialised ticks before the boundary."""
    costs: tuple[int, ...]
    """Sums of inputs, fees included."""
    outputs: tuple[int, ...]
    fees: tuple[int, ...]
    protocol_fees: tuple[int, ...]


class LiquidityMap(Struct, frozen=True, gc=False):
    """Hold what a swap never changes: the initialised ticks and what follows from them."""

    ticks: tuple[WhirlpoolTick, ...]
    first_tick: int
    last_tick: int
    down: Way
    up: Way
    is_summed: bool
    """Whether the ways have sums, and no product of a swap can overflow."""

    def next_down(self, tick: int) -> int:
        """Return the index of the next boundary of ``down``: at or below the tick."""
        return bisect_left(self.down.keys, -tick)

    def next_up(self, tick: int) -> int:
        """Return the index of the next boundary of ``up``: above the tick."""
        return bisect_right(self.up.keys, tick)


def map_liquidity(spec: OrcaWhirlpoolSpec) -> LiquidityMap:
    """Lay out the liquidity of a spec whose rates, price and tick are valid.

    Raises:
        InvalidData: a tick is given twice, is no multiple of the spacing or lies outside the known
            ones; so does the current tick; or liquidity falls below 0 or above u128.
    """
    source = f"pool {spec.address}"
    first, last = spec.known_ticks or (TICK_MIN, TICK_MAX)
    if not TICK_MIN <= first <= last <= TICK_MAX:
        expected = f"a first and a last tick from {TICK_MIN} to {TICK_MAX}"
        raise InvalidData(source, f"known ticks {first} to {last}", expected)
    # A walk that ends on the first tick leaves the pool one tick below it.
    if not first - 1 <= spec.tick_current <= last:
        expected = f"one of the known ticks {first} to {last}"
        raise InvalidData(source, f"current tick {spec.tick_current}", expected)
    ticks = tuple(sorted(spec.ticks, key=lambda tick: tick.tick))
    nets = {tick.tick: tick.liquidity_net for tick in ticks}
    if len(nets) != len(ticks):
        raise InvalidData(source, f"ticks {[tick.tick for tick in ticks]}", "each at most once")
    for index in nets:
        if index % spec.tick_spacing or not first <= index <= last:
            expected = f"multiples of {spec.tick_spacing} from {first} to {last}"
            raise InvalidData(source, f"tick {index}", expected)
    boundaries = sorted({*nets, first, last})
    zones = _zones(source, boundaries, nets, spec)
    is_summed = spec.adaptive_fee is None and max(zones) <= LIQUIDITY_SAFE_MAX
    prices = {tick: sqrt_price_at_tick(tick) for tick in boundaries}
    below = {tick: zones[at] for at, tick in enumerate(boundaries)}
    above = {tick: zones[at + 1] for at, tick in enumerate(boundaries)}
    coming_down = [tick for tick in reversed(boundaries) if tick in nets or tick == first]
    coming_up = [tick for tick in boundaries if tick in nets or tick == last]
    rates = (spec.fee_rate, spec.protocol_fee_rate) if is_summed else None
    return LiquidityMap(
        ticks,
        first,
        last,
        _way(coming_down, prices, below, nets, rates, a_to_b=True),
        _way(coming_up, prices, above, nets, rates, a_to_b=False),
        is_summed,
    )


def _zones(
    source: str, boundaries: list[int], nets: dict[int, int], spec: OrcaWhirlpoolSpec
) -> list[int]:
    """Return the liquidity below the first boundary, between each two, and above the last."""
    zones = [0]
    for tick in boundaries:
        zones.append(zones[-1] + nets.get(tick, 0))
    here = bisect_right(boundaries, spec.tick_current)
    shift = spec.liquidity - zones[here]
    zones = [liquidity + shift for liquidity in zones]
    if min(zones) < 0 or max(zones) > U128_MAX:
        found = f"liquidity from {min(zones)} to {max(zones)} over the ticks"
        raise InvalidData(source, found, f"from 0 to {U128_MAX}")
    return zones


def _way(
    ticks: list[int],
    prices: dict[int, int],
    beyond: dict[int, int],
    nets: dict[int, int],
    rates: tuple[int, int] | None,
    *,
    a_to_b: bool,
) -> Way:
    roots = tuple(prices[tick] for tick in ticks)
    liquidities = tuple(beyond[tick] for tick in ticks)
    crossed = [0]
    for tick in ticks:
        crossed.append(crossed[-1] + (tick in nets))
    costs, outputs, fees, protocol_fees = [0], [0], [0], [0]
    if rates is not None:
        fee_rate, protocol_share = rates
        for start, end, liquidity in zip(roots, roots[1:], liquidities, strict=False):
            if a_to_b:
                net_in = amount_a_ceil(liquidity, end, start)
                paid = amount_b_floor(liquidity, end, start)
            else:
                net_in = amount_b_ceil(liquidity, start, end)
                paid = amount_a_floor(liquidity, start, end)
            fee = fee_on_top(net_in, fee_rate)
            costs.append(costs[-1] + net_in + fee)
            outputs.append(outputs[-1] + paid)
            fees.append(fees[-1] + fee)
            protocol_fees.append(protocol_fees[-1] + fee * protocol_share // PROTOCOL_SHARE_ONE)
    keys = tuple(-tick if a_to_b else tick for tick in ticks)
    landing_ticks = tuple(tick - 1 if a_to_b else tick for tick in ticks)
    return Way(
        keys,
        roots,
        landing_ticks,
        liquidities,
        tuple(crossed),
        tuple(costs),
        tuple(outputs),
        tuple(fees),
        tuple(protocol_fees),
    )
