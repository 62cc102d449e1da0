"""Draw Raydium AMM v4 pools: small and skewed ones as often as real ones."""

from __future__ import annotations

from hypothesis import strategies as st

from orderengine.pools import RaydiumAmmV4Pool
from tests.pools.strategies import SOL, USDC

_balances = st.integers(1, 100) | st.integers(1, 10**9) | st.integers(1, 10**16)


@st.composite
def amm_v4_pools(draw: st.DrawFn, reserve_min: int = 0) -> RaydiumAmmV4Pool:
    """Draw a pool with fees from none to a half, with and without what the protocol may collect."""
    numerator, denominator = draw(
        st.sampled_from([(0, 10_000), (25, 10_000), (1, 3), (1, 2), (30, 10_000)])
    )
    return RaydiumAmmV4Pool(
        address="amm-v4",
        token_a=SOL,
        token_b=USDC,
        reserve_a=reserve_min + draw(_balances),
        reserve_b=reserve_min + draw(_balances),
        fee_numerator=numerator,
        fee_denominator=denominator,
        accrued_a=draw(st.just(0) | _balances),
        accrued_b=draw(st.just(0) | _balances),
    )
