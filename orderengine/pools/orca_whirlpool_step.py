"""Trade inside one stretch of an Orca Whirlpool's curve, where liquidity and fee rate are constant.

Theory. With liquidity L a move between sqrt prices p1 < p2 (Q64.64) exchanges

    A = L * 2^64 * (p2 - p1) / (p1 * p2)          B = L * (p2 - p1) / 2^64

each rounded once: up for what comes in, down for what goes out. A step ends at its target if the
amount suffices, or else where the amount ends: at ceil(L * p / (L + A * p)), or p +- B / L rounded
down for an input and up for an output, so always for the pool's good. The fee is
ceil(in * f / (1 - f)) if the target is reached, and otherwise all that is left of the input.

Source: FORMAT.md of the oracle vectors (computed by @orca-so/whirlpools-core 3.1.0), and
orca-so/whirlpools programs/whirlpool/src/math/{swap_math,token_math}.rs at 630c0e0.
"""

from __future__ import annotations

from orderengine.errors import AmountOverflow
from orderengine.pools.fixed_point import U64_MAX, require_u64_result

__all__ = [
    "FEE_RATE_ONE",
    "LIQUIDITY_SAFE_MAX",
    "amount_a_ceil",
    "amount_a_floor",
    "amount_b_ceil",
    "amount_b_floor",
    "amounts_between",
    "fee_on_top",
    "price_after_in",
    "price_after_out",
    "step_in",
    "step_out",
]

FEE_RATE_ONE = 1_000_000
"""A fee rate of 100 %."""

LIQUIDITY_SAFE_MAX = (1 << 96) - 1
"""Below this no product of a step can pass 256 bits, as sqrt prices have 96."""


def amount_a_floor(liquidity: int, low_x64: int, high_x64: int) -> int:
    """Return token A between two sqrt prices, rounded down."""
    return (liquidity * (high_x64 - low_x64) << 64) // (low_x64 * high_x64)


def amount_a_ceil(liquidity: int, low_x64: int, high_x64: int) -> int:
    """Return token A between two sqrt prices, rounded up."""
    return -(-(liquidity * (high_x64 - low_x64) << 64) // (low_x64 * high_x64))


def amount_b_floor(liquidity: int, low_x64: int, high_x64: int) -> int:
    """Return token B between two sqrt prices, rounded down."""
    return liquidity * (high_x64 - low_x64) >> 64


def amount_b_ceil(liquidity: int, low_x64: int, high_x64: int) -> int:
    """Return token B between two sqrt prices, rounded up."""
    return -(-liquidity * (high_x64 - low_x64) >> 64)


def fee_on_top(net_in: int, fee_rate: int) -> int:
    """Return the fee of a net input at a rate in parts per million, rounded up."""
    return -(-net_in * fee_rate // (FEE_RATE_ONE - fee_rate))


def amounts_between(liquidity: int, price_x64: int, end_x64: int, a_to_b: bool) -> tuple[int, int]:
    """Return what a move takes, rounded up, and what it pays, rounded down."""
    if a_to_b:
        product = liquidity * (price_x64 - end_x64)
        return -(-(product << 64) // (price_x64 * end_x64)), product >> 64
    product = liquidity * (end_x64 - price_x64)
    return -(-product >> 64), (product << 64) // (price_x64 * end_x64)


def price_after_in(liquidity: int, price_x64: int, net_in: int, a_to_b: bool) -> int:
    """Return the sqrt price that a net input moves to; ``liquidity`` must be above 0."""
    if a_to_b:
        shifted = liquidity << 64
        return -(-shifted * price_x64 // (shifted + net_in * price_x64))  # ceiled
    return price_x64 + (net_in << 64) // liquidity  # floored


def price_after_out(liquidity: int, price_x64: int, out: int, a_to_b: bool) -> int:
    """Return the sqrt price at which so much is paid out; the liquidity must hold more than it."""
    if a_to_b:
        return price_x64 + (-out << 64) // liquidity  # what is taken off is ceiled
    shifted = liquidity << 64
    return -(-shifted * price_x64 // (shifted - out * price_x64))  # ceiled


def step_in(
    left: int, fee_rate: int, liquidity: int, price_x64: int, target_x64: int
) -> tuple[int, int, int, int]:
    """Trade what is left of an input towards a target as the program does, checks included.

    Args:
        left: the input, fee included.
        fee_rate: parts per million.
        liquidity: of the stretch.
        price_x64: the sqrt price before.
        target_x64: the sqrt price to stop at.

    Returns:
        (net input, output, sqrt price after, fee); the input is net of the fee.

    Raises:
        AmountOverflow: an amount is above u64, or a product above 256 bits.
    """
    a_to_b = target_x64 < price_x64
    if a_to_b:
        _require_product(liquidity, price_x64 - target_x64)
    usable = left * (FEE_RATE_ONE - fee_rate) // FEE_RATE_ONE  # floored
    net, out = amounts_between(liquidity, price_x64, target_x64, a_to_b)
    if net <= usable:
        _require_u64(net, out)
        return net, out, target_x64, fee_on_top(net, fee_rate)
    if a_to_b:
        _require_product(liquidity, price_x64)
    end = price_after_in(liquidity, price_x64, usable, a_to_b)
    if not a_to_b:
        _require_product(liquidity, end - price_x64)
    net, out = amounts_between(liquidity, price_x64, end, a_to_b)
    _require_u64(net, out)
    return net, out, end, left - net


def step_out(
    left: int, fee_rate: int, liquidity: int, price_x64: int, target_x64: int
) -> tuple[int, int, int, int]:
    """Trade for what is left of a wanted output; all else is as in ``step_in``."""
    a_to_b = target_x64 < price_x64
    if not a_to_b:
        _require_product(liquidity, target_x64 - price_x64)
    net, out = amounts_between(liquidity, price_x64, target_x64, a_to_b)
    end = target_x64
    if out > left:
        if not a_to_b:
            _require_product(liquidity, price_x64)
        end = price_after_out(liquidity, price_x64, left, a_to_b)
        net, out = amounts_between(liquidity, price_x64, end, a_to_b)
    if a_to_b:
        _require_product(liquidity, price_x64 - end)
    # The price's last place may be worth more than is left: the curve then pays more than is handed
    # out, and the program refuses if even that passes u64.
    _require_u64(net, out)
    return net, min(out, left), end, fee_on_top(net, fee_rate)


def _require_u64(amount_in: int, amount_out: int) -> None:
    if amount_in > U64_MAX or amount_out > U64_MAX:
        require_u64_result("amount_in", amount_in)
        require_u64_result("amount_out", amount_out)


def _require_product(liquidity: int, factor_x64: int) -> None:
    """Refuse a numerator of token A that the program's 256 bits cannot hold."""
    product = liquidity * factor_x64
    if product >> 192:
        raise AmountOverflow("liquidity * sqrt price * 2^64", product << 64, 256)
