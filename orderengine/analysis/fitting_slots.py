"""Fit how long slots take, from means over many of them, and in how many a transaction lands.

Slot times are published as means over a minute. If slots were independent, the mean of n of them
would vary sqrt(n) times less than one, so sqrt(n) times the spread of the means is the jitter of a
slot: ``jitter_sd``. Where slow minutes follow one another (``lag_1`` above 0) part of that spread
is a drift, which no jitter of single slots reproduces, and the figure is too large for one.

The number of slots until landing is fitted by a geometric law: the same chance in each slot, as
``market.landing.model = "slots"`` has it. Where it misleads: a real path has a floor of some slots,
which the law does not know; ``misses`` then says so.
"""

from __future__ import annotations

from math import ceil, inf, log, log1p, sqrt
from typing import TYPE_CHECKING

from msgspec import Struct

from orderengine.analysis.fitting import CHECKED, Miss, lag_1
from orderengine.analysis.intervals import Estimate, batch_mean_of, quantile_of
from orderengine.errors import InvalidData

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["LandingFit", "SlotFit", "fit_landing_slots", "fit_slot_times"]


class SlotFit(Struct, frozen=True, kw_only=True):
    """Hold what means of slot times say; all in ms but ``lag_1``."""

    mean: Estimate
    """Of a slot; by batch means, for minutes that follow one another are alike."""
    mean_sd: Estimate
    """Standard deviation of the published means."""
    jitter_sd: Estimate
    """Standard deviation of one slot, if slots are independent."""
    lag_1: Estimate
    """Correlation of neighbouring means; 0 if slots are independent."""


class LandingFit(Struct, frozen=True, kw_only=True):
    """Hold the geometric law of slots until landing."""

    slots_p: Estimate
    """Chance to land in the next slot, and in each one after it."""
    shares: dict[int, float]
    """Share of transactions by the number of slots."""
    ks: float
    """The largest distance between law and data."""
    misses: tuple[Miss, ...]
    count: int


def fit_slot_times(
    means_ms: npt.ArrayLike, slots: npt.ArrayLike, confidence: float = 0.95
) -> SlotFit:
    """Return mean, spread and jitter of slots, from means over ``slots`` slots each.

    Raises:
        InvalidData: fewer than 10 means, one that is not above 0, or not as many counts.
    """
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    found, sizes = np.asarray(means_ms, dtype=float), np.asarray(slots, dtype=float)
    if found.shape != sizes.shape or not (sizes > 0).all():
        raise InvalidData("the slots", f"{sizes.size} counts", "one above 0 for each mean")
    neighbours = lag_1(found, confidence)
    # Weighted by their number of slots, as a longer mean varies less.
    around = float((sizes * (found - (sizes @ found) / sizes.sum()) ** 2).sum())
    jitter = sqrt(around / (len(found) - 1))
    return SlotFit(
        mean=batch_mean_of(found, confidence),
        mean_sd=_spread(float(found.std(ddof=1)), len(found), confidence),
        jitter_sd=_spread(jitter, len(found), confidence),
        lag_1=neighbours,
    )


def fit_landing_slots(slots: npt.ArrayLike, confidence: float = 0.95) -> LandingFit:
    """Return the geometric law of whole numbers of slots from 1 up; its chance is 1 / mean.

    Raises:
        InvalidData: fewer than 10 values, or one that is no whole number from 1 up.
    """
    import numpy as np  # noqa: PLC0415  (the extra ``study``)
    from scipy.special import ndtri  # noqa: PLC0415  (the extra ``study``)

    found = np.asarray(slots, dtype=float).ravel()
    if len(found) < 10 or not ((found >= 1) & (found == np.floor(found))).all():
        raise InvalidData("the slots", "others", "at least 10 whole numbers from 1 up")
    n, chance = len(found), 1 / float(found.mean())
    # The information is n / (p² (1 - p)), so the standard error is p sqrt((1 - p) / n).
    half = float(ndtri((1 + confidence) / 2)) * chance * sqrt((1 - chance) / n)
    numbers, counts = np.unique(found, return_counts=True)
    steps = np.arange(1, int(found.max()) + 1)
    shares = np.searchsorted(np.sort(found), steps, side="right") / n
    misses = []
    for q in CHECKED:
        data, law = quantile_of(found, q, confidence), _geometric(q, chance)
        if not data.low <= law <= data.high:
            misses.append(Miss(q=q, model=law, data=data))
    return LandingFit(
        slots_p=Estimate(
            value=chance,
            low=max(0.0, chance - half),
            high=min(1.0, chance + half),
            confidence=confidence,
            count=n,
            method="wald",
        ),
        shares={int(k): int(many) / n for k, many in zip(numbers, counts, strict=True)},
        ks=float(np.abs(shares - (1 - (1 - chance) ** steps)).max()),
        misses=tuple(misses),
        count=n,
    )


def _geometric(q: float, chance: float) -> float:
    """Return the least number of slots within which a share ``q`` lands."""
    return 1.0 if chance >= 1 else float(max(1, ceil(log1p(-q) / log(1 - chance) - 1e-12)))


def _spread(sd: float, count: int, confidence: float) -> Estimate:
    """Return a standard deviation with the interval of normal values, by chi-squared."""
    from scipy.special import gammaincinv  # noqa: PLC0415  (the extra ``study``)

    freedom = (count - 1) / 2
    low, high = (
        2 * float(gammaincinv(freedom, share))
        for share in ((1 - confidence) / 2, (1 + confidence) / 2)
    )
    return Estimate(
        value=sd,
        low=sd * sqrt((count - 1) / high),
        high=sd * sqrt((count - 1) / low) if low else inf,
        confidence=confidence,
        count=count,
        method="chi_squared",
    )
