"""Route as others do: one pool, small steps, a grid of percents. Kept to measure what they cost.

None of them proves anything by itself; each route carries the bound of its pair's book all the
same, so what the heuristic left is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orderengine.model.order import Route
from orderengine.pools import Swap
from orderengine.routing.book import Book
from orderengine.routing.costs import network_cost
from orderengine.routing.ladder import Ladder
from orderengine.routing.parallel import book_of, parallel_route
from orderengine.routing.polish import try_input, try_output
from orderengine.routing.request import Request
from orderengine.routing.result import LegSwap

__all__ = ["best", "best_swap", "greedy", "grid"]

_GRID_STEPS = 20
"""Steps of 5 %."""

_Try = Callable[[Ladder, int, int], Swap | None]


def best(request: Request) -> Route:
    """Return the route over the one pool that pays most, or takes least; the first of equals.

    Where a leg costs something, that is counted.

    Raises:
        NoRoute, InsufficientLiquidity, AmountTooSmall: as ``split``.
    """
    return _route(request, best_swap(request, book_of(request)))


def best_swap(request: Request, book: Book) -> list[LegSwap]:
    """Return the one swap that nets most, the first of equals; none if no pool can do it all."""
    swap_of, _ = _side(request)
    costs = request.terms.costs
    chosen: LegSwap | None = None
    most = 0
    for ladder in book.ladders:
        swap = swap_of(ladder, request.amount, request.view.now_s)
        if swap is None:
            continue
        net = _worth(request, swap)
        if costs is not None:
            net -= network_cost(costs, [ladder.pool.venue])
        if chosen is None or net > most:
            chosen, most = (ladder, swap), net
    return [] if chosen is None else [chosen]


def greedy(steps: int) -> Callable[[Request], Route]:
    """Return a strategy that places an order in equal steps, each where it pays most just then."""

    def route(request: Request) -> Route:
        book = book_of(request)
        swap_of, is_better = _side(request)
        amount, now_s = request.amount, request.view.now_s
        taken = [0] * len(book.ladders)
        now = list(book.ladders)
        for step in range(steps):
            part = amount * (step + 1) // steps - amount * step // steps  # sums to the amount
            if not part:
                continue
            best_at, best_swap = -1, None
            for at, ladder in enumerate(now):
                swap = swap_of(ladder, part, now_s)
                if swap is not None and (best_swap is None or is_better(swap, best_swap)):
                    best_at, best_swap = at, swap
            if best_swap is None:
                return _route(request, [])
            taken[best_at] += part
            now[best_at] = Ladder(best_swap.pool, now[best_at].direction, now[best_at].columns)
        return _route(request, _swaps(request, book.ladders, taken))

    return route


def grid(request: Request) -> Route:
    """Return the best route whose legs are multiples of 5 % of the order.

    Each pool is asked for every multiple, and the best way to make 100 % of them is found by
    dynamic programming over the pools.
    """
    book = book_of(request)
    swap_of, _ = _side(request)
    amount, now_s = request.amount, request.view.now_s
    parts = [amount * step // _GRID_STEPS for step in range(_GRID_STEPS + 1)]
    nothing = [None] * _GRID_STEPS
    worth: list[int | None] = [0, *nothing]
    choices: list[list[int]] = []
    for ladder in book.ladders:
        pays: list[int | None] = [0]
        for part in parts[1:]:
            swap = swap_of(ladder, part, now_s) if part else None
            pays.append(None if swap is None else _worth(request, swap))
        after: list[int | None] = [0, *nothing]
        chosen = [0] * (_GRID_STEPS + 1)
        for total in range(1, _GRID_STEPS + 1):
            for step in range(total + 1):
                here, before = pays[step], worth[total - step]
                if here is None or before is None:
                    continue
                held = after[total]
                if held is None or here + before > held:
                    after[total], chosen[total] = here + before, step
        worth = after
        choices.append(chosen)
    if worth[_GRID_STEPS] is None:
        return _route(request, [])
    taken, left = [0] * len(choices), _GRID_STEPS
    for at in range(len(choices) - 1, -1, -1):
        step = choices[at][left]
        # Between neighbouring multiples, so that roundings add up to the amount.
        taken[at] = parts[left] - parts[left - step]
        left -= step
    return _route(request, _swaps(request, book.ladders, taken))


def _worth(request: Request, swap: Swap) -> int:
    return swap.amount_out if request.is_exact_in else -swap.amount_in


def _side(request: Request) -> tuple[_Try, Callable[[Swap, Swap], bool]]:
    if request.is_exact_in:
        return try_input, lambda one, other: one.amount_out > other.amount_out
    return try_output, lambda one, other: one.amount_in < other.amount_in


def _swaps(request: Request, ladders: Sequence[Ladder], taken: Sequence[int]) -> list[LegSwap]:
    swap_of, _ = _side(request)
    swaps: list[LegSwap] = []
    for ladder, part in zip(ladders, taken, strict=True):
        if part:
            swap = swap_of(ladder, part, request.view.now_s)
            if swap is None:
                return []
            swaps.append((ladder, swap))
    return swaps


def _route(request: Request, swaps: Sequence[LegSwap]) -> Route:
    book = book_of(request)
    share = book.share_input if request.is_exact_in else book.share_output
    _, last_s = share(float(request.amount))
    return parallel_route(request, book, swaps, last_s, "the heuristic passed it by")
