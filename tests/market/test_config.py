"""Check that a market's description refuses what no world could be, by the field's name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.config import FeeConfig, FlowConfig, LandingConfig, MarketConfig
from orderengine.market.fees import COMPUTE_UNITS, Fees
from orderengine.model.order import Priority
from orderengine.venues.accounts import PROGRAMS
from tests.market.worlds import CPMM, DLMM

FREE = FeeConfig(
    signature_lamports=0, urgent_micro_lamports=0, normal_micro_lamports=0, bulk_micro_lamports=0
)
NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "changes", "field", "expected"),
    [
        (MarketConfig, {"base": "XYZ"}, "base", "one of SOL, USDC"),
        (MarketConfig, {"quote": "SOL"}, "quote", "another token than SOL"),
        (MarketConfig, {"slot": "999us"}, "slot", "from 1ms to 60s"),
        (MarketConfig, {"slot": "61s"}, "slot", "from 1ms to 60s"),
        (MarketConfig, {"skip_rate": 0.91}, "skip_rate", "from 0 to 0.9"),
        (MarketConfig, {"skip_rate": NAN}, "skip_rate", "from 0 to 0.9"),
        (MarketConfig, {"pools": ()}, "pools", "at least one pool"),
        (MarketConfig, {"pools": (CPMM, CPMM)}, "pools", "a different name for each pool"),
        (
            MarketConfig,
            {"pools": (CPMM, replace(DLMM, depth="5SOL"))},
            "pools[1].depth",
            "an amount of USDC",
        ),
        (
            MarketConfig,
            {"pools": (replace(CPMM, depth="0USDC"),)},
            "pools[0].depth",
            "at least one base unit of USDC",
        ),
        (
            MarketConfig,
            {"pools": (replace(CPMM, depth=2**64),)},
            "pools[0].depth",
            "from 0 to 2^64 - 1",
        ),
        (
            MarketConfig,
            {"flow": FlowConfig(size_median="1USDC")},
            "flow.size_median",
            "an amount of SOL",
        ),
        (
            MarketConfig,
            {"base": "USDT", "flow": FlowConfig(size_median="1USDT")},
            "fees",
            "fees of 0 unless one token of the pair is SOL",
        ),
        (
            MarketConfig,
            {"pools": (replace(CPMM, pair="SOL/USDT", depth="5USDT"),)},
            "prices",
            "a price of USDT, in USDC",
        ),
        (
            MarketConfig,
            {"pools": (replace(CPMM, pair="SOL/USDT"),), "prices": {"USDT": "1"}},
            "pools[0].depth",
            "an amount of USDT",
        ),
        (
            MarketConfig,
            {"pools": (replace(CPMM, pair="SOL"),)},
            "pools[0].pair",
            "such as SOL/USDT",
        ),
        (MarketConfig, {"pools": (replace(CPMM, pair="SOL/SOL"),)}, "pools[0].pair", "two tokens"),
        (MarketConfig, {"pools": (replace(CPMM, pair="SOL/X"),)}, "pools[0].pair", "out of SOL"),
        (MarketConfig, {"prices": {"SOL": "1"}}, "prices", "tokens out of USDT, JUP"),
        (MarketConfig, {"prices": {"USDT": "-1"}}, "prices.USDT", "a positive decimal"),
        (FlowConfig, {"trades_per_slot": -0.1}, "trades_per_slot", "from 0 to 1000"),
        (FlowConfig, {"trades_per_slot": INFINITY}, "trades_per_slot", "from 0 to 1000"),
        (FlowConfig, {"size_sigma": 5.5}, "size_sigma", "from 0 to 5"),
        (LandingConfig, {"slots_p": 0.0}, "slots_p", "above 0 and at most 1"),
        (LandingConfig, {"slots_p": 1.1}, "slots_p", "above 0 and at most 1"),
        (LandingConfig, {"drop_rate": 1.0}, "drop_rate", "from 0 to below 1"),
        (LandingConfig, {"drop_rate": NAN}, "drop_rate", "from 0 to below 1"),
        (LandingConfig, {"drop_notice": "1"}, "drop_notice", "a duration with a unit"),
        (LandingConfig, {"blockhash_blocks": 0}, "blockhash_blocks", "from 1 to 100000 blocks"),
        (LandingConfig, {"blockhash_blocks": 100_001}, "blockhash_blocks", "from 1 to 100000"),
        (FeeConfig, {"signature_lamports": -1}, "signature_lamports", "from 0 to 10^12"),
        (FeeConfig, {"bulk_micro_lamports": 10**12 + 1}, "bulk_micro_lamports", "from 0 to 10^12"),
    ],
)
def test_bad_field_is_named(
    kind: type[Struct], changes: dict[str, object], field: str, expected: str
) -> None:
    """The error holds the field and what was expected."""
    with pytest.raises(InvalidScenario) as caught:
        kind(**changes)
    assert caught.value.field == field
    assert expected in caught.value.expected


def test_pair_without_sol_needs_no_fees() -> None:
    """Fees are paid in SOL; a pair that has none can be studied without."""
    config = MarketConfig(base="USDT", flow=FlowConfig(size_median="1USDT"), fees=FREE)
    assert (config.base, config.quote) == ("USDT", "USDC")


@pytest.mark.parametrize(
    ("priority", "units", "lamports"),
    [
        pytest.param(Priority.URGENT, 250_000, 5_000 + 50_000, id="200000 a unit"),
        pytest.param(Priority.NORMAL, 161_000, 5_000 + 49, id="48.3 up"),
        pytest.param(Priority.NORMAL, 10_000, 5_000 + 3, id="3 exactly"),
        pytest.param(Priority.BULK, 1_400_000, 5_000, id="nothing a unit"),
    ],
)
def test_network_fee_rounds_up(priority: Priority, units: int, lamports: int) -> None:
    """The fee is the signature's and the whole limit's price, rounded up to a lamport."""
    assert Fees(FeeConfig()).network_fee(priority, units) == lamports


def test_every_venue_has_a_compute_limit() -> None:
    """Each program that pools are opened for, or read from, has a price in units."""
    assert set(COMPUTE_UNITS) >= {CPMM.venue, DLMM.venue, *(found.venue for found in PROGRAMS)}


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 1_400_000))
def test_network_fee_is_the_exact_quotient_up(signature: int, price: int, units: int) -> None:
    """The fee above the signature's is the least whole number that covers units times price."""
    fees = Fees(FeeConfig(signature_lamports=signature, normal_micro_lamports=price))
    above = fees.network_fee(Priority.NORMAL, units) - signature
    assert above * 10**6 >= units * price > (above - 1) * 10**6
    assert fees.unit_price(Priority.NORMAL) == price
