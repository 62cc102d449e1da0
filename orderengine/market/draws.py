"""Draw random numbers by name, not by turn.

``draw(seed, concern, order, k)`` is a hash: the k-th draw of one concern for one order is the same
whatever else was drawn, before it or after, in this process or another. So changing one model of a
study leaves every other model's draws alone, and two policies meet the same luck.

Source: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014): its finaliser over a counter that steps by one odd constant an order and another a k, from a
start that BLAKE2b makes of seed and concern.
"""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist

__all__ = ["Draws", "key_of", "order_id_of"]

_M64 = 2**64 - 1
_GRID = 2.0**-53
_BELOW_ONE = 1.0 - _GRID
_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, made odd: SplitMix64's own step."""
_SILVER = 0x6A09E667F3BCC909
"""2^64 times the fraction of the square root of 2, made odd."""
_ID_DIGITS = 16
_inv_cdf = NormalDist().inv_cdf


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _M64
    return z ^ (z >> 31)


def key_of(text: str) -> int:
    """Return a 64-bit key of a text, such as an order id; the same everywhere.

    The id of a study's order is the key, in hex: nothing is looked up or hashed.
    """
    try:
        return int(text, 16) if len(text) == _ID_DIGITS else _hashed(text)
    except ValueError:
        return _hashed(text)


@lru_cache(maxsize=8_192)  # an order's is asked for with each of its draws
def _hashed(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def order_id_of(seed: int, number: int) -> str:
    """Return the id of a study's n-th order: 16 hex digits, distinct for distinct numbers."""
    return f"{_mix((_first_id(seed) + number * _GOLDEN) & _M64):016x}"


@lru_cache(maxsize=16)
def _first_id(seed: int) -> int:
    return key_of(f"order:{seed}")


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
        z = (self._key + order * _GOLDEN + k * _SILVER) & _M64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _M64  # as ``_mix``, without a call
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _M64
        return z ^ (z >> 31)

    def uniform(self, order: int, k: int = 0) -> float:
        """Return a float in the open interval (0, 1), on a grid of 2^-53."""
        z = (self._key + order * _GOLDEN + k * _SILVER) & _M64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _M64  # as ``u64``, without a call
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _M64
        drawn = (((z ^ (z >> 31)) >> 11) + 0.5) * _GRID
        # The greatest of the integers is rounded up to 1, which has no normal quantile.
        return drawn if drawn < 1.0 else _BELOW_ONE

    def happens(self, chance: float, order: int, k: int = 0) -> bool:
        """Return whether something of this chance (0 to 1) happens; no draw where it is certain."""
        if not 0.0 < chance < 1.0:
            return chance >= 1.0
        return self.uniform(order, k) < chance

    def normal(self, order: int, k: int = 0) -> float:
        """Return a standard normal deviate."""
        return _inv_cdf(self.uniform(order, k))

    def lognormal(self, median: float, sigma: float, order: int, k: int = 0) -> float:
        """Return ``median · exp(sigma · normal)``."""
        return median * math.exp(sigma * _inv_cdf(self.uniform(order, k)))

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
