"""Draw split problems for the convex solver, and state them by each program's own formulas.

Nothing of the router is used: pools are described by what their accounts hold, and the arcs follow
from the formulas of constant products, tick ranges and bins alone. So an agreement with the
router's answers checks its price curves too. Of our pools' code only the tables of prices are used:
that of CLMM has 12 digits of the formula's, and decides what a range holds to 10.
"""

from __future__ import annotations

from math import floor, inf, log, sqrt
from typing import Any, NamedTuple

from benchmarks.peers.arcs import Arc
from orderengine.market.draws import Draws
from orderengine.pools.meteora_dlmm_price import bin_price_x64
from orderengine.pools.raydium_clmm_ticks import sqrt_price_at_tick

__all__ = ["PROBLEMS", "Problem", "drawn_problem"]

PROBLEMS = 500
_PRODUCTS_ONLY = 300
"""Problems of constant products alone: 2 to 10 pools. The others have 2 to 5 of all kinds."""

_DRAWS = Draws(1, "benchmarks/convex")
_DRAWS_A_POOL = 32
_FEES_PPM = (100, 400, 500, 2_500, 3_000, 10_000)
_TICK = 1.0001
_SPACING = 60


class Problem(NamedTuple):
    """Hold pools of tokens A and B, and how much of one is sold."""

    amount: int
    sells_a: bool
    pools: list[dict[str, Any]]
    arcs: list[list[Arc]]
    """Of each pool, best price first."""

    def stored(self) -> dict[str, object]:
        """Return what a file keeps: the arcs follow from the pools."""
        return {"amount": self.amount, "sells_a": self.sells_a, "pools": self.pools}


def drawn_problem(number: int) -> Problem:
    """Return the problem of a number, the same one always."""
    is_plain = number < _PRODUCTS_ONLY
    count = 2 + _DRAWS.u64(number, 0) % (9 if is_plain else 4)
    price = 10.0 ** (4 * _DRAWS.uniform(number, 1) - 2)
    sells_a = bool(_DRAWS.u64(number, 2) & 1)
    pools: list[dict[str, Any]] = []
    arcs: list[list[Arc]] = []
    room = 0.0
    for index in range(count):
        k = (index + 1) * _DRAWS_A_POOL
        kind = 0 if is_plain or not index else _DRAWS.u64(number, k) % 3
        here = price * (1 + 3e-3 * _DRAWS.normal(number, k + 1))
        depth = 10.0 ** (11 + 3 * _DRAWS.uniform(number, k + 2))
        pool = (_product, _ranges, _bins)[kind](here, depth, number, k)
        pieces = _ARCS[pool["kind"]](pool, sells_a)
        pools.append(pool)
        arcs.append(pieces)
        if not kind:
            room += pieces[0].room
    share = 10.0 ** (-4 + 4 * _DRAWS.uniform(number, 3))
    return Problem(_round(room * share), sells_a, pools, arcs)


def _round(value: float) -> int:
    """Return an integer of five significant digits, so that files stay small."""
    return int(float(f"{value:.4e}"))


def _fee(number: int, k: int) -> int:
    return _FEES_PPM[_DRAWS.u64(number, k + 3) % len(_FEES_PPM)]


def _product(price: float, depth: float, number: int, k: int) -> dict[str, Any]:
    reserves = {"reserve_a": _round(depth), "reserve_b": _round(depth * price)}
    return {"kind": "product", "fee_ppm": _fee(number, k)} | reserves


def _ranges(price: float, depth: float, number: int, k: int) -> dict[str, Any]:
    """Lay one to four positions around the price, each wider than the one before."""
    tick = floor(log(price) / log(_TICK))
    first = tick // _SPACING * _SPACING
    many = 1 + _DRAWS.u64(number, k + 4) % 4
    nets: dict[int, int] = {}
    total = 0
    for index in range(many):
        held = _round(depth * sqrt(price) * (1 + 9 * _DRAWS.uniform(number, k + 5 + index)))
        low, high = first - index * _SPACING, first + (index + 1) * _SPACING
        nets[low], nets[high] = held, -held
        total += held
    return {
        "kind": "ranges",
        "fee_ppm": _fee(number, k),
        "tick": tick,
        # Of integers alone: the same on every machine.
        "sqrt_price_x64": (sqrt_price_at_tick(tick) + sqrt_price_at_tick(tick + 1)) // 2,
        "liquidity": total,
        "nets": sorted(nets.items()),
    }


def _bins(price: float, depth: float, number: int, k: int) -> dict[str, Any]:
    step = (4, 10, 20)[_DRAWS.u64(number, k + 4) % 3]
    active = floor(log(price) / log(1 + step / 1e4))
    side = 1 + _DRAWS.u64(number, k + 5) % 3
    held = []
    for offset in range(-side, side + 1):
        worth = depth * 0.02 * _DRAWS.uniform(number, k + 6 + offset + side)
        of_a = _round(worth) if offset >= 0 else 0
        of_b = _round(worth * price) if offset <= 0 else 0
        held.append((active + offset, of_a, of_b))
    return {"kind": "bins", "bin_step": step, "base_factor": 10_000, "active": active, "held": held}


def _product_arcs(pool: dict[str, Any], sells_a: bool) -> list[Arc]:
    held_in, held_out = pool["reserve_a"], pool["reserve_b"]
    if not sells_a:
        held_in, held_out = held_out, held_in
    keep = 1 - pool["fee_ppm"] / 1e6
    return [Arc(0, 1, held_out / held_in * keep, held_in / keep, inf)]


def _ranges_arcs(pool: dict[str, Any], sells_a: bool) -> list[Arc]:
    """Return a constant product for each range, of the reserves that its liquidity stands for.

    With the root of the price in units bought a unit sold, L / root of the token sold and L * root
    of the other, until the root of the next tick.
    """
    keep = 1 - pool["fee_ppm"] / 1e6
    nets = [(tick, net) for tick, net in pool["nets"] if (tick <= pool["tick"]) == sells_a]
    root = pool["sqrt_price_x64"] / 2.0**64
    if not sells_a:
        root = 1 / root
    held, arcs = float(pool["liquidity"]), []
    for tick, net in sorted(nets, reverse=sells_a):
        end = sqrt_price_at_tick(tick) / 2.0**64
        end = end if sells_a else 1 / end
        taken = held * (1 / end - 1 / root) / keep
        arcs.append(Arc(0, 1, root * root * keep, held / root / keep, taken))
        root = end
        held += -net if sells_a else net
    return arcs


def _bins_arcs(pool: dict[str, Any], sells_a: bool) -> list[Arc]:
    keep = 1 - pool["base_factor"] * pool["bin_step"] * 10 / 1e9
    arcs = []
    for bin_id, of_a, of_b in sorted(pool["held"], reverse=sells_a):
        price = bin_price_x64(bin_id, pool["bin_step"]) / 2.0**64
        price, paid = (price, of_b) if sells_a else (1 / price, of_a)
        if paid:
            arcs.append(Arc(0, 1, price * keep, inf, paid / (price * keep)))
    return arcs


_ARCS = {"product": _product_arcs, "ranges": _ranges_arcs, "bins": _bins_arcs}
