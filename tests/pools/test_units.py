"""Check prices as people read them, by hand."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.pools.units import shown_price, symbol_of
from tests.pools.test_snapshot import POOL

SOL, USDC = "SOL", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
SOL_USDC = replace(POOL, token_a=SOL, token_b=USDC)


def test_prices_by_hand() -> None:
    """0.0818 micro-USDC a lamport is 81.8 USDC a SOL; unknown tokens keep to base units."""
    assert shown_price(SOL_USDC, 2**64 * 818 // 10_000)[0].startswith("81.7999999999999999")
    assert shown_price(SOL_USDC, 2**60) == ("62.5", "USDC per SOL")
    assert shown_price(SOL_USDC, 0) == ("0", "USDC per SOL")
    assert shown_price(POOL, 2**64) == ("1", "base units of B per A")
    assert symbol_of(SOL_USDC.token_b) == "USDC"


@given(st.integers(1, 2**128))
def test_prices_are_rounded_down_to_18_digits(price_x64: int) -> None:
    """Never above the exact price, and less than a part in 10^17 below it."""
    exact = Fraction(price_x64 * 1_000, 2**64)
    shown = Fraction(shown_price(SOL_USDC, price_x64)[0])
    assert shown <= exact < shown * (1 + Fraction(1, 10**17))
