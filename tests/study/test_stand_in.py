"""Check the synthetic stand-in: fits find what was put in, and a study replays its price."""

from __future__ import annotations

import filecmp
from pathlib import Path

import pytest

import orderengine as oe
from orderengine.analysis.fitting_fees import FeeFit
from orderengine.analysis.fitting_slots import SlotFit
from orderengine.errors import InvalidData
from orderengine.study.stand_in import Recordings, recordings, write_stand_in
from tests.shared import shared_path

FILES = ("quotes", "transfers", "slots", "bids", "prices")


def test_fits_find_what_was_put_in(tmp_path: Path) -> None:
    """The laws of the docstring, within intervals that chance leaves once in ten thousand."""
    found = write_stand_in(tmp_path)
    quotes = oe.calibrate(found.quotes, "took_ms", confidence=0.9999)
    assert quotes.chosen is not None
    assert quotes.chosen.model == "shifted_lognormal"
    for name, true in (("offset", 300), ("median", 200), ("sigma", 0.9)):
        estimate = quotes.chosen.parameters[name]
        assert estimate.low < true < estimate.high, name
    transfers = oe.calibrate(
        found.transfers, "time_difference_ms", model="gamma", confidence=0.9999
    )
    assert transfers.chosen is not None
    for name, true in (("mean", 3_200), ("shape", 10)):
        estimate = transfers.chosen.parameters[name]
        assert estimate.low < true < estimate.high, name
    slots = oe.calibrate(found.slots, "mean_slot_ms", kind="slot_time", confidence=0.9999)
    assert isinstance(slots.fit, SlotFit)
    assert slots.fit.mean.low < 394 < slots.fit.mean.high
    bids = oe.calibrate(
        found.bids,
        "cu_price_micro_lamports",
        kind="fee",
        where={"is_vote": "0"},
        confidence=0.9999,
    )
    assert isinstance(bids.fit, FeeFit)
    assert bids.fit.zero_share.low < 0.25 < bids.fit.zero_share.high


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    """And another seed others; the folders are made."""
    one, same, other = (
        write_stand_in(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c/d", 2))
    )
    for kind in FILES:
        assert filecmp.cmp(getattr(one, kind), getattr(same, kind), shallow=False)
        assert not filecmp.cmp(getattr(one, kind), getattr(other, kind), shallow=False)


def test_a_study_replays_its_price(tmp_path: Path) -> None:
    """It begins at the file's first price."""
    found = write_stand_in(tmp_path)
    price = {"model": "trace", "file": found.prices}
    result = oe.simulate(
        oe.scenario().replace({"orders": 20, "market.price": price}), progress=False
    )
    assert result.orders["price_accept"][0] == pytest.approx(81.8, rel=1e-3)
    assert result.prices_sha256


def test_a_folder_is_looked_through(tmp_path: Path) -> None:
    """A stand-in is a folder of recordings, too; one that lacks a file is refused by its name."""
    made = recordings("", tmp_path)
    assert made.is_synthetic
    assert "SYNTHETIC" in str(made)
    found = recordings(tmp_path, tmp_path / "unused")
    assert not found.is_synthetic
    assert [getattr(found, kind) for kind in FILES] == [getattr(made, kind) for kind in FILES]
    assert str(tmp_path) not in str(found)
    assert not (tmp_path / "unused").exists()
    Path(made.bids).unlink()
    with pytest.raises(InvalidData, match="fees"):
        recordings(tmp_path, tmp_path / "unused")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidData, match="a folder that can be written"):
        write_stand_in(tmp_path / "file")


@pytest.mark.needs_shared_data
def test_the_recorded_folder_is_found() -> None:
    """Its files have the columns that the stand-in has."""
    found = recordings(shared_path(""), "unused")
    assert isinstance(found, Recordings)
    assert "jupiter" in str(found)
    assert len(oe.calibrate(found.quotes, "took_ms").values) == 871
