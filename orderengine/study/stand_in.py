"""Find recordings in a folder, or write a synthetic stand-in with the same columns.

Recordings of others are seldom free to pass on. So a study that is calibrated to them runs on a
stand-in, too: the same kinds of files with the same columns, drawn from laws that are written here.

Assumption: the laws below, all with round figures near what public recordings gave
(docs/study/calibration.md). Where it misleads: a fit to the stand-in finds what was put in, so it
says whether the tools work and nothing of the world.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.market.draws import Draws
from orderengine.model.instants import rfc3339

__all__ = ["Recordings", "recordings", "write_stand_in"]

_QUOTES, _TRANSFERS, _SLOTS, _BIDS, _MINUTES = 800, 200, 400, 700, 2_880
_START_NS = 1_783_355_400_000_000_000  # 2026-07-06T16:30:00Z
_MINUTE_NS = 60_000_000_000
_YEAR_MINUTES = 525_600
_VOLATILITY = 0.6


class Recordings(Struct, frozen=True, kw_only=True):
    """Hold the paths of one recording of each kind."""

    quotes: str
    """``took_ms``: from asking for a quote to its answer; rows without one failed."""
    transfers: str
    """``time_difference_ms``: from sending to confirmation; ``slot_latency``: slots to landing."""
    slots: str
    """``mean_slot_ms`` of ``num_slots`` slots each."""
    bids: str
    """``cu_price_micro_lamports`` of a block's transactions, and ``is_vote``."""
    prices: str
    """``timestamp`` and ``open``: a price a minute."""
    is_synthetic: bool

    def __str__(self) -> str:
        """Say in a sentence what the files are; no path of the machine."""
        if self.is_synthetic:
            return "SYNTHETIC STAND-IN: drawn by the package, says nothing of Solana."
        names = [Path(path).name for path in (self.quotes, self.transfers, self.slots, self.bids)]
        return f"Recorded files: {', '.join([*names, Path(self.prices).name])}."


_PATTERNS = {
    "quotes": "latency/*quote*.csv*",
    "transfers": "latency/*ping*.csv*",
    "slots": "latency/*slot_time*.csv*",
    "bids": "latency/*fees*.csv*",
    "prices": "prices/sol_usd_*.csv*",
}


def recordings(
    folder: str | os.PathLike[str] | None, stand_in: str | os.PathLike[str]
) -> Recordings:
    """Return the recordings of a folder, or a stand-in for them.

    Args:
        folder: holds ``latency/`` and ``prices/``; None or empty for the stand-in.
        stand_in: where the stand-in is written, if it is needed.

    Raises:
        InvalidData: the folder lacks a kind of file, or the stand-in cannot be written.
    """
    if not folder or not os.fspath(folder):
        return write_stand_in(stand_in)
    found: dict[str, str] = {}
    for kind, pattern in _PATTERNS.items():
        paths = sorted(Path(folder).glob(pattern))
        if not paths:
            raise InvalidData(os.fspath(folder), "no such file", f"one like {pattern}")
        found[kind] = str(paths[0])
    return Recordings(**found, is_synthetic=False)


def write_stand_in(folder: str | os.PathLike[str], seed: int = 1) -> Recordings:
    """Write a stand-in of each kind into a folder, the same for the same seed.

    Quotes: 300 ms and a lognormal part of 200 ms in the median (sigma 0.9). Transfers: gamma-like,
    a sum of ten exponential waits of 320 ms; slots to landing are what 400 ms make of the time less
    a second. Slot means: normal, 394 and 6.3 ms. Bids: a quarter none, the others lognormal around
    10,000 (sigma 3). Prices: geometric Brownian motion a minute, 60 % a year, from 81.80.

    Raises:
        InvalidData: the folder cannot be written.
    """
    target = Path(folder)
    draws = {name: Draws(seed, f"stand_in/{name}") for name in _PATTERNS}
    quotes = (f"{300 + draws['quotes'].lognormal(200, 0.9, n):.0f}" for n in range(_QUOTES))
    waits = [
        sum(draws["transfers"].exponential(320, n, k) for k in range(10)) for n in range(_TRANSFERS)
    ]
    transfers = (f"{ms:.0f},{max(1, round((ms - 1_000) / 400))}" for ms in waits)
    slots = (f"152,{394 + 6.3 * draws['slots'].normal(n):.3f}" for n in range(_SLOTS))
    bids = (
        "0," if draws["bids"].happens(0.25, n, 1) else f"0,{draws['bids'].lognormal(1e4, 3, n):.0f}"
        for n in range(_BIDS)
    )
    try:
        (target / "latency").mkdir(parents=True, exist_ok=True)
        (target / "prices").mkdir(exist_ok=True)
        return Recordings(
            quotes=_csv(target / "latency/quotes_stand_in.csv", "took_ms", quotes),
            transfers=_csv(
                target / "latency/ping_stand_in.csv", "time_difference_ms,slot_latency", transfers
            ),
            slots=_csv(target / "latency/slot_time_stand_in.csv", "num_slots,mean_slot_ms", slots),
            bids=_csv(
                target / "latency/fees_stand_in.csv", "is_vote,cu_price_micro_lamports", bids
            ),
            prices=_csv(
                target / "prices/sol_usd_stand_in.csv", "timestamp,open", _prices(draws["prices"])
            ),
            is_synthetic=True,
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidData(str(target), reason, "a folder that can be written") from None


def _prices(draws: Draws) -> Iterable[str]:
    level, step = math.log(81.8), _VOLATILITY / math.sqrt(_YEAR_MINUTES)
    for minute in range(_MINUTES):
        yield f"{rfc3339(_START_NS + minute * _MINUTE_NS)},{math.exp(level):.6f}"
        level += step * draws.normal(minute) - step * step / 2


def _csv(path: Path, heads: str, lines: Iterable[str]) -> str:
    path.write_text("\n".join([heads, *lines, ""]), "utf-8")
    return str(path)
