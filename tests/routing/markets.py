"""Make markets to route on: drawn ones with pools of every venue, and the plainest by hand."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log

from orderengine.market.drawn import DrawnPools, draw_pools
from orderengine.market.draws import Draws
from orderengine.model.order import Mode
from orderengine.pools import RaydiumCpmmPool
from orderengine.routing.request import Request
from orderengine.routing.view import MarketView

DRAWS = Draws(1, "tests/routing")
_PICKS = Draws(1, "tests/routing/orders")


def drawn_market(number: int, count: int | None = None) -> MarketView:
    """Return a market of 2 to 10 pools of any venue, or of as many as asked."""
    many = 2 + DRAWS.u64(number, 9_999) % 9 if count is None else count
    return MarketView(draw_pools(DrawnPools(), many, DRAWS, number))


def drawn_requests(markets: int, each: int, first: int = 0) -> Iterator[Request]:
    """Yield requests of all kinds and sizes, from dust to nearly all that the pools hold."""
    for number in range(first, first + markets):
        view = drawn_market(number)
        for k in range(each):
            at = 3 * k
            sell, buy = ("SOL", "USDC") if _PICKS.u64(number, at) & 1 else ("USDC", "SOL")
            mode = Mode.EXACT_IN if _PICKS.u64(number, at + 1) & 1 else Mode.EXACT_OUT
            book = view.book(sell, buy)
            held = book.amount_in_max if mode is Mode.EXACT_IN else book.amount_out_max
            most = min(0.98 * held, 2e13)
            size = exp(log(1e4) + _PICKS.uniform(number, at + 2) * log(most / 1e4))
            yield Request(view=view, sell=sell, buy=buy, amount=int(size), mode=mode)


def cpmm(
    address: str,
    reserve_a: int,
    reserve_b: int,
    fee: int = 2_500,
    tokens: tuple[str, str] = ("SOL", "USDC"),
) -> RaydiumCpmmPool:
    """Return a constant-product pool; the fee in parts per million."""
    return RaydiumCpmmPool(
        address=address,
        token_a=tokens[0],
        token_b=tokens[1],
        reserve_a=reserve_a,
        reserve_b=reserve_b,
        trade_fee_rate=fee,
        protocol_fee_rate=0,
        fund_fee_rate=0,
    )
