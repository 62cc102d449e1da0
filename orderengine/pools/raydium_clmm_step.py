"""Trade inside one price range of a Raydium CLMM pool, where liquidity and fee rate stand still.

Theory. Between two initialised ticks a pool is a piece of a constant product. With liquidity L and
square roots of price p < q (Q64.64) the move between them takes or gives

    amount A = L * 2^64 * (q - p) / (p * q)        amount B = L * (q - p) / 2^64

ceiled if it goes in, floored if it comes out. A swap that ends inside the range moves the price to

    A in:  ceil(L * p / (L + net * p))       B in:  p + floor(net * 2^64 / L)
    A out: ceil(L * p / (L - gross * p))     B out: p - ceil(gross * 2^64 / L)

(L times 2^64 where it meets a price), never further than what was paid and never less than what was
bought: the pool gains every remainder. The published client floors or ceils amount A twice, once
after each divisor; that is the same number as one division by the product.

Source: programs/amm/src/libraries/{swap_math,sqrt_price_math,liquidity_math}.rs of
raydium-io/raydium-clmm at 03b44b7, and swapInternal of @raydium-io/raydium-sdk-v2 0.2.73-alpha
(observed results).
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.errors import AmountOverflow
from orderengine.pools.fixed_point import U64_MAX
from orderengine.pools.raydium_clmm_fee import FEE_RATE_ONE

__all__ = [
    "Way",
    "amounts_between",
    "root_after_input",
    "root_after_output",
    "step_exact_in",
    "step_exact_out",
]


class Way(Struct, frozen=True, gc=False):
    """Say which token goes in, and which the fee is charged in."""

    a_to_b: bool
    fee_on_input: bool


def amounts_between(liquidity: int, low: int, high: int, a_to_b: bool) -> tuple[int, int]:
    """Return (input, ceiled; output, floored) of a move between two square roots of price."""
    amount_b_x64 = liquidity * (high - low)
    if a_to_b:
        return -((-amount_b_x64 << 64) // (low * high)), amount_b_x64 >> 64
    return -(-amount_b_x64 >> 64), (amount_b_x64 << 64) // (low * high)


def root_after_input(liquidity: int, root: int, net_in: int, a_to_b: bool) -> int:
    """Return the square root of the price after an input, fees off, that stays in the range."""
    if a_to_b:
        liquidity_x64 = liquidity << 64
        return -(-liquidity_x64 * root // (liquidity_x64 + net_in * root))  # ceiled
    return root + (net_in << 64) // liquidity


def root_after_output(liquidity: int, root: int, gross_out: int, a_to_b: bool) -> int:
    """Return the square root of the price after an output, fees on, that the range can pay."""
    if a_to_b:
        return root + (-gross_out << 64) // liquidity  # less the ceiled quotient
    liquidity_x64 = liquidity << 64
    return -(-liquidity_x64 * root // (liquidity_x64 - gross_out * root))  # ceiled


def step_exact_in(
    liquidity: int,
    root: int,
    target: int,
    remaining: int,
    rate: int,
    way: Way,
) -> tuple[int, int, int, int]:
    """Trade an input until it is used up or the price is at the target.

    Args:
        liquidity: of the range.
        root: where the price stands, as a square root in Q64.64.
        target: where the range or the piece of it ends.
        remaining: base units left to pay, above 0.
        rate: the fee, in parts per million.
        way: which token goes in, and which the fee is charged in.

    Returns:
        (root reached, paid by the trader, received by the trader, fee): all after fees.
    """
    a_to_b, fee_on_input, keep = way.a_to_b, way.fee_on_input, FEE_RATE_ONE - rate
    net_in = remaining * keep // FEE_RATE_ONE if fee_on_input else remaining
    low, high = (target, root) if a_to_b else (root, target)
    moved_in, out = amounts_between(liquidity, low, high, a_to_b)
    if net_in >= moved_in:
        if fee_on_input:
            fee = -(-moved_in * rate // keep)  # ceiled
            return target, moved_in + fee, out, fee
        fee = -(-out * rate // FEE_RATE_ONE)  # ceiled
        return target, moved_in, out - fee, fee
    end = root_after_input(liquidity, root, net_in, a_to_b)
    low, high = (end, root) if a_to_b else (root, end)
    moved_in, out = amounts_between(liquidity, low, high, a_to_b)
    if fee_on_input:
        # What the move does not need is the fee, the rounding included.
        return end, remaining, out, remaining - moved_in
    fee = -(-out * rate // FEE_RATE_ONE)  # ceiled
    return end, remaining, out - fee, fee


def step_exact_out(
    liquidity: int,
    root: int,
    target: int,
    remaining: int,
    rate: int,
    way: Way,
) -> tuple[int, int, int, int]:
    """Trade until an output is paid or the price is at the target; see ``step_exact_in``.

    Raises:
        AmountOverflow: the output with its fee is above u64.
    """
    a_to_b, fee_on_input, keep = way.a_to_b, way.fee_on_input, FEE_RATE_ONE - rate
    gross_out = remaining if fee_on_input else -(-remaining * FEE_RATE_ONE // keep)  # ceiled
    if gross_out > U64_MAX:
        raise AmountOverflow("amount_out with its fee", gross_out, 64)
    low, high = (target, root) if a_to_b else (root, target)
    moved_in, out = amounts_between(liquidity, low, high, a_to_b)
    end = target
    if gross_out < out:
        end = root_after_output(liquidity, root, gross_out, a_to_b)
        low, high = (end, root) if a_to_b else (root, end)
        moved_in, out = amounts_between(liquidity, low, high, a_to_b)
    if fee_on_input:
        fee = -(-moved_in * rate // keep)  # ceiled
        return end, moved_in + fee, min(out, remaining), fee
    fee = -(-out * rate // FEE_RATE_ONE)  # ceiled
    if out - fee > remaining:
        # The move rounds up to a unit more than was asked for: the fee takes it.
        fee = out - remaining
    return end, moved_in, out - fee, fee
