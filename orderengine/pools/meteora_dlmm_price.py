"""Compute the price of a Meteora DLMM bin as the program does.

Bin ``i`` of a pool whose step is ``s`` basis points has the price (1 + s / 10000)^i, B per A. The
program raises it in Q64.64 with a floor at each multiplication, so the result is lower than the
true power by a few units in the last place, and every amount in a bin depends on those units.

    base   = 2^64 + floor(s * 2^64 / 10000)
    power  = square-and-multiply over the 19 bits of |i|, each product shifted right by 64 (floor)

The power runs on the inverse of the base, floor((2^128 - 1) / base), so that no product outgrows
128 bits. That gives the price of -i; the price of a positive i is inverted once more at the end.

Source: getQPriceFromId of @meteora-ag/dlmm 1.9.14 (observed results); the same as ``pow`` in the
program's u64x64_math, MeteoraAg/dlmm-sdk commons at fb02e51.
"""

from __future__ import annotations

from functools import lru_cache

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import Q64, U128_MAX, mul_div_floor

__all__ = ["BIN_ID_MAX", "bin_price_x64"]

BIN_ID_MAX = 443_636
"""Largest bin id of the program, and the negative of the smallest."""

_BPS_ONE = 10_000
_POWER_BITS = 19


@lru_cache(maxsize=1 << 16)
def bin_price_x64(bin_id: int, bin_step: int) -> int:
    """Return the price of a bin in Q64.64, rounded as the program rounds it.

    Costs about 10 us when it is not in the cache, so pools keep the prices of their bins.

    Raises:
        InvalidData: the id or step is outside the program's, or the price does not fit Q64.64.
    """
    if not -BIN_ID_MAX <= bin_id <= BIN_ID_MAX or not 0 < bin_step <= _BPS_ONE:
        raise InvalidData(
            "DLMM bin price",
            f"bin id {bin_id}, bin step {bin_step}",
            f"an id within {BIN_ID_MAX} of 0 and a step from 1 to {_BPS_ONE} bps",
        )
    if bin_id == 0:
        return Q64
    square = U128_MAX // (Q64 + mul_div_floor(bin_step, Q64, _BPS_ONE))
    power = Q64
    for bit in range(_POWER_BITS):
        if abs(bin_id) >> bit & 1:
            power = power * square >> 64
        square = square * square >> 64
    if power == 0:
        raise InvalidData(
            "DLMM bin price",
            f"bin id {bin_id}, bin step {bin_step}",
            "a price from 2^-64 to 2^64 - 1",
        )
    return U128_MAX // power if bin_id > 0 else power
