"""Split an order over all pools of its pair: the exact optimum, with the proof beside it."""

from __future__ import annotations

from orderengine.model.order import Route
from orderengine.routing.parallel import book_of, parallel_route
from orderengine.routing.polish import fill_input, fill_output
from orderengine.routing.request import Request

__all__ = ["split"]


def split(request: Request) -> Route:
    """Return the route that pays most for an input, or takes least for an output.

    The real optimum is computed on the merged book and rounded with the pools' own integers, which
    costs at most a unit of the coarser token a leg and a tick or bin crossed.

    Raises:
        NoRoute: no pool swaps the two tokens.
        InsufficientLiquidity: the pools together do not take, or do not pay, the amount.
        AmountTooSmall: the amount would be paid for with nothing.
    """
    book, amount, now_s = book_of(request), request.amount, request.view.now_s
    amount_out = book.output_of(float(amount)) if request.is_exact_in else float(amount)
    shares, s = book.share_output(amount_out)
    fill = fill_input if request.is_exact_in else fill_output
    return parallel_route(request, book, fill(book.ladders, shares, amount, now_s), s)
