"""Check what is told of every pool alike."""

from __future__ import annotations

import pytest
from hypothesis import given

from orderengine.errors import WrongPair
from orderengine.pools import Direction, MeteoraDlmmPool, Pool, direction_of, tokens_of
from tests.pools.strategies import SOL, USDC, dlmm_pools, untimed


@untimed
@given(dlmm_pools())
def test_direction_and_tokens_are_inverse(drawn: MeteoraDlmmPool) -> None:
    """Selling token A is A to B, and gives token B."""
    pool: Pool = drawn
    assert direction_of(pool, SOL, USDC) is Direction.A_TO_B
    assert direction_of(pool, USDC, SOL) is Direction.B_TO_A
    for direction in Direction:
        sell, buy = tokens_of(pool, direction)
        assert direction_of(pool, sell, buy) is direction
        assert {sell, buy} == {SOL, USDC}
    for wrong in ((SOL, SOL), (SOL, "JUP"), ("JUP", USDC)):
        with pytest.raises(WrongPair, match="swaps"):
            direction_of(pool, *wrong)
