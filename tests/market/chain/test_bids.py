"""Check others' bids against their quantiles, the clearing price, and one recorded block."""

from __future__ import annotations

import csv
import gzip
from collections import deque
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidScenario
from orderengine.market.chain.bids import BidConfig, Bids
from orderengine.market.chain.blocks import BlockRecord
from orderengine.market.chain.fee_view import FeeView
from tests.shared import shared_file

BIDS = Bids(BidConfig())


@pytest.mark.parametrize(
    ("share", "bid"),
    [(0.0, 0), (0.25, 150), (0.5, 300), (0.75, 200_000), (0.9, 4_360_000), (0.99, 9_800_000)],
)
def test_quantiles_are_met(share: float, bid: int) -> None:
    """The stated quantiles come out to the unit, and back."""
    assert BIDS.at(share) == bid
    assert BIDS.share_above(bid) == pytest.approx(1 - share)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_bids_rise_with_their_share(one: float, other: float) -> None:
    """A greater share has no lower bid, and the share above a bid is what was asked."""
    low, high = sorted((one, other))
    assert BIDS.at(low) <= BIDS.at(high)
    for share in (low, high):
        # Rounding a bid down to a whole micro-lamport moves its share by 1/600 at most.
        assert BIDS.share_above(BIDS.at(share)) == pytest.approx(1 - share, abs=2e-3)


@given(st.floats(1.001, 500.0))
def test_the_clearing_price_fills_the_block(demand: float) -> None:
    """What bids above the price is just the space that there is."""
    price = BIDS.clearing_price(demand)
    assert demand * BIDS.share_above(price) == pytest.approx(1.0, abs=2e-3 * demand)
    assert price == BIDS.at(1 - 1 / demand)
    assert BIDS.paid(0, demand) == price
    assert BIDS.paid(100, demand) == 150_000_000


@pytest.mark.parametrize(
    ("demand", "price"), [(0.0, 0), (0.7, 0), (1.0, 0), (2.0, 300), (4.0, 200_000), (10, 4_360_000)]
)
def test_clearing_prices_of_whole_demands(demand: float, price: int) -> None:
    """Twice the space leaves out the lower half, four times three quarters, ten times nine tenths.

    Of a space that is not all wanted, nothing is left out.
    """
    assert BIDS.clearing_price(demand) == pytest.approx(price, rel=1e-6)


def test_quantiles_are_those_of_the_recorded_block() -> None:
    """The defaults are the quantiles of its non-vote transactions, rounded to two digits or so."""
    path = shared_file("latency/mainnet_block_361774429_tx_fees_and_errors.csv.gz")
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    others = [row for row in rows if row["is_vote"] == "0"]
    priced = sorted(int(row["cu_price_micro_lamports"] or 0) for row in others)
    config = BidConfig()
    quantiles = ((0.5, config.p50), (0.75, config.p75), (0.9, config.p90), (0.99, config.p99))
    for share, bid in quantiles:
        assert priced[round(share * len(priced))] == pytest.approx(bid, rel=2e-3)
    assert config.highest == priced[-1]
    units = sum(int(row["cost_units"]) for row in rows)
    assert (units, units - sum(int(row["cost_units"]) for row in others)) == (59_998_391, 3_547_980)


@given(
    st.lists(st.floats(0.1, 20.0), min_size=1, max_size=200),
    st.sampled_from([0, 25, 50, 75, 90, 100]),
)
def test_fee_view_is_the_median_of_recent_blocks(demands: list[float], percentile: int) -> None:
    """It is what sorting the percentile of each of the last 150 blocks gives."""
    view = FeeView(BIDS)
    recent: deque[float] = deque(maxlen=150)
    assert view.unit_price(percentile) == 0
    for slot, demand in enumerate(demands):
        view.note(BlockRecord(slot, demand, 0, 0))
        recent.append(demand)
    assert view.unit_price(percentile) == median_low(BIDS.paid(percentile, d) for d in recent)
    assert len(view.blocks) == len(recent)


def test_lowest_price_is_a_trap() -> None:
    """Where blocks are not quite full, what just got in paid nothing, and half paid something."""
    view = FeeView(BIDS)
    view.note(BlockRecord(1, 0.95, 0, 0))
    assert view.unit_price(0) == 0
    assert view.unit_price(50) == 300
    quiet = FeeView(BIDS)
    quiet.note(BlockRecord(1, 0.0, 0, 0))
    assert quiet.unit_price(90) == 0


def test_quantiles_must_rise() -> None:
    """A median above the next quantile is refused by name."""
    with pytest.raises(InvalidScenario, match="p75"):
        BidConfig(p50=200_001)
