"""Name what the service does not get right yet, so that all else is held to its word meanwhile.

A group leaves this table with the change that mends it.
"""

from __future__ import annotations

from tests.service.hostile.corpus import CORPUS

__all__ = ["FAULTS", "SOUND"]

FAULTS: dict[str, tuple[str, ...]] = {
    "of two equal headers one is taken": ("host two", "host two of an order", "key twice"),
    "of two equal members of a body one is taken": (
        "/execute key equal twin",
        "/execute key twin amount",
        "/quote key equal twin",
        "/quote key twin amount",
    ),
    "an order that was cut off is executed": (
        "/execute more announced than sent",
        "chunks no last behind an order",
    ),
    "a head has no bound": (
        "oversized field",
        "oversized name",
        "oversized count",
        "oversized count of one name",
    ),
    "a handshake that the library refuses is never answered": (
        "smuggled upgrade with a body",
        "handshake of 200 fields",
        "handshake field of 9,000",
        "handshake target of 9,000",
        "handshake with a body",
    ),
    "text that is not UTF-8 writes a traceback": (
        "bad text: 0xff",
        "bad text: surrogate",
        "bad text: overlong",
        "bad text: half a letter",
        "bad text: in a fragment",
    ),
    "an idempotency key may hold any byte": (
        "key tab",
        "key not ASCII",
        "key not UTF-8",
        "key Latin-1",
    ),
    "query parameters are read laxly": ("limit exponent", "before exponent", "before null"),
    "slashes are folded": ("target two slashes", "target three slashes"),
}
"""The names of cases, by what is wrong."""

SOUND = tuple(
    case for name, case in CORPUS.items() if all(name not in names for names in FAULTS.values())
)
"""All other cases."""
