"""Draw random numbers by name, not by turn.

``draw(seed, concern, order, k)`` is a hash: the k-th draw of one concern for one order is the same
whatever else was drawn, before it or after, in this process or another. So changing one model of a
study leaves every other model's draws alone, and two policies meet the same luck.

Source: the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014) over a keyed combination of order and k; keys from BLAKE2b.
"""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist

__all__ = ["Draws", "key_of", "order_id_of"]

_M64 = 2**64 - 1
_BELOW_ONE = 1.0 - 2.0**-53
_inv_cdf = NormalDist().inv_cdf


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _M64
    return z ^ (z >> 31)


@lru_cache(maxsize=65_536)
def key_of(text: str) -> int:
    """Return a 64-bit key of a text, such as an order id; the same everywhere."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def order_id_of(seed: int, number: int) -> str:
    """Return the id of a study's n-th order: 16 hex digits, distinct for distinct numbers."""
    return f"{_mix((key_of(f'order:{seed}') + number * 0x9E3779B97F4A7C15) & _M64):016x}"


class Draws:
    """Draw for one concern of one seed.

    Args:
        seed: the study's seed.
        concern: what is drawn, for example ``"latency/raydium_cpmm"``.
    """

    __slots__ = ("_key",)

    def __init__(self, seed: int, concern: str) -> None:
        self._key = key_of(f"{seed}:{concern}")

    def u64(self, order: int, k: int = 0) -> int:
        """Return the k-th 64-bit integer for this order (any integer key, such as a slot)."""
        return _mix(_mix((self._key ^ order) & _M64) + (k * 0x9E3779B97F4A7C15 + self._key) & _M64)

    def uniform(self, order: int, k: int = 0) -> float:
        """Return a float in the open interval (0, 1), on a grid of 2^-53."""
        # The greatest of the integers would be rounded up to 1, which has no normal quantile.
        return min(((self.u64(order, k) >> 11) + 0.5) * 2.0**-53, _BELOW_ONE)

    def normal(self, order: int, k: int = 0) -> float:
        """Return a standard normal deviate."""
        return _inv_cdf(self.uniform(order, k))

    def lognormal(self, median: float, sigma: float, order: int, k: int = 0) -> float:
        """Return ``median · exp(sigma · normal)``."""
        return median * math.exp(sigma * self.normal(order, k))

    def exponential(self, mean: float, order: int, k: int = 0) -> float:
        """Return an exponential deviate."""
        return -mean * math.log(self.uniform(order, k))

    def geometric(self, p: float, order: int, k: int = 0) -> int:
        """Return the number of trials up to the first success, at least 1."""
        if p >= 1.0:
            return 1
        return 1 + int(math.log(self.uniform(order, k)) / math.log1p(-p))

    def poisson(self, mean: float, order: int) -> int:
        """Return a Poisson count by summing exponential gaps; cost grows with the mean."""
        count, total = 0, self.exponential(1.0, order, 0)
        while total < mean:
            count += 1
            total += self.exponential(1.0, order, count)
        return count
