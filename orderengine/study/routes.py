"""Ask for a route from a notebook: over a snapshot's pools, or any pools at hand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from orderengine.errors import InvalidRequest, Rejected, UnknownToken
from orderengine.model.order import Mode, Route
from orderengine.pools import Pool
from orderengine.pools.snapshot import SECONDS_END, Snapshot
from orderengine.pools.units import base_units, symbol_of
from orderengine.routing.network.strategy import network
from orderengine.routing.request import Costs, Request, Terms
from orderengine.routing.strategies import STRATEGIES
from orderengine.routing.view import MarketView
from orderengine.storage.snapshots import read_snapshot
from orderengine.study.scenario import Scenario
from orderengine.study.wiring import build_world

__all__ = ["Market", "market_view", "route"]

Market = MarketView | Snapshot | Scenario | Iterable[Pool] | str | os.PathLike[str]
"""What routes can be computed from: of a scenario the pools as they open; a string is the path of a
snapshot file."""


def route(  # noqa: PLR0913  (each by name)
    of: Market,
    sell: str,
    buy: str,
    amount: int | str,
    *,
    exact_out: bool = False,
    strategy: str = "split",
    pools: Sequence[str] = (),
    at_s: int | None = None,
    max_legs: int | None = None,
    unit_price: int | None = None,
    cycles: bool = False,
) -> Route:
    """Return the route of an order: legs in integers that the pools pay, and how good it can be.

    Args:
        of: pools, a snapshot or the path of one, a scenario; a ``MarketView`` keeps what it
            has computed for the next question (``oe.market_view(...)`` makes one).
        sell: symbol or mint of the token paid.
        buy: of the token received.
        amount: base units, or as people write it ("1.5SOL"): of ``sell``, or with ``exact_out`` of
            ``buy``.
        exact_out: fix what is received.
        strategy: a name in ``orderengine.routing.strategies.STRATEGIES``.
        pools: addresses of the only pools to use; all if empty.
        at_s: Unix seconds at which dynamic fees are computed; None for the market's own time.
        max_legs: at most so many legs.
        unit_price: what a compute unit costs, in micro-lamports: then a leg must earn its fee, and
            all legs fit one transaction.
        cycles: of strategy ``network``: trade in cycles where that pays.

    Raises:
        InvalidRequest: an argument is wrong, for example a token that no pool has.
        Rejected: there is no such route: no pool leads there, or none is deep enough; the error
            has the amounts required and available.
    """
    chosen = STRATEGIES.get(strategy)
    if chosen is None:
        known = ", ".join(STRATEGIES)
        raise InvalidRequest(f"strategy must be one of {known}, was {strategy!r}")
    if max_legs is not None and (type(max_legs) is not int or max_legs < 1):
        raise InvalidRequest(f"max_legs must be an int, at least 1, was {max_legs!r}")
    view = market_view(of, pools=pools, at_s=at_s)
    for name in (sell, buy):
        if view.tokens and symbol_of(name) not in view.tokens:
            raise UnknownToken(name, ", ".join(view.tokens))
    mode = Mode.EXACT_OUT if exact_out else Mode.EXACT_IN
    fixed, varies = (buy, sell) if exact_out else (sell, buy)
    number = base_units(amount, fixed) if isinstance(amount, str) else amount
    terms = Terms(
        costs=None if unit_price is None else _costs(view, symbol_of(varies), unit_price),
        is_one_transaction=unit_price is not None,
        legs_max=max_legs,
        may_cycle=cycles,
    )
    return chosen.route(
        Request(view=view, sell=sell, buy=buy, amount=number, mode=mode, terms=terms)
    )


def market_view(
    of: Market, *, pools: Sequence[str] = (), at_s: int | None = None, is_compiled: bool = False
) -> MarketView:
    """Return what routes are computed from, to be asked many times.

    Args:
        of: pools, a snapshot or the path of one, a scenario.
        pools: addresses of the only pools to use; all if empty.
        at_s: Unix seconds at which dynamic fees are computed; None for the market's own time.
        is_compiled: compute with compiled kernels (the extra ``fast``); the first route then takes
            a second or so.

    Raises:
        InvalidRequest: an address that no pool has.
        InvalidData: the file is no snapshot.
    """
    if at_s is not None and (type(at_s) is not int or not 0 <= at_s <= SECONDS_END):
        raise InvalidRequest(f"at_s must be Unix seconds from 0 to {SECONDS_END}, was {at_s!r}")
    if isinstance(of, str | os.PathLike):
        of = read_snapshot(of)
    slot, now_s = 0, 0
    if isinstance(of, MarketView):
        if not pools and at_s in (None, of.now_s) and is_compiled in (False, of.is_compiled):
            return of
        slot, now_s, held = of.slot, of.now_s, list(of.pools.values())
    elif isinstance(of, Snapshot):
        slot, now_s, held = of.slot, of.time_s, list(of.pools)
    elif isinstance(of, Scenario):
        world = build_world(of)
        now_s, held = world.start_ns // 1_000_000_000, list(world.pools.values())
    else:
        held = list(of)
    if pools:
        known = {pool.address: pool for pool in held}
        for address in pools:
            if address not in known:
                raise InvalidRequest(f"the market has no pool {address}, it has {', '.join(known)}")
        held = [known[address] for address in dict.fromkeys(pools)]
    return MarketView(
        held, slot=slot, now_s=now_s if at_s is None else at_s, is_compiled=is_compiled
    )


def _costs(view: MarketView, varies: str, unit_price: int) -> Costs:
    """Return the network's charges, with SOL at the price that the market's pools pay for one."""
    if varies == "SOL":
        return Costs(unit_price=unit_price, lamport_price_x64=2**64)
    try:
        sold = network(Request(view=view, sell="SOL", buy=varies, amount=10**9))
    except (Rejected, UnknownToken):
        said = f"no pools of the market say what SOL is worth in {varies}"
        raise InvalidRequest(said) from None
    return Costs(unit_price=unit_price, lamport_price_x64=sold.amount_out * 2**64 // 10**9)
