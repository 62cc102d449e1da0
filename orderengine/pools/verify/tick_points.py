"""Check points of a program's table of ticks: two programs have one, each its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.pools.verify.rules import CaseResult, Mismatch, decode_as, result_of

__all__ = ["check_tick_point"]


class _TickPoint(Struct, frozen=True, kw_only=True):
    tick: int
    sqrt_price_x64: int
    probe_sqrt_price_x64: int | None = None
    tick_at_probe: int | None = None


def check_tick_point(
    sqrt_at: Callable[[int], int],
    tick_at: Callable[[int], int],
    case: Mapping[str, object],
    source: str,
) -> CaseResult:
    """Check the square root of a tick's price, and the tick of a probe between two, if any.

    Args:
        sqrt_at: the program's square root of the price of a tick, Q64.64.
        tick_at: the program's tick of such a price.
        case: the point.
        source: what to call it in errors.

    Raises:
        InvalidData: it lacks a key, or holds a wrong type.
    """
    keys = "tick and sqrt_price_x64, or also probe_sqrt_price_x64 and tick_at_probe"
    point = decode_as(case, _TickPoint, source, keys)
    compared = {"sqrt_price_x64": (point.sqrt_price_x64, sqrt_at(point.tick))}
    probe = point.probe_sqrt_price_x64
    if (probe is None) != (point.tick_at_probe is None):
        raise InvalidData(source, "a probe without its tick, or a tick without its probe", keys)
    if probe is not None and point.tick_at_probe is not None:
        compared["tick_at_probe"] = point.tick_at_probe, tick_at(probe)
    mismatches = [
        Mismatch(name, str(expected), str(got))
        for name, (expected, got) in compared.items()
        if expected != got
    ]
    return result_of(f"tick {point.tick}", tuple(mismatches))
