"""Route as others do: one pool, small steps, a grid of percents. Kept to measure what they cost.

None of them proves anything by itself; each route carries the bound of its pair's book all the
same, so what the heuristic left is known. Where legs cost something, only ``best`` weighs that;
where not all fit, the others leave out the pool with the least and start again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orderengine.errors import AmountTooSmall, InsufficientLiquidity, NoRoute
from orderengine.model.order import Route
from orderengine.pools import Swap
from orderengine.routing.costs import fits, network_cost
from orderengine.routing.ladder import Ladder
from orderengine.routing.pair.book import Book
from orderengine.routing.pair.parallel import book_of, parallel_route, refusal
from orderengine.routing.polish import try_input, try_output
from orderengine.routing.refusal import too_much
from orderengine.routing.request import Request
from orderengine.routing.result import LegSwap

__all__ = ["best", "best_swap", "greedy", "grid", "net_of"]

_GRID_STEPS = 20
"""Steps of 5 %."""
_WORSE = "the heuristic passed it by"
_NOT_ONE = "another pool alone takes the whole order at a better price"

_Try = Callable[[Ladder, int, int], Swap | None]
_Place = Callable[[Request, Sequence[Ladder]], Sequence[int] | None]
"""How much of the amount goes to each pool; None if there is no way."""


def best(request: Request) -> Route:
    """Return the route over the one pool that pays most, or takes least; the first of equals.

    Where a leg costs something, that is counted.

    Raises:
        NoRoute: no pool swaps the two tokens, or no swap fits a transaction.
        InsufficientLiquidity: no pool alone takes, or pays, the amount.
        AmountTooSmall: the amount would be paid for with nothing.
    """
    book = book_of(request)
    swaps = best_swap(request, book)
    if not swaps:
        raise _none_alone(request, book)
    return _route(request, book, swaps, _NOT_ONE)


def net_of(request: Request, swaps: Sequence[LegSwap]) -> int | None:
    """Return what legs side by side make of an order after costs, greater is better."""
    if not swaps:
        return None
    made = sum([_worth(request, swap) for _, swap in swaps])
    costs = request.terms.costs
    if costs is None:
        return made
    return made - network_cost(costs, [ladder.pool.venue for ladder, _ in swaps])


def best_swap(request: Request, book: Book) -> list[LegSwap]:
    """Return the one swap that nets most, the first of equals; none if no pool can do it all."""
    swap_of, _ = _side(request)
    chosen: list[LegSwap] = []
    most = 0
    for ladder in book.ladders:
        swap = swap_of(ladder, request.amount, request.view.now_s)
        if swap is None:
            continue
        net = net_of(request, [(ladder, swap)]) or 0
        if not chosen or net > most:
            chosen, most = [(ladder, swap)], net
    return chosen


def greedy(steps: int) -> Callable[[Request], Route]:
    """Return a strategy that places an order in equal steps, each where it pays most just then."""

    def place(request: Request, ladders: Sequence[Ladder]) -> Sequence[int] | None:
        swap_of, is_better = _side(request)
        amount, now_s = request.amount, request.view.now_s
        taken, now = [0] * len(ladders), list(ladders)
        for step in range(steps):
            part = amount * (step + 1) // steps - amount * step // steps  # sums to the amount
            if not part:
                continue
            best_at, best_step = -1, None
            for at, ladder in enumerate(now):
                swap = swap_of(ladder, part, now_s)
                if swap is not None and (best_step is None or is_better(swap, best_step)):
                    best_at, best_step = at, swap
            if best_step is None:
                return None
            taken[best_at] += part
            now[best_at] = Ladder(best_step.pool, now[best_at].direction, now[best_at].columns)
        return taken

    return lambda request: _placed(request, place)


def grid(request: Request) -> Route:
    """Return the best route whose legs are multiples of 5 % of the order.

    Each pool is asked for every multiple, and the best way to make 100 % of them is found by
    dynamic programming over the pools.
    """
    return _placed(request, _on_grid)


def _on_grid(request: Request, ladders: Sequence[Ladder]) -> Sequence[int] | None:
    swap_of, _ = _side(request)
    amount, now_s = request.amount, request.view.now_s
    parts = [amount * step // _GRID_STEPS for step in range(_GRID_STEPS + 1)]
    nothing = [None] * _GRID_STEPS
    worth: list[int | None] = [0, *nothing]
    choices: list[list[int]] = []
    for ladder in ladders:
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
        return None
    taken, left = [0] * len(choices), _GRID_STEPS
    for at in range(len(choices) - 1, -1, -1):
        step = choices[at][left]
        # Between neighbouring multiples, so that roundings add up to the amount.
        taken[at] = parts[left] - parts[left - step]
        left -= step
    return taken


def _placed(request: Request, place: _Place) -> Route:
    """Return the route of a placement, with so few pools that the terms allow it."""
    book = book_of(request)
    swap_of, _ = _side(request)
    ladders = list(book.ladders)
    while ladders:
        taken = place(request, ladders)
        if taken is None:
            break
        asked = [(ladder, part) for ladder, part in zip(ladders, taken, strict=True) if part]
        swaps = [
            (ladder, swap)
            for ladder, part in asked
            if (swap := swap_of(ladder, part, request.view.now_s)) is not None
        ]
        if len(swaps) < len(asked):
            break  # rounded apart: what steps add up to, a pool may refuse at once
        if fits(request.terms, [ladder.pool.venue for ladder, _ in swaps]):
            return _route(request, book, swaps, _WORSE)
        ladders.remove(min(asked, key=lambda one: one[1])[0])
    said = "this heuristic finds no way to fill it"
    raise NoRoute({f"{request.sell} for {request.buy}": said})


def _worth(request: Request, swap: Swap) -> int:
    return swap.amount_out if request.is_exact_in else -swap.amount_in


def _side(request: Request) -> tuple[_Try, Callable[[Swap, Swap], bool]]:
    if request.is_exact_in:
        return try_input, lambda one, other: one.amount_out > other.amount_out
    return try_output, lambda one, other: one.amount_in < other.amount_in


def _none_alone(request: Request, book: Book) -> AmountTooSmall | InsufficientLiquidity:
    found = refusal(request, book)
    if isinstance(found, AmountTooSmall):
        return found
    if request.is_exact_in:
        most = max(ladder.amount_in_max for ladder in book.ladders)
    else:
        most = max(ladder.amount_out_max for ladder in book.ladders)
    swap_of, _ = _side(request)

    def is_filled(amount: int) -> bool:
        return any(swap_of(ladder, amount, request.view.now_s) for ladder in book.ladders)

    return too_much(request, "the deepest pool alone", most, is_filled)


def _route(request: Request, book: Book, swaps: Sequence[LegSwap], why: str) -> Route:
    share = book.share_input if request.is_exact_in else book.share_output
    _, last_s = share(float(request.amount))
    return parallel_route(request, book, swaps, last_s, why)
