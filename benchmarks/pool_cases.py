"""Make pools and swaps for the benchmark of quotes: fixed, varied, in the form of oracle cases.

Every pool trades a token A of 9 decimals at 0.15 units of a token B of 6 decimals, as SOL and USDC
do. A pool has 64 swaps, A to B and B to A in turn, whose amounts a fixed seed spreads; each crosses
exactly ``crossed`` ticks or bins. Amounts are computed in real numbers and keep clear of the edges,
so that no rounding decides what a swap crosses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from orderengine.market.draws import Draws
from orderengine.pools.meteora_dlmm_price import bin_price_x64

__all__ = ["CASES", "NOW_S", "PoolCase"]

SWAPS = 64
SEED = 1
NOW_S = 1_767_225_600
Q64 = 2**64

_PRICE = 0.15
_PPM = 1_000_000
_TICK_BASE = 1.0001
_POSITIONS = 8
_POSITION_LIQUIDITY = 10**13
_SIDE_BINS = 15
_BIN_WORTH_B = 10**10
_BIN_STEP = 10
_DLMM_ACTIVE_ID = -1_898

Amount = Callable[[bool, float], float]
"""Return an input from the direction (A to B?) and a share from 0 to 1 of what may vary."""


class PoolCase(NamedTuple):
    """Hold one pool and what is asked of it.

    ``pool`` and ``swaps`` are as in oracle cases. ``goal`` is how many times the SDK's rate of
    quotes ours should reach; None where the SDK's rate says nothing of its math.
    """

    name: str
    venue: str
    pool: dict[str, object]
    swaps: tuple[dict[str, object], ...]
    crossed: int
    goal: float | None


def _swaps(name: str, amount: Amount, **common: object) -> tuple[dict[str, object], ...]:
    draws = Draws(SEED, name)
    made = []
    for number in range(SWAPS):
        a_to_b = number % 2 == 0
        swap: dict[str, object] = {
            "direction": "a_to_b" if a_to_b else "b_to_a",
            "mode": "exact_in",
            "amount": str(int(amount(a_to_b, 0.1 + 0.8 * draws.uniform(number)))),
        }
        made.append(swap | common)
    return tuple(made)


def _any_size(a_to_b: bool, share: float) -> float:
    """Return from 0.1 to 1,000 units of A, or their worth in B."""
    amount = float(10 ** (8 + 4 * share))
    return amount if a_to_b else amount * _PRICE


def _cpmm() -> PoolCase:
    pool = {
        "reserve_a": str(50_000 * 10**9),
        "reserve_b": str(7_500_000 * 10**6),
        "decimals_a": 9,
        "decimals_b": 6,
        "trade_fee_rate": "2500",
        "creator_fee_rate": "0",
        "protocol_fee_rate": "120000",
        "fund_fee_rate": "40000",
        "creator_fee_on": "both",
    }
    swaps = _swaps("cpmm", _any_size, creator_fee_on_input=True)
    return PoolCase("CPMM", "raydium_cpmm", pool, swaps, 0, 1.5)


def _amm_v4() -> PoolCase:
    pool = {
        "reserve_a": str(50_000 * 10**9),
        "reserve_b": str(7_500_000 * 10**6),
        "decimals_a": 9,
        "decimals_b": 6,
        "fee_numerator": "25",
        "fee_denominator": "10000",
    }
    return PoolCase("AMM v4", "raydium_amm_v4", pool, _swaps("amm v4", _any_size), 0, 20)


def _damm_v2() -> PoolCase:
    """Full range, a constant base fee and a dynamic one, fees in token B."""
    pool = {
        "collect_fee_mode": 1,
        "fee_version": 1,
        "activation_point": str(NOW_S - 86_400),
        "sqrt_price_x64": str(int(_PRICE**0.5 * Q64)),
        "sqrt_min_price_x64": "4295048016",
        "sqrt_max_price_x64": "79226673521066979257578248091",
        "liquidity": str(2 * 10**13 * Q64),
        "base_fee": {
            "mode": 0,
            "cliff_fee_numerator": "2500000",
            "number_of_period": 0,
            "period_frequency": "0",
            "reduction_factor": "0",
        },
        "protocol_fee_percent": 20,
        "referral_fee_percent": 20,
        "compounding_fee_bps": 0,
        "dynamic_fee": {
            "volatility_accumulator": "2072842",
            "bin_step": 1,
            "variable_fee_control": 7500,
        },
    }
    asked: dict[str, object] = {
        "current_point": str(NOW_S),
        "has_referral": False,
        "partial_fill": False,
    }
    swaps = _swaps("damm v2", _any_size, **asked)
    return PoolCase("DAMM v2", "meteora_damm_v2", pool, swaps, 0, 10)


class _Ladder:
    """Lay eight positions of equal liquidity around the price, each wider than the one before.

    So 16 ticks are initialised, eight on each side, a tick spacing apart, and the price lies half
    way between the inner two.
    """

    def __init__(self, spacing: int) -> None:
        self.spacing = spacing
        self.below = -18_960 // spacing * spacing  # 1.0001^-18960 is about 0.15
        self.tick_current = self.below + spacing // 2
        self.sqrt_price = _TICK_BASE ** ((self.tick_current + 0.5) / 2)
        self.liquidity = _POSITIONS * _POSITION_LIQUIDITY

    def pool(self) -> dict[str, object]:
        """Return the price, the liquidity and the ticks, ascending."""
        net = _POSITION_LIQUIDITY
        lowest, highest = self.below - 7 * self.spacing, self.below + 8 * self.spacing
        ticks = [
            {
                "tick": tick,
                "liquidity_net": str(net if tick <= self.below else -net),
                "liquidity_gross": str(net),
            }
            for tick in range(lowest, highest + 1, self.spacing)
        ]
        return {
            "tick_spacing": self.spacing,
            "tick_current": self.tick_current,
            "sqrt_price_x64": str(int(self.sqrt_price * Q64)),
            "liquidity": str(self.liquidity),
            "ticks": ticks,
        }

    def amount(self, fee_ppm: int, crossed: int) -> Amount:
        """Return inputs that end a share of the way from the last tick crossed to the next."""

        def amount(a_to_b: bool, share: float) -> float:
            net, price, liquidity = 0.0, self.sqrt_price, float(self.liquidity)
            for number in range(crossed + 1):
                tick = self.below + (-number if a_to_b else number + 1) * self.spacing
                to = _TICK_BASE ** (tick / 2)
                whole = liquidity * (1 / to - 1 / price if a_to_b else to - price)
                net += whole if number < crossed else share * whole
                price, liquidity = to, liquidity - _POSITION_LIQUIDITY
            return net / (1 - fee_ppm / _PPM)

        return amount


def _clmm(crossed: int) -> PoolCase:
    fee_ppm, ladder = 2_500, _Ladder(60)
    rates = {
        "trade_fee_rate": fee_ppm,
        "protocol_fee_rate": 120_000,
        "fund_fee_rate": 40_000,
        "fee_on": 0,
    }
    swaps = _swaps(f"clmm {crossed}", ladder.amount(fee_ppm, crossed), timestamp=NOW_S)
    name = f"CLMM, {crossed} ticks crossed"
    return PoolCase(name, "raydium_clmm", ladder.pool() | rates, swaps, crossed, 10)


def _whirlpool(crossed: int) -> PoolCase:
    fee_ppm, ladder = 3_000, _Ladder(64)
    length = 88 * ladder.spacing
    start = ladder.tick_current // length * length
    rates = {
        "fee_rate": fee_ppm,
        "protocol_fee_rate": 1_300,
        "fee_tier_index": ladder.spacing,
        "tick_array_starts": [start + length * beside for beside in range(-2, 3)],
    }
    swaps = _swaps(f"whirlpool {crossed}", ladder.amount(fee_ppm, crossed), timestamp=NOW_S)
    name = f"Whirlpool, {crossed} ticks crossed"
    return PoolCase(name, "orca_whirlpool", ladder.pool() | rates, swaps, crossed, None)


def _dlmm(bins: int, goal: float) -> PoolCase:
    """Lay 31 bins of equal worth, at rest; the volatility fee rises from bin to bin."""
    base_factor, control = 20_000, 40_000
    described = []
    for bin_id in range(_DLMM_ACTIVE_ID - _SIDE_BINS, _DLMM_ACTIVE_ID + _SIDE_BINS + 1):
        price_x64 = bin_price_x64(bin_id, _BIN_STEP)
        amount_x = _BIN_WORTH_B * Q64 // price_x64 if bin_id >= _DLMM_ACTIVE_ID else 0
        amount_y = _BIN_WORTH_B if bin_id <= _DLMM_ACTIVE_ID else 0
        described.append(
            {
                "id": bin_id,
                "price_x64": str(price_x64),
                "amount_x": str(amount_x),
                "amount_y": str(amount_y),
            }
        )
    pool = {
        "active_id": _DLMM_ACTIVE_ID,
        "bin_step": _BIN_STEP,
        "parameters": {
            "base_factor": base_factor,
            "base_fee_power_factor": 0,
            "variable_fee_control": control,
            "max_volatility_accumulator": 350_000,
            "filter_period": 30,
            "decay_period": 600,
            "reduction_factor": 5_000,
            "protocol_share": 1_000,
        },
        "v_parameters": {
            "volatility_accumulator": 0,
            "volatility_reference": 0,
            "index_reference": _DLMM_ACTIVE_ID,
            "last_update_timestamp": NOW_S - 3_600,
        },
        "collect_fee_mode": 0,
        "supports_limit_order": False,
        "bins": described,
    }

    def amount(a_to_b: bool, share: float) -> float:
        total = 0.0
        for number in range(bins):
            rate = (base_factor * _BIN_STEP * 10 + control * (number * _BIN_STEP) ** 2 / 1e3) / 1e9
            price = bin_price_x64(_DLMM_ACTIVE_ID - number, _BIN_STEP) / Q64
            whole = (_BIN_WORTH_B / price if a_to_b else _BIN_WORTH_B) / (1 - rate)
            total += whole if number < bins - 1 else share * whole
        return total

    swaps = _swaps(f"dlmm {bins}", amount, timestamp=NOW_S)
    name = f"DLMM over {bins} bin{'s' if bins > 1 else ''}"
    return PoolCase(name, "meteora_dlmm", pool, swaps, bins - 1, goal)


CASES: tuple[PoolCase, ...] = (
    _cpmm(),
    _amm_v4(),
    _clmm(0),
    _clmm(7),
    _dlmm(1, 10),
    _dlmm(15, 20),
    _damm_v2(),
    _whirlpool(0),
    _whirlpool(7),
)
