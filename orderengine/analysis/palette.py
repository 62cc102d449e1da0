"""Fix a colour for each stage, status, cost part, side and venue, the same wherever it is shown.

The colours follow Paul Tol's "muted" scheme (technical note SRON/EPS/TN/09-002), which stays apart
under the common forms of colour blindness and reads on white and on black.
"""

from __future__ import annotations

__all__ = ["GRID", "INK", "MUTED", "PARTS", "SERIES", "SIDES", "STAGES", "STATUSES", "venue_colour"]

INK, MUTED, GRID = "#1f2937", "#6b7280", "#e5e7eb"
"""Text, secondary text, and lines behind the data."""

_BLUE, _SKY, _TEAL, _SAND, _ROSE, _PURPLE, _VIOLET, _GREY = (
    "#4477aa",
    "#88ccee",
    "#44aa99",
    "#ddcc77",
    "#cc6677",
    "#aa4499",
    "#7766bb",
    "#b0b7c0",
)
STAGES = {
    "queue": _GREY,
    "retries": _ROSE,
    "quote": _BLUE,
    "build": _PURPLE,
    "landing": _SKY,
    "confirm": _TEAL,
    "total": INK,
}
STATUSES = {
    "waiting": _SAND,
    "pending": _GREY,
    "routing": _BLUE,
    "building": _PURPLE,
    "submitted": _SKY,
    "confirmed": _TEAL,
    "failed": _ROSE,
    "cancelled": _GREY,
    "expired": _SAND,
}
PARTS = {"price_impact": _BLUE, "fees": _SKY, "delay": _SAND, "failure": _ROSE}
SERIES = (INK, _BLUE, _ROSE, _TEAL, _PURPLE, _SAND)
"""Of lines that have no fixed colour, in this order; their greys differ, too."""
SIDES = {"sell": _ROSE, "buy": _BLUE}
_VENUES = {
    "raydium_cpmm": _BLUE,
    "raydium_amm_v4": _VIOLET,
    "raydium_clmm": _SKY,
    "meteora_dlmm": _ROSE,
    "meteora_damm_v2": _PURPLE,
    "orca_whirlpool": _TEAL,
}


def venue_colour(venue: str) -> str:
    """Return the venue's colour; grey for a split over several venues and for unknown ones."""
    return _VENUES.get(venue, _GREY)
