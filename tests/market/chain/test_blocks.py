"""Check that blocks are filled by bid and never beyond a limit, against a slow count of units."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.market.chain.bids import BidConfig, Bids
from orderengine.market.chain.blocks import BlockConfig, BlockSpace

BIDS = Bids(BidConfig())
SMALL = BlockConfig(limits=True, units=4_548_000, account_units=1_000_000, vote_units=3_548_000)
"""Room for a million units, on each account, too."""

Asked = tuple[int, int, tuple[str, ...]]

asked = st.lists(
    st.tuples(
        st.sampled_from([0, 150, 300, 5_000, 200_000, 10**6, 10**7, 10**9]),
        st.integers(1, 600_000),
        st.sampled_from([("a",), ("b",), ("a", "b"), ("c",)]),
    ),
    max_size=25,
)
demands = st.sampled_from([0.0, 0.5, 1.0, 1.7, 4.0, 50.0])


def fluid_above(bid: int, demand: float, space: int) -> int:
    """Return the units of others that bid more, counted in 20,000 grains of equal size."""
    grains = 20_000
    above = sum(BIDS.at((k + 0.5) / grains) > bid for k in range(grains))
    return round(demand * space * above / grains)


@given(asked, demands, demands)
def test_no_limit_is_ever_passed(wanted: list[Asked], demand: float, account_demand: float) -> None:
    """Whatever is asked, ours and others' together fit the block, and ours each account."""
    space = BlockSpace(SMALL, BIDS, demand, account_demand)
    on_account: dict[str, int] = {}
    for bid, units, accounts in sorted(wanted, key=lambda ask: -ask[0]):
        if space.take(bid, units, accounts):
            for name in accounts:
                on_account[name] = on_account.get(name, 0) + units
                above = int(account_demand * 1_000_000 * BIDS.share_above(bid))
                assert on_account[name] + above <= 1_000_000
    record = space.record(7)
    assert record.own_units + record.other_units <= 1_000_000
    assert record.own_units >= max(on_account.values(), default=0)
    assert record.other_units <= demand * 1_000_000


@given(st.lists(st.tuples(st.sampled_from([0, 300, 10**6]), st.integers(1, 400_000)), max_size=8))
def test_what_is_taken_is_what_a_slow_count_takes(wanted: list[tuple[int, int]]) -> None:
    """Each transaction gets in just if it fits behind our higher bids and all grains above it."""
    demand = 1.3
    space, taken = BlockSpace(SMALL, BIDS, demand, 0.0), 0
    for bid, units in sorted(wanted, key=lambda ask: -ask[0]):
        room = 1_000_000 - taken - fluid_above(bid, demand, 1_000_000)
        found = space.take(bid, units, ("a",))
        if abs(room - units) > 200:  # a grain is 65 units
            assert found == (units <= room)
        taken += units if found else 0


def test_a_bid_at_the_clearing_price_gets_in_and_one_below_does_not() -> None:
    """The price that the quantiles give is the one at which a small transaction just fits."""
    for demand in (1.5, 2.0, 3.0, 8.0, 40.0):
        price = BIDS.clearing_price(demand)
        for bid, gets_in in ((price * 101 // 100 + 2, True), (price * 99 // 100 - 1, False)):
            space = BlockSpace(SMALL, BIDS, demand, 0.0)
            assert space.take(bid, 100, ("a",)) is gets_in
            account = BlockSpace(SMALL, BIDS, 0.0, demand)
            assert account.take(bid, 100, ("a",)) is gets_in


def test_an_account_takes_85_swaps() -> None:
    """12 M units are 85 swaps of 140,000 on one pool, while the block has room for others."""
    config = replace(SMALL, units=60_000_000, account_units=12_000_000)
    space = BlockSpace(config, BIDS, 0.0, 0.0)
    taken = [space.take(0, 140_000, ("one",)) for _ in range(100)]
    assert sum(taken) == 12_000_000 // 140_000 == 85
    assert space.take(0, 140_000, ("other",))
    assert not space.take(0, 140_000, ("other", "one"))
    assert space.record(1).own_units == 86 * 140_000
