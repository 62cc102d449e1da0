"""Check that orders arrive and look as the scenario says, each from its own draws."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.market.draws import order_id_of
from orderengine.model.order import Mode, Order, Priority
from orderengine.study.orders import OrderSource, arrival_times
from orderengine.study.scenario import ArrivalConfig, Scenario
from tests.market.worlds import PRICE_X64, SOL, USDC

COUNT = 5_000


def orders_of(scenario: Scenario, price_x64: int = PRICE_X64, count: int = COUNT) -> list[Order]:
    """Return the first orders, all placed at instant 1,000."""
    source = OrderSource(scenario)
    return [source.make(number, price_x64, 1_000) for number in range(count)]


def times_of(config: ArrivalConfig, seed: int = 1, count: int = COUNT) -> list[int]:
    """Return arrival times in ns."""
    arrives, times = arrival_times(config, seed), [0]
    for number in range(count):
        times.append(arrives(number, times[-1]))
    return times[1:]


def test_burst_arrives_at_once() -> None:
    """All orders come at time 0."""
    assert set(times_of(ArrivalConfig(model="burst"))) == {0}


def test_even_arrivals_have_one_gap() -> None:
    """The n-th order comes at n / rate, rounded, without drift."""
    times = times_of(ArrivalConfig(model="even", rate_per_s=3.0))
    assert times[:4] == [0, 333_333_333, 666_666_667, 1_000_000_000]
    assert times[3_000] == 1_000 * 10**9


def test_poisson_arrivals_have_their_rate() -> None:
    """Gaps are exponential: their mean is 1 / rate, and a share of exp(-1) is longer."""
    times = times_of(ArrivalConfig(rate_per_s=500.0), count=20_000)
    gaps = [after - before for before, after in pairwise([0, *times])]
    assert min(gaps) >= 0
    assert times[-1] / 20_000 == pytest.approx(2_000_000, rel=0.03)
    assert sum(gap > 2_000_000 for gap in gaps) == pytest.approx(7_358, abs=300)
    assert times_of(ArrivalConfig(rate_per_s=500.0), seed=2, count=10) != times[:10]


def test_orders_derive_from_seed_and_number() -> None:
    """The same number gives the same order, whichever was made before."""
    scenario = Scenario()
    source, made = OrderSource(scenario), orders_of(scenario, count=50)
    assert [source.make(number, PRICE_X64, 1_000) for number in reversed(range(50))] == made[::-1]
    assert [order.order_id for order in made] == [order_id_of(1, number) for number in range(50)]
    assert orders_of(scenario.replace(seed=2), count=50) != made


def test_shares_are_as_stated() -> None:
    """Sides, modes and priorities come in the scenario's shares, independent of each other."""
    scenario = Scenario().replace(
        {
            "order.buy_share": 0.3,
            "order.exact_out_share": 0.4,
            "order.urgent_share": 0.2,
            "order.bulk_share": 0.5,
        }
    )
    made = orders_of(scenario)
    counts = Counter((order.buy, order.mode) for order in made)
    assert counts["SOL", Mode.EXACT_OUT] == pytest.approx(COUNT * 0.12, abs=110)
    assert counts["USDC", Mode.EXACT_IN] == pytest.approx(COUNT * 0.42, abs=160)
    lanes = Counter(order.priority for order in made)
    assert lanes[Priority.URGENT] == pytest.approx(COUNT * 0.2, abs=130)
    assert lanes[Priority.NORMAL] == pytest.approx(COUNT * 0.3, abs=150)
    assert lanes[Priority.BULK] == pytest.approx(COUNT * 0.5, abs=160)


@pytest.mark.parametrize("path", ["buy_share", "exact_out_share", "urgent_share"])
@pytest.mark.parametrize("share", [0, 1])
def test_share_of_none_or_all_is_exact(path: str, share: int) -> None:
    """0 means never and 1 always."""
    made = orders_of(Scenario().replace({f"order.{path}": share, "order.bulk_share": 0}), count=500)
    drawn = {
        "buy_share": {order.buy == "SOL" for order in made},
        "exact_out_share": {order.mode is Mode.EXACT_OUT for order in made},
        "urgent_share": {order.priority is Priority.URGENT for order in made},
    }
    assert drawn[path] == {bool(share)}


def test_sizes_are_lognormal_in_the_base_token() -> None:
    """Half of the orders are worth less than the median, on whichever side the amount is fixed."""
    made = orders_of(
        Scenario().replace({"order.size_median": "3SOL", "order.exact_out_share": 0.5})
    )
    for order in made:
        fixed = order.sell if order.mode is Mode.EXACT_IN else order.buy
        assert fixed in {"SOL", "USDC"}
    in_sol = [o.amount for o in made if (o.sell == "SOL") == (o.mode is Mode.EXACT_IN)]
    in_usdc = [o.amount for o in made if (o.sell == "USDC") == (o.mode is Mode.EXACT_IN)]
    assert len(in_sol) + len(in_usdc) == COUNT
    assert sum(size < 3 * SOL for size in in_sol) / len(in_sol) == pytest.approx(0.5, abs=0.05)
    below = sum(size < 240 * USDC for size in in_usdc)
    assert below / len(in_usdc) == pytest.approx(0.5, abs=0.05)


@given(st.integers(2**20, 2**90), st.floats(0, 5), st.sampled_from([1, 10**9, 2**64 - 1]))
def test_amounts_always_fit(price_x64: int, sigma: float, median: int) -> None:
    """At any price and spread the amount is from 1 to 2^64 - 1 base units."""
    scenario = Scenario().replace({"order.size_median": median, "order.size_sigma": sigma})
    for order in orders_of(scenario, price_x64, count=20):
        assert 1 <= order.amount < 2**64


def test_deadline_counts_from_acceptance() -> None:
    """0 means none."""
    assert {o.deadline_ns for o in orders_of(Scenario(), count=9)} == {1_000 + 60 * 10**9}
    none = Scenario().replace({"order.deadline": "0s"})
    assert {order.deadline_ns for order in orders_of(none, count=9)} == {None}


def test_users_take_turns() -> None:
    """Orders go round the users."""
    made = orders_of(Scenario().replace({"order.users": 3}), count=7)
    assert [order.user[-1] for order in made] == ["0", "1", "2", "0", "1", "2", "0"]
