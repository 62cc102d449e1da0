"""Describe the ways to a leader: how long each takes, what it loses, what it costs.

Strain s is how many times what leaders can take in is sent to them, at least 1. Under it a path of
exposure e takes s^e times as long, and 1 - (1 - drop_rate) / s^e of its sendings are lost: with
e = 1 the leader takes 1/s of what comes, as a full queue does.

Sources: 188 transfers of 2024-10-01 (Block-Logic/ping-thing-client), of successes only: 171 sent
without stake took 3,357 ms in the median until confirmed (p90 4,694), 17 sent with stake 2,302 ms
(p90 2,561). Of landed tips on 2025-04-24 the median was 10,000 lamports (QuickNode's example of
getTipFloor; p25 5,000, p75 1,000,000, p95 5,334,763). All else is assumed, above all the drop rates
and exposures, of which no source gives figures. Where it misleads: staked paths differ between
vendors, bundles have an auction of their own, and a sender can use several paths at once.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from orderengine.market.fields import check
from orderengine.market.latency import LatencyConfig

__all__ = ["PATHS", "PathConfig", "PathName", "PathsConfig", "drop_chance", "stretch"]

PathName = Literal["rpc", "staked", "bundle"]
PATHS: tuple[PathName, ...] = ("rpc", "staked", "bundle")


class PathConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe one way to a leader."""

    delay: LatencyConfig
    """From sending to reaching a leader, without strain."""
    drop_rate: float
    """Chance that one sending is lost, without strain."""
    exposure: float
    """How far strain reaches this path: 0 not at all, 1 in full."""
    tip_lamports: int = 0
    """Paid if the transaction succeeds, on top of its fee. Above 0 it makes a bundle: one that
    would fail does not land and costs nothing, it is invisible until it lands, and only leaders
    that take bundles take it. The tip counts in its bid."""

    def __post_init__(self) -> None:
        check("drop_rate", self.drop_rate, 0 <= self.drop_rate < 1, "from 0 to below 1")
        check("exposure", self.exposure, 0 <= self.exposure <= 5, "from 0 to 5")
        tip = self.tip_lamports
        check("tip_lamports", tip, 0 <= tip <= 10**12, "from 0 to 10^12")


class PathsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe all ways to a leader."""

    rpc: PathConfig = PathConfig(
        delay=LatencyConfig(model="lognormal", median="2000ms", sigma=0.42),
        drop_rate=0.1,
        exposure=1.0,
    )
    """A public node, without stake. The delay is that of ``landing.delay``."""
    staked: PathConfig = PathConfig(
        delay=LatencyConfig(model="lognormal", median="1100ms", sigma=0.2),
        drop_rate=0.02,
        exposure=0.25,
    )
    """A node that sends through a staked validator."""
    bundle: PathConfig = PathConfig(
        delay=LatencyConfig(model="lognormal", median="600ms", sigma=0.2),
        drop_rate=0.02,
        exposure=0.0,
        tip_lamports=10_000,
    )
    """An auction of bundles beside the leader."""


def stretch(path: PathConfig, strain: float) -> float:
    """Return how many times as long a path takes under a strain."""
    return float(strain**path.exposure) if strain > 1 and path.exposure > 0 else 1.0


def drop_chance(path: PathConfig, strain: float) -> float:
    """Return the chance that a sending is lost on a path under a strain."""
    return 1.0 - (1.0 - path.drop_rate) / stretch(path, strain)
