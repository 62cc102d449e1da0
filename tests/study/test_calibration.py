"""Test that files are calibrated to fields of a scenario, and wrong ones refused in a line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import polars as pl
import pytest

import orderengine as oe
from orderengine.analysis.fitting import MODELS
from orderengine.analysis.fitting_slots import SlotFit
from orderengine.analysis.plots import to_svg
from orderengine.errors import InvalidData
from orderengine.market.draws import Draws
from orderengine.market.latency import LatencyConfig, latency_model
from orderengine.study.calibrated import Calibration, Kind
from orderengine.study.calibration import calibrate
from tests.shared import shared_file

JUPITER = "latency/jupiter_quote_latency_2025-10-23.csv"
TRANSFERS = "latency/ping_thing_priority_fee_sweep_2024-10-01.csv"
SLOTS = "latency/slot_time_samples_7h_2025-08-22.csv"
BLOCK = "latency/mainnet_block_361774429_tx_fees_and_errors.csv.gz"
KNOWN = [
    model
    for field in msgspec.structs.fields(LatencyConfig)
    if field.name == "model"
    for model in get_args(field.type)
]
"""The latency models that a scenario can hold."""


def file_of(folder: Path, **columns: object) -> str:
    """Write a CSV file of these columns."""
    path = folder / "measured.csv"
    pl.DataFrame(columns).write_csv(path)
    return str(path)


def lognormal(count: int = 2_000) -> list[float]:
    """Return durations of median 492 ms and sigma 0.5."""
    source = np.random.Generator(np.random.PCG64(4))
    logs = np.log(492) + 0.5 * source.normal(size=count)
    return [round(float(ms), 3) for ms in np.exp(logs)]


def test_a_latency_fits_the_field_it_is_for(tmp_path: Path) -> None:
    """Drawn values give their law back, as a field that a scenario takes and prints."""
    found = oe.calibrate(file_of(tmp_path, took_ms=lognormal()), "took_ms")
    assert found.chosen is not None
    assert found.chosen.model == "lognormal"
    study = oe.scenario().replace(found.settings)
    latency = study.market.quote_latency
    assert latency.sigma == pytest.approx(0.5, abs=0.03)
    assert str(latency.median).endswith("ms")
    assert 470 < float(str(latency.median).removesuffix("ms")) < 515
    assert oe.Scenario.from_toml(study.to_toml()) == study


def test_its_lines_are_a_scenario_file(tmp_path: Path) -> None:
    """What ``to_toml`` prints can be pasted, and reads as the settings do."""
    found = calibrate(
        file_of(tmp_path, took_ms=lognormal()), "took_ms", field="market.landing.confirm"
    )
    assert found.to_toml().startswith("market.landing.confirm = { model = ")
    pasted = oe.Scenario.from_toml(found.to_toml())
    assert (
        pasted.market.landing.confirm
        == oe.scenario().replace(found.settings).market.landing.confirm
    )


@pytest.mark.parametrize("model", [model for model in MODELS if model in KNOWN])
def test_the_scenarios_draws_follow_the_data(tmp_path: Path, model: str) -> None:
    """Drawn by the scenario's own model, the median is that of the fitted law."""
    path = file_of(tmp_path, took_ms=lognormal())
    found = calibrate(path, "took_ms", model=model)
    assert found.chosen is not None
    config = oe.scenario().replace(found.settings).market.quote_latency
    assert config.model == model
    measured = tuple(sorted(round(ms * 1e6) for ms in found.values))
    draw = latency_model(config, Draws(1, "latency/test"), measured)
    drawn = sorted(draw(order, 0) / 1e6 for order in range(4_000))
    law = {name: fit.value for name, fit in found.chosen.parameters.items()}
    expected = {
        "exponential": np.log(2) * law.get("mean", 0),
        "empirical": float(np.median(found.values)),
        "lognormal": law.get("median", 0),
        "shifted_lognormal": law.get("offset", 0) + law.get("median", 0),
        "gamma": law.get("mean", 0) * (1 - 1 / (3 * law.get("shape", 1))),
    }[model]
    assert drawn[2_000] == pytest.approx(expected, rel=0.06)


def test_rows_can_be_picked_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    """Only rows of one event; a row without a value counts as looked at."""
    values = lognormal(60)
    path = file_of(
        tmp_path,
        event=["quote"] * 60 + ["error"] * 40,
        took_ms=[*map(str, values[:50]), *[""] * 10, *["9999"] * 40],
    )
    found = calibrate(path, "took_ms", where={"event": "quote"})
    assert found.values == tuple(values[:50])
    assert found.rows == 60


def test_fees_without_a_bid_are_zero(tmp_path: Path) -> None:
    """Nulls count as no bid; three percentiles become the prices of the priorities."""
    bids = [*range(1, 61), *[None] * 40]
    found = calibrate(file_of(tmp_path, price=bids), "price", kind="fee")
    study = oe.scenario().replace(found.settings)
    assert study.market.fees.urgent_micro_lamports == 35
    assert study.market.fees.normal_micro_lamports == 10
    assert study.market.fees.bulk_micro_lamports == 0
    assert "zero_share" in str(found)


