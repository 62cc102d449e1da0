"""Trade on pools of one pair side by side: what all strategies without a hop share.

The book of the pair is the proof: no split pays more than its merged curve does.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from orderengine.errors import AmountTooSmall, InsufficientLiquidity, NoRoute
from orderengine.model.order import Route
from orderengine.routing.pair.book import Book
from orderengine.routing.polish import fill_input, fill_output, try_output
from orderengine.routing.refusal import too_much, too_small
from orderengine.routing.request import Request
from orderengine.routing.result import (
    LegSwap,
    bound_above,
    bound_below,
    left_out,
    route_of_swaps,
)

__all__ = ["book_of", "parallel_route", "refusal"]


def book_of(request: Request) -> Book:
    """Return the pair's book.

    Raises:
        NoRoute: no pool swaps the two tokens.
        InsufficientLiquidity: all of them together do not take, or do not pay, the amount.
    """
    view, sell, buy = request.view, request.sell, request.buy
    if not view.between(sell, buy):
        raise NoRoute({f"{sell} for {buy}": "no pool swaps the two"})
    amount_in, amount_out = _reach(request)
    book = view.book(sell, buy, amount_in=amount_in, amount_out=amount_out)
    most = book.amount_in_max if request.is_exact_in else book.amount_out_max
    if not book.ladders or request.amount > most:
        raise _too_much(request, book)
    return book


def parallel_route(
    request: Request,
    book: Book,
    swaps: Sequence[LegSwap],
    last_s: float,
    why: str = "its part would pay nothing",
    net_most: float | None = None,
) -> Route:
    """Return the route of swaps that stand side by side.

    Args:
        request: what was asked.
        book: of all the pair's pools.
        swaps: the legs.
        last_s: 1 / sqrt(price) of the last unit; pools that begin beyond it are worse.
        why: what is said of other pools that have no leg.
        net_most: what no route within the request's terms nets more than, in real numbers: what is
            received less the cost, or minus what is paid with the cost; None if not known.

    Raises:
        InsufficientLiquidity: there is no leg.
        AmountTooSmall: there is none, because the amount is too small.
    """
    if not swaps:
        raise refusal(request, book)
    view, net_bound = request.view, None
    if request.is_exact_in:
        bound = bound_above(book.output_of(float(request.amount)))
        if net_most is not None:
            net_bound = bound_above(net_most, bound)
    else:
        # Where little is left the last digits of the output are worth much.
        worth = float(request.amount) * last_s * last_s
        bound = max(bound_below(book.input_of(float(request.amount)), worth), 0)
        if net_most is not None:
            net_bound = bound_below(-net_most, bound)
    reach_in, reach_out = _reach(request)
    asked = [
        view.ladder(*entry, amount_in=reach_in, amount_out=reach_out)
        for entry in view.between(request.sell, request.buy)
    ]
    used = {ladder.pool.address for ladder, _ in swaps}
    return route_of_swaps(
        request,
        swaps,
        amount_in=sum([swap.amount_in for _, swap in swaps]),
        amount_out=sum([swap.amount_out for _, swap in swaps]),
        bound=bound,
        first_price=book.columns.starts[0] ** -2,
        left_out=left_out(asked, used, last_s, why),
        net_bound=net_bound,
    )


def _reach(request: Request) -> tuple[float, float]:
    """Return how much of each pool may matter to a request: its input, or its output."""
    amount = float(request.amount)
    return (amount, inf) if request.is_exact_in else (inf, amount)


def refusal(request: Request, book: Book) -> InsufficientLiquidity | AmountTooSmall:
    """Return why nothing can be traded on all pools of the pair together."""
    firsts = [try_output(ladder, 1, request.view.now_s) for ladder in book.ladders]
    least = min([swap.amount_in for swap in firsts if swap is not None], default=0)
    return too_small(request, _all(request), least) or _too_much(request, book)


def _too_much(request: Request, book: Book) -> InsufficientLiquidity:
    most = book.amount_in_max if request.is_exact_in else book.amount_out_max
    return too_much(request, _all(request), most, lambda amount: _is_filled(request, book, amount))


def _is_filled(request: Request, book: Book, amount: int) -> bool:
    """Return whether the pools fill an amount, rounding and all."""
    now_s = request.view.now_s
    if request.is_exact_in:
        shares, s = book.share_output(book.output_of(float(amount)))
        return bool(fill_input(book.ladders, shares, amount, now_s, s))
    shares, s = book.share_output(float(amount))
    return bool(fill_output(book.ladders, shares, amount, now_s, s))


def _all(request: Request) -> str:
    count = len(request.view.between(request.sell, request.buy))
    return "the one pool of the market" if count == 1 else f"all {count} pools of the market"
