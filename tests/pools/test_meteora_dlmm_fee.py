"""Check the fee rate, the decay of volatility and the split of a fee, row by row."""

from __future__ import annotations

import pytest

from orderengine.errors import InvalidData
from orderengine.pools import DlmmFeeParameters, DlmmVolatility
from orderengine.pools.meteora_dlmm_fee import (
    accumulator_at,
    base_fee_rate,
    split_fee,
    total_fee_rate,
)

PARAMETERS = DlmmFeeParameters(
    base_factor=10_000,
    variable_fee_control=40_000,
    max_volatility_accumulator=350_000,
    filter_period=30,
    decay_period=600,
    reduction_factor=5_000,
    protocol_share=500,
)
VOLATILITY = DlmmVolatility(
    volatility_accumulator=30_001,
    volatility_reference=7,
    index_reference=100,
    last_update_timestamp=1_000,
)


@pytest.mark.parametrize(
    ("now_s", "references"),
    [
        pytest.param(900, (7, 100), id="clock behind"),
        pytest.param(1_029, (7, 100), id="inside the filter period"),
        pytest.param(1_030, (15_000, 105), id="15000.5 down"),
        pytest.param(1_599, (15_000, 105), id="last second of decay"),
        pytest.param(1_600, (0, 105), id="decayed"),
    ],
)
def test_references_follow_the_elapsed_time(now_s: int, references: tuple[int, int]) -> None:
    """Both period limits belong to the later phase."""
    assert VOLATILITY.references_at(PARAMETERS, 105, now_s) == references


@pytest.mark.parametrize(
    ("bin_id", "accumulator"), [(100, 7), (101, 10_007), (98, 20_007), (200, 350_000)]
)
def test_accumulator_counts_bins_either_way(bin_id: int, accumulator: int) -> None:
    """Each bin away from the reference adds 10000, up to the maximum."""
    assert accumulator_at(bin_id, 7, 100, 350_000) == accumulator


@pytest.mark.parametrize(
    ("control", "accumulator", "bin_step", "rate"),
    [
        pytest.param(0, 350_000, 4, 400_000, id="no variable fee"),
        pytest.param(40_000, 10_000, 4, 400_640, id="640 exactly"),
        pytest.param(40_000, 10_001, 4, 400_641, id="640.128 up"),
        pytest.param(1, 1, 1, 400_001, id="10^-11 up"),
        pytest.param(40_000, 350_000, 400, 100_000_000, id="capped at 10 %"),
    ],
)
def test_total_fee_rate_ceils_the_variable_part(
    control: int, accumulator: int, bin_step: int, rate: int
) -> None:
    """Control * (accumulator * step)^2 / 10^11 is rounded up onto the base of 400000."""
    assert total_fee_rate(400_000, control, accumulator, bin_step) == rate


@pytest.mark.parametrize(("power", "rate"), [(0, 400_000), (2, 40_000_000)])
def test_base_fee_rate_knows_the_power_factor(power: int, rate: int) -> None:
    """10000 * 4 * 10 * 10^power."""
    parameters = DlmmFeeParameters(base_factor=10_000, base_fee_power_factor=power)
    assert base_fee_rate(parameters, 4) == rate


@pytest.mark.parametrize(
    ("fee", "pool_in", "order_in", "parts"),
    [
        pytest.param(99, 10, 0, (95, 4), id="no orders: 4.95 down"),
        pytest.param(99, 0, 10, (49, 50), id="orders only: placers 49.5 down"),
        pytest.param(100, 1, 2, (66, 34), id="pool 33.3 up to 34, of it 1.7 down to 1; 33 of 66"),
        pytest.param(1, 0, 0, (0, 0), id="a fee that ate the input"),
        pytest.param(0, 5, 5, (0, 0), id="no fee"),
    ],
)
def test_split_fee_rounds_each_part(
    fee: int, pool_in: int, order_in: int, parts: tuple[int, int]
) -> None:
    """The pool's part is ceiled, the protocol's share and the placers' half are floored."""
    assert split_fee(fee, 500, pool_in, order_in) == parts


@pytest.mark.parametrize(
    "parameters",
    [
        DlmmFeeParameters(base_factor=-1),
        DlmmFeeParameters(base_factor=1, protocol_share=10_001),
        DlmmFeeParameters(base_factor=1, reduction_factor=10_001),
        DlmmFeeParameters(base_factor=1, base_fee_power_factor=256),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: DlmmFeeParameters) -> None:
    """Settings that the program could not hold are named with their range."""
    with pytest.raises(InvalidData, match="pool p: expected from 0 to"):
        parameters.require_valid("pool p")