def test_slots_give_length_and_chance(tmp_path: Path) -> None:
    """The slot's length, weighted counts from their own column; the chance to land a slot."""
    source = np.random.Generator(np.random.PCG64(1))
    means = source.normal(400, 5, 200)
    path = file_of(tmp_path, mean_slot_ms=means, num_slots=[150] * 200)
    found = calibrate(path, "mean_slot_ms", kind="slot_time")
    assert isinstance(found.fit, SlotFit)
    assert found.fit.jitter_sd.value == pytest.approx(5 * 150**0.5, rel=0.15)
    assert oe.scenario().replace(found.settings).market.slot == found.settings["market.slot"]
    landed = file_of(tmp_path, slots=source.geometric(0.3, 900))
    chance = calibrate(landed, "slots", kind="landing_slots")
    study = oe.scenario().replace(chance.settings)
    assert study.market.landing.model == "slots"
    assert study.market.landing.slots_p == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("kind", ["latency", "fee", "slot_time", "landing_slots"])
def test_a_calibration_shows_itself(tmp_path: Path, kind: Kind) -> None:
    """As text, as a table of figures, as HTML and as a chart."""
    whole = np.random.Generator(np.random.PCG64(1)).geometric(0.2, 300)
    found = calibrate(file_of(tmp_path, x=whole), "x", kind=kind)
    assert isinstance(found, Calibration)
    assert "300 values in 300 rows" in str(found)
    assert found.to_toml() in str(found)
    assert found.table["value"].null_count() == 0
    assert found._repr_html_().startswith("<pre>")
    assert to_svg(found.plot()).startswith("<svg")


def test_parquet_and_gzip_read_alike(tmp_path: Path) -> None:
    """The same fit from each form of a file."""
    path = file_of(tmp_path, took_ms=lognormal(200))
    packed, parquet = tmp_path / "measured.csv.gz", tmp_path / "measured.parquet"
    packed.write_bytes(gzip.compress(Path(path).read_bytes()))
    pl.read_csv(path).write_parquet(parquet)
    fits = [calibrate(file, "took_ms").fits[0] for file in (path, packed, parquet)]
    assert fits[0] == fits[1] == fits[2]


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    """No file, no column, no number, no model, too few values: one line that names the file."""
    path = file_of(tmp_path, took_ms=["12", "fast", *["3"] * 20], few=["1"] * 22)
    cases: list[tuple[str, str, dict[str, str]]] = [
        (str(tmp_path / "none.csv"), "took_ms", {}),
        (path, "took", {}),
        (path, "took_ms", {}),
        (path, "few", {}),
    ]
    for file, column, more in cases:
        with pytest.raises(InvalidData, match=r"\.csv"):
            calibrate(file, column, **more)  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match="weibull"):
        calibrate(file_of(tmp_path, took_ms=lognormal(50)), "took_ms", model="weibull")


@pytest.mark.needs_shared_data
def test_jupiters_quotes_have_a_floor() -> None:
    """871 quotes; a shifted lognormal is nearer than the lognormal, and not good either."""
    found = calibrate(shared_file(JUPITER), "took_ms")
    assert len(found.values) == 871
    by_model = {fit.model: fit for fit in found.fits}
    assert by_model["shifted_lognormal"].ks < by_model["lognormal"].ks
    assert found.chosen is by_model["shifted_lognormal"]
    assert 300 < found.chosen.value("offset") < min(found.values)
    assert any("p25" in warning for warning in found.warnings)


@pytest.mark.needs_shared_data
def test_transfers_land_some_slots_later() -> None:
    """188 transfers; a geometric law has too many early ones, and the calibration says so."""
    found = calibrate(shared_file(TRANSFERS), "time_difference_ms")
    assert len(found.values) == 188
    assert found.chosen is not None
    assert found.chosen.ks < 0.1
    slots = calibrate(shared_file(TRANSFERS), "slot_latency", kind="landing_slots")
    assert any("p50" in warning for warning in slots.warnings)


@pytest.mark.needs_shared_data
def test_slots_of_seven_hours_jitter() -> None:
    """437 minutes, 382 to 423 ms; what their spread says of one slot."""
    found = calibrate(shared_file(SLOTS), "mean_slot_ms", kind="slot_time")
    assert isinstance(found.fit, SlotFit)
    assert found.fit.mean.low < np.mean(found.values) < found.fit.mean.high
    assert (min(found.values), max(found.values)) == (382.166, 422.535)
    assert found.fit.jitter_sd.value > 10 * found.fit.mean_sd.value


@pytest.mark.needs_shared_data
def test_the_blocks_bids_are_the_default_scenarios() -> None:
    """The percentiles of all 755 non-vote transactions are those that the scenario names."""
    found = calibrate(
        shared_file(BLOCK), "cu_price_micro_lamports", kind="fee", where={"is_vote": "0"}
    )
    assert found.rows == 755
    fees = oe.scenario().market.fees
    assert found.settings["market.fees.urgent_micro_lamports"] == fees.urgent_micro_lamports
    assert found.settings["market.fees.normal_micro_lamports"] == fees.normal_micro_lamports
    assert found.warnings, "no lognormal has the steps of round bids"
