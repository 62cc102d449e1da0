"""Switch volatility between calm and wild times: a chain of two states.

Assumption: there are two volatilities, and how long each time lasts is geometric, without memory
(J. D. Hamilton, "A new approach to the economic analysis of nonstationary time series and the
business cycle", Econometrica 57, 1989, pp. 357-384). Durations and the wild volatility are no
measured figures. Where it misleads: real volatility has many scales at once, from minutes to
months, and rises with falling prices.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import Duration, check, duration_ns

__all__ = ["RegimeConfig", "Regimes"]


class RegimeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe wild times between calm ones, in which ``price.volatility`` holds."""

    wild_volatility: float = 0.0
    """Standard deviation of the log price over a year in wild times; 0 for none of them."""
    calm_lasts: Duration = "30min"
    """Mean length of a calm time. Assumption."""
    wild_lasts: Duration = "3min"
    """Mean length of a wild time. Assumption."""

    def __post_init__(self) -> None:
        wild = self.wild_volatility
        check("wild_volatility", wild, 0 <= wild <= 100, "from 0 to 100 a year")
        for name in ("calm_lasts", "wild_lasts"):
            value = getattr(self, name)
            check(name, value, duration_ns(name, value) > 0, "above 0")


class Regimes:
    """Tell slot by slot, in rising order, whether the time is wild.

    The first slot is wild with the long-run share wild_lasts / (calm_lasts + wild_lasts). In each
    later slot a time ends with the chance slot / its mean length, at most 1.
    """

    def __init__(self, config: RegimeConfig, slot_ns: int, seed: int) -> None:
        calm_ns = duration_ns("calm_lasts", config.calm_lasts)
        wild_ns = duration_ns("wild_lasts", config.wild_lasts)
        self.wild_share = wild_ns / (calm_ns + wild_ns)
        self._leave_calm = min(slot_ns / calm_ns, 1.0)
        self._leave_wild = min(slot_ns / wild_ns, 1.0)
        self._draws = Draws(seed, "price/regime")
        self._is_wild: bool | None = None

    def is_wild(self, slot: int) -> bool:
        """Return whether the slot is in a wild time."""
        if self._is_wild is None:
            self._is_wild = self._draws.happens(self.wild_share, slot)
            return self._is_wild
        leave = self._leave_wild if self._is_wild else self._leave_calm
        self._is_wild ^= self._draws.happens(leave, slot)
        return self._is_wild
