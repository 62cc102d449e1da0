"""Say why an order has no route, with what was asked for and what there is."""

from __future__ import annotations

from collections.abc import Callable

from orderengine.errors import AmountTooSmall, InsufficientLiquidity
from orderengine.routing.request import Request
from orderengine.routing.result import floor_of

__all__ = ["too_much", "too_small"]


_BACK = (0.0, 1e-9, 1e-6, 1e-3, 1e-2, 0.1, 0.5)
"""Parts of the most in real numbers that rounding, or the terms, may keep from being traded, tried
in turn."""


def too_much(
    request: Request, where: str, most: float, is_filled: Callable[[int], bool]
) -> InsufficientLiquidity:
    """Return that an amount is more than can be traded, with one that can.

    Args:
        request: what was asked.
        where: which pools were.
        most: what they take, or of an exact output pay, in real numbers.
        is_filled: whether an amount is traded in full, in integers.
    """
    available = 0
    for back in _BACK:
        amount = min(floor_of(most * (1 - back)), request.amount - 1)
        if amount > 0 and is_filled(amount):
            available = amount
            break
    does = "take" if request.is_exact_in else "pay"
    return InsufficientLiquidity(_pair(request, where), request.amount, available, does=does)


def too_small(request: Request, where: str, least: int) -> AmountTooSmall | None:
    """Return that an input is paid for with nothing; None if that is not so.

    Args:
        request: what was asked.
        where: which pools were.
        least: the least input that pays a unit; 0 if none is known.
    """
    if request.is_exact_in and least > request.amount:
        return AmountTooSmall(_pair(request, where), least, request.amount)
    return None


def _pair(request: Request, where: str) -> str:
    return f"{request.sell} for {request.buy} ({where})"
