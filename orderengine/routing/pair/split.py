"""Split an order over all pools of its pair: the exact optimum, with the proof beside it."""

from __future__ import annotations

from orderengine.errors import NoRoute
from orderengine.model.order import Route
from orderengine.routing.pair.baselines import best_swap, net_of
from orderengine.routing.pair.book import Book
from orderengine.routing.pair.legs import choose_legs
from orderengine.routing.pair.parallel import book_of, parallel_route
from orderengine.routing.polish import fill_input, fill_output
from orderengine.routing.request import Request
from orderengine.routing.result import LegSwap
from orderengine.routing.sweep import output_of

__all__ = ["split"]

_DUST = 1_000_000
"""Below so many units of either token a leg's rounding may be worth more than its share brings, and
the best single pool is asked, too."""
_WHY = "its leg would not pay, or not fit"


def split(request: Request) -> Route:
    """Return the route that pays most for an input, or takes least for an output, after costs.

    Where legs cost something or not all fit, the best set of pools is found first.

    The real optimum is computed on the merged book and rounded with the pools' own integers, which
    costs up to about a unit of the coarser token a leg and a tick or bin crossed (DLMM: two).

    Raises:
        NoRoute: no pool swaps the two tokens, or no legs within the limits take the amount.
        InsufficientLiquidity: the pools together do not take, or do not pay, the amount.
        AmountTooSmall: the amount would be paid for with nothing.
    """
    book, amount, now_s = book_of(request), request.amount, request.view.now_s
    if not request.terms.is_free:
        return _split_within(request, book)
    amount_out = book.output_of(float(amount)) if request.is_exact_in else float(amount)
    shares, s = book.share_output(amount_out)
    fill = fill_input if request.is_exact_in else fill_output
    swaps = fill(book.ladders, shares, amount, now_s, s)
    return parallel_route(request, book, _or_single(request, book, swaps), s)


def _or_single(request: Request, book: Book, swaps: list[LegSwap]) -> list[LegSwap]:
    """Return the best single leg in place of others where rounding eats up what those would gain.

    What pays most in real numbers may even pay nothing in integers.
    """
    net = net_of(request, swaps)
    traded = [min(swap.amount_in, swap.amount_out) for _, swap in swaps]
    if net is not None and sum(traded) >= _DUST:
        return swaps
    single = best_swap(request, book)
    other = net_of(request, single)
    return single if other is not None and (net is None or other > net) else swaps


def _split_within(request: Request, book: Book) -> Route:
    amount, now_s, is_output = request.amount, request.view.now_s, not request.is_exact_in
    legs = choose_legs(
        book, amount, is_output=is_output, terms=request.terms, is_compiled=book.is_compiled
    )
    if legs is None:
        pair = f"{request.sell} for {request.buy}"
        raise NoRoute({pair: f"no legs within the limits were found that fill {amount} base units"})
    chosen = [
        (ladder, part) for ladder, part in zip(book.ladders, legs.shares, strict=True) if part
    ]
    ladders = [ladder for ladder, _ in chosen]
    shares = [part if is_output else output_of(ladder.columns, part) for ladder, part in chosen]
    fill = fill_output if is_output else fill_input
    swaps = _or_single(request, book, fill(ladders, shares, amount, now_s, legs.last_s))
    return parallel_route(request, book, swaps, legs.last_s, _WHY, legs.bound)
