"""Make markets of several tokens, and hold a route to what its pools say."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from orderengine.market.described import open_pool
from orderengine.market.pools import PoolConfig
from orderengine.model.order import Mode, Route
from orderengine.model.tokens import token
from orderengine.pools import Direction, Pool, RaydiumCpmmPool, direction_of
from orderengine.routing.request import Request, Terms
from orderengine.routing.view import MarketView

TOKENS = ("A", "B", "C", "D", "E")


def cpmm(name: str, a: str, b: str, reserves: tuple[int, int], fee: int = 2_500) -> RaydiumCpmmPool:
    """Return a constant-product pool; the fee in parts per million."""
    return RaydiumCpmmPool(
        address=name,
        token_a=a,
        token_b=b,
        reserve_a=reserves[0],
        reserve_b=reserves[1],
        trade_fee_rate=fee,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
    )


@st.composite
def markets(
    draw: st.DrawFn, mispriced_bps: int = 0, depths: tuple[int, int] = (10**10, 10**14)
) -> MarketView:
    """Draw two to ten constant-product pools over up to five tokens of different worth.

    Every pool stands at its tokens' worth, or up to ``mispriced_bps`` away from it: then trading in
    cycles may pay by itself.
    """
    worth = [draw(st.integers(1, 1_000)) for _ in TOKENS]
    pools: list[Pool] = []
    for number in range(draw(st.integers(2, 10))):
        a, b = draw(
            st.lists(st.integers(0, len(TOKENS) - 1), min_size=2, max_size=2, unique=True)
            if number
            else st.just([0, 1])
        )
        depth = draw(st.integers(*depths))
        off = 10_000 + draw(st.integers(-mispriced_bps, mispriced_bps))
        reserves = depth // worth[a], depth * off // 10_000 // worth[b]
        fee = draw(st.sampled_from([0, 100, 2_500, 10_000]))
        pools.append(cpmm(f"p{number}", TOKENS[a], TOKENS[b], reserves, fee))
    return MarketView(pools)


def listed(venues: Sequence[str], pairs: Sequence[tuple[str, str, float]]) -> MarketView:
    """Return a market of built-in tokens: a pool of each venue for each pair, at shown prices."""
    pools: list[Pool] = []
    for at, (a, b, price) in enumerate(pairs):
        base, quote = token(a), token(b)
        price_x64 = int(price * 10.0 ** (quote.decimals - base.decimals) * 2**64)
        for number, venue in enumerate(venues):
            config = PoolConfig(
                name=f"{a}-{b}-{venue}",
                venue=venue,  # type: ignore[arg-type]  # one of the literals, checked when built
                depth=f"{40_000 * (1 + (at + number) % 3)} {b}",
                trade_fee_rate=(100, 500, 2_500)[(at + number) % 3],
                bin_step=(4, 10, 25)[at % 3],
                bins=60,
            )
            pools.append(open_pool(config, price_x64, base, quote))
    return MarketView(pools)


def wanted(view: MarketView, amount: int, mode: Mode = Mode.EXACT_IN, **terms: object) -> Request:
    """Ask to swap A for B."""
    given = Terms(**terms)  # type: ignore[arg-type]  # checked by the request
    return Request(view=view, sell="A", buy="B", amount=amount, mode=mode, terms=given)


def hold_to_pools(request: Request, route: Route) -> None:
    """Assert that the legs can be executed one by one, are the pools' own, and leave no dust."""
    held = {request.sell: route.amount_in}
    for leg in route.legs:
        pool = request.view.pools[leg.pool]
        direction: Direction = direction_of(pool, leg.sell, leg.buy)
        if request.is_exact_in:
            swap = pool.swap_exact_in(direction, leg.amount_in, request.view.now_s)
        else:
            swap = pool.swap_exact_out(direction, leg.amount_out, request.view.now_s)
        assert (swap.amount_in, swap.amount_out) == (leg.amount_in, leg.amount_out)
        held[leg.sell] = held.get(leg.sell, 0) - leg.amount_in
        assert held[leg.sell] >= 0
        held[leg.buy] = held.get(leg.buy, 0) + leg.amount_out
    assert held.pop(request.buy) == route.amount_out
    assert not any(held.values())
    assert request.amount == (route.amount_in if request.is_exact_in else route.amount_out)
    assert len({leg.pool for leg in route.legs}) == len(route.legs)
    left_out = [declined.pool for declined in route.left_out or ()]
    assert not {leg.pool for leg in route.legs} & set(left_out)
    assert len(set(left_out)) == len(left_out)
    assert route.bound is not None
    if request.is_exact_in:
        assert route.amount_out <= route.bound
    else:
        assert route.amount_in >= route.bound


def runs_in_cycles(route: Route) -> bool:
    """Return whether some token can be come back to along the legs."""
    left = {(leg.sell, leg.buy) for leg in route.legs}
    while left:
        ends = {sell for sell, _ in left}
        fewer = {(sell, buy) for sell, buy in left if buy in ends}
        if fewer == left:
            return True
        left = fewer
    return False
