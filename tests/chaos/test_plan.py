"""Check plans: the same for the same seed, in order, and of many kinds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.plan import KINDS, plan


@given(seed=st.integers(0, 2**32), faults=st.integers(1, 60), orders=st.integers(1, 5_000))
def test_a_plan_fits_its_run(seed: int, faults: int, orders: int) -> None:
    """Every fault comes while orders are still accepted, in turn, within what its kind allows."""
    found = plan(seed, faults, orders)
    assert [fault.number for fault in found] == [*range(1, faults + 1)]
    assert [fault.at_orders for fault in found] == sorted(fault.at_orders for fault in found)
    assert all(1 <= fault.at_orders <= orders for fault in found)
    for fault in found:
        kind = KINDS[fault.kind]
        assert fault.target in kind.targets
        assert kind.ms_min <= fault.for_ms <= kind.ms_max
    assert len({fault.kind for fault in found}) == min(faults, len(KINDS))


def test_a_seed_is_a_plan() -> None:
    """The same seed gives the same faults, another one others."""
    assert plan(7, 25, 2_000) == plan(7, 25, 2_000)
    assert plan(7, 25, 2_000) != plan(8, 25, 2_000)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_can_be_had_alone(kind: str) -> None:
    """So that what it does can be seen without the others."""
    assert {fault.kind for fault in plan(1, 5, 100, (kind,))} == {kind}
