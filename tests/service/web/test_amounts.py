"""Check that the amount of a request is taken to the last base unit."""

from __future__ import annotations

import pytest

from orderengine.errors import InvalidAmount
from orderengine.model.amounts import U64_MAX
from orderengine.service.web.views import ExecuteRequest


@pytest.mark.parametrize("amount", [1, 2**53 - 1, 2**53 + 1, 10**18 + 1, U64_MAX - 1, U64_MAX])
def test_an_amount_is_exact(amount: int) -> None:
    """Also where a float would round it."""
    request = ExecuteRequest(sell="SOL", buy="USDC", amount=str(amount))
    assert request.to_order("o-1", "ann").amount == amount


@pytest.mark.parametrize("amount", ["0", str(U64_MAX + 1)])
def test_an_amount_out_of_range_is_refused(amount: str) -> None:
    """By one unit is enough."""
    with pytest.raises(InvalidAmount):
        ExecuteRequest(sell="SOL", buy="USDC", amount=amount).to_order("o-1", "ann")
