"""Check routing in bulk: as one by one, or each order moving the pools for the next."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from orderengine.errors import InsufficientLiquidity, InvalidAmount
from orderengine.model.order import Mode
from orderengine.routing.batch import moved_by, route_in_turn, split_many
from orderengine.routing.strategies import STRATEGIES
from orderengine.routing.view import MarketView
from tests.routing.markets import cpmm, drawn_market

SIZES = [10.0**k for k in range(3, 12)]


@pytest.mark.parametrize("mode", list(Mode))
def test_many_splits_are_the_single_ones(mode: Mode) -> None:
    """A row a size: shares that add up, and what the book says for them."""
    view = drawn_market(7)
    book = view.book("SOL", "USDC")
    splits = split_many(view, "SOL", "USDC", SIZES, mode)
    assert splits.pools == tuple(ladder.pool.address for ladder in book.ladders)
    for size, shares, other in zip(SIZES, splits.shares, splits.others, strict=True):
        if mode is Mode.EXACT_IN:
            assert (shares, other) == (book.share_input(size)[0], book.output_of(size))
        else:
            assert (shares, other) == (book.share_output(size)[0], book.input_of(size))
        assert sum(shares) == pytest.approx(size, abs=1)


@pytest.mark.parametrize("mode", list(Mode))
def test_compiled_batches_are_the_same_doubles(mode: Mode) -> None:
    """Arrays in place of lists, nothing else."""
    view = drawn_market(8)
    fast = MarketView(view.pools.values(), is_compiled=True)
    plain = split_many(view, "USDC", "SOL", SIZES, mode)
    arrays = split_many(fast, "USDC", "SOL", np.array(SIZES), mode)
    assert arrays.shares.tolist() == plain.shares
    assert arrays.others.tolist() == plain.others


def test_bulk_refuses_what_one_by_one_would_be_refused() -> None:
    """Nothing is silently left out of an array."""
    view = MarketView([cpmm("p", 10**12, 10**11)])
    for amounts in ([], [0.0], [5.0, float("nan")], [2.0**64], [-1.0]):
        with pytest.raises(InvalidAmount):
            split_many(view, "SOL", "USDC", amounts)
    with pytest.raises(InsufficientLiquidity):
        split_many(view, "SOL", "USDC", [5.0, 1e11], Mode.EXACT_OUT)


@pytest.mark.parametrize("mode", list(Mode))
def test_orders_in_turn_move_the_pools(mode: Mode) -> None:
    """Each order meets what the one before it left: vaults gain and lose what was traded."""
    view = drawn_market(9)
    before = [sum(pool.vault_a for pool in view.pools.values())]
    orders = [("SOL", "USDC", 10**9)] * 3
    routes = []
    for route, after in route_in_turn(view, orders, STRATEGIES["split"], mode):
        routes.append(route)
        before.append(sum(pool.vault_a for pool in after.pools.values()))
        assert after.pools.keys() == view.pools.keys()
    gains = [later - earlier for earlier, later in itertools.pairwise(before)]
    assert gains == [route.amount_in for route in routes]
    if mode is Mode.EXACT_IN:
        assert routes[0].amount_out > routes[1].amount_out > routes[2].amount_out
    else:
        assert routes[0].amount_in < routes[1].amount_in < routes[2].amount_in


def test_a_route_moves_only_the_pools_it_uses() -> None:
    """The others are the same objects, with the ladders that were made of them."""
    view = MarketView([cpmm("near", 10**12, 10**11), cpmm("far", 10**12, 10**10)])
    ladder = view.ladder(*view.between("SOL", "USDC")[1])
    route, after = next(route_in_turn(view, [("SOL", "USDC", 10**6)], STRATEGIES["split"]))
    assert [leg.pool for leg in route.legs] == ["near"]
    assert after.pools["far"] is view.pools["far"]
    assert after.ladder(*after.between("SOL", "USDC")[1]) is ladder
    assert after.pools["near"] is not view.pools["near"]
    assert moved_by(view, route).pools["near"] == after.pools["near"]
