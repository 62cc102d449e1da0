"""Route many orders: all against one market at once, or one after another, each moving the pools.

The first asks what each order would get if it came alone: arrays in, arrays out, in real numbers,
without the integer polish; for surveys over sizes. The second is what happens if they all come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from orderengine.errors import InvalidAmount
from orderengine.model.order import Mode, Route
from orderengine.pools import Direction, Pool
from orderengine.pools.units import symbol_of
from orderengine.routing.pair.parallel import book_of
from orderengine.routing.request import Request, Strategy, Terms
from orderengine.routing.view import MarketView

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Splits", "moved_by", "route_in_turn", "split_many"]


class Splits(Struct, frozen=True, eq=False):
    """Hold the optimal splits of n orders over k pools, in real numbers.

    Arrays of numpy where the view is compiled, else lists.
    """

    pools: tuple[str, ...]
    """Addresses, one a column."""
    amounts: Any
    """What each order fixes, n."""
    shares: Any
    """Each pool's part of it, n rows by k."""
    others: Any
    """What each order gets (exact_in) or pays (exact_out), n: within rounding of the pools."""


def split_many(
    view: MarketView,
    sell: str,
    buy: str,
    amounts: Sequence[float] | NDArray[np.float64],
    mode: Mode = Mode.EXACT_IN,
) -> Splits:
    """Split many orders of a pair, each as if it came alone.

    Args:
        view: the market; where it is compiled, a million splits take about a second.
        sell: symbol or mint.
        buy: the same.
        amounts: base units, each from 1 to 2^64 - 1.
        mode: which side they fix.

    Raises:
        InvalidAmount: an amount is outside its range.
        NoRoute, InsufficientLiquidity: as ``split``, for the largest amount.
    """
    numbers: Any = [float(amount) for amount in amounts]
    if view.is_compiled:
        import numpy as np  # noqa: PLC0415  (of the extra)

        numbers = np.asarray(amounts, dtype=np.float64)
        are_amounts = bool(((numbers >= 1) & (numbers < 2.0**64)).all())
    else:
        are_amounts = all(1 <= number < 2.0**64 for number in numbers)
    if not (len(numbers) and are_amounts):
        raise InvalidAmount("amounts", "none, or others", "each from 1 to 2^64 - 1 base units")
    most = int(numbers.max() if view.is_compiled else max(numbers))
    book = book_of(Request(view=view, sell=sell, buy=buy, amount=most, mode=mode))
    share = book.share_inputs if mode is Mode.EXACT_IN else book.share_outputs
    shares, others = share(numbers)
    addresses = tuple(ladder.pool.address for ladder in book.ladders)
    return Splits(addresses, numbers, shares, others)


def route_in_turn(
    view: MarketView,
    orders: Iterable[tuple[str, str, int]],
    strategy: Strategy,
    mode: Mode = Mode.EXACT_IN,
    terms: Terms = Terms(),  # noqa: B008  (frozen)
) -> Iterator[tuple[Route, MarketView]]:
    """Route orders (sell, buy, amount) one after another, each over the pools the last one left.

    Yields:
        Each order's route, and the market after it.

    Raises:
        Rejected: an order has no route; those before it have been yielded.
    """
    for sell, buy, amount in orders:
        request = Request(view=view, sell=sell, buy=buy, amount=amount, mode=mode, terms=terms)
        route = strategy.route(request)
        view = moved_by(view, route)
        yield route, view


def moved_by(view: MarketView, route: Route) -> MarketView:
    """Return the market after a route has executed on the pools as they are there."""
    after: dict[str, Pool] = {}
    for leg in route.legs:
        pool = after.get(leg.pool) or view.pools[leg.pool]
        is_a_to_b = symbol_of(pool.token_a) == leg.sell
        direction = Direction.A_TO_B if is_a_to_b else Direction.B_TO_A
        if route.mode is Mode.EXACT_OUT:
            swap = pool.swap_exact_out(direction, leg.amount_out, view.now_s)
        else:
            swap = pool.swap_exact_in(direction, leg.amount_in, view.now_s)
        after[leg.pool] = swap.pool
    return view.moved(after.values())
