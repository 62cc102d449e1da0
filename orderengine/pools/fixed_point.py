"""Multiply and divide integers with the rounding in the name, and keep them inside the program's.

Only what every venue does alike stands here. Square roots, tick tables and fee rules differ between
programs, so each lives in its own program's module.

Rounding decides who gains the remainder of a division. What a trader receives is floored and what a
trader pays is ceiled, so the pool gains it; a function that divides says so.
"""

from __future__ import annotations

from orderengine.errors import AmountOverflow, InvalidAmount

__all__ = [
    "Q64",
    "U64_MAX",
    "U128_MAX",
    "mul_div_ceil",
    "mul_div_floor",
    "require_u64_amount",
    "require_u64_result",
]

U64_MAX = (1 << 64) - 1
U128_MAX = (1 << 128) - 1

Q64 = 1 << 64
"""One in Q64.64, the fixed point of prices: 64 bits before the point and 64 after."""


def mul_div_floor(left: int, right: int, divisor: int) -> int:
    """Return ``left * right / divisor`` rounded down; ``divisor`` must be above 0."""
    return left * right // divisor


def mul_div_ceil(left: int, right: int, divisor: int) -> int:
    """Return ``left * right / divisor`` rounded up; ``divisor`` must be above 0."""
    # Python's // rounds towards minus infinity, so two signs make a ceiling: ceil(q) = -floor(-q).
    return -(-left * right // divisor)


def require_u64_amount(field: str, amount: int) -> None:
    """Refuse an amount that a trader cannot ask for.

    Raises:
        InvalidAmount: ``amount`` is no ``int`` (``True`` is none), below 1, or above u64.
    """
    if type(amount) is not int or not 0 < amount <= U64_MAX:
        raise InvalidAmount(field, amount, "an integer from 1 to 2^64 - 1 base units")


def require_u64_result(what: str, value: int) -> None:
    """Refuse a computed amount that a token account cannot hold.

    Raises:
        AmountOverflow: ``value`` is above u64.
    """
    if value > U64_MAX:
        raise AmountOverflow(what, value, 64)
