"""Fit priority fees: a share that bids nothing, and a lognormal or plain percentiles of the rest.

Bids for a block are spread over six powers of ten and lump at round numbers, so a lognormal seldom
fits; the percentiles, with intervals, are what a scenario should take, and ``misses`` says where
the lognormal departs from them. Assumption: the bids are independent draws. Where it misleads: the
bids of one block answer one state of congestion, and bots send many alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from orderengine.analysis.fitting import Fit, fit_model
from orderengine.analysis.intervals import Estimate, quantile_of, share_of
from orderengine.errors import InvalidData

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["FeeFit", "fit_fees"]

POINTS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


class FeeFit(Struct, frozen=True, kw_only=True):
    """Hold what a file of fees says."""

    zero_share: Estimate
    """Share of all rows without a bid."""
    points: dict[float, Estimate]
    """Percentiles of all rows, those without a bid counted as 0: what share of them one outbids."""
    lognormal: Fit
    """Of the bids above 0, in their unit."""


def fit_fees(values: npt.ArrayLike, confidence: float = 0.95) -> FeeFit:
    """Return the zero share, the percentiles and the lognormal of fees from 0 up.

    Raises:
        InvalidData: a value is not finite or below 0, or fewer than 10 are above 0.
    """
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    found = np.asarray(values, dtype=np.float64).ravel()
    if not (np.isfinite(found).all() and (found >= 0).all()):
        raise InvalidData("the fees", "one that is below 0 or not finite", "numbers from 0 up")
    bids = found[found > 0]
    return FeeFit(
        zero_share=share_of(len(found) - len(bids), len(found), confidence),
        lognormal=fit_model("lognormal", bids, confidence),
        points={q: quantile_of(found, q, confidence) for q in POINTS},
    )
