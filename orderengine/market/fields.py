"""Check the fields of configurations: values as people write them, refused by name.

Configurations keep durations ("400ms") and amounts ("2000000USDC") as written, so that a scenario
reads and prints the same; whoever builds the world turns them into integers, once, with these
functions.
"""

from __future__ import annotations

import math
from decimal import Decimal

from orderengine.errors import InvalidAmount, InvalidRequest, InvalidScenario
from orderengine.model.amounts import parse_amount, parse_duration
from orderengine.model.instants import parse_rfc3339

__all__ = [
    "INSTANT_NS_END",
    "Duration",
    "FieldError",
    "TokenAmount",
    "amount_of",
    "check",
    "duration_ns",
    "instant_ns",
    "price_of",
]

INSTANT_NS_END = 7_258_118_400_000_000_000
"""The year 2200. A study begins before it, so that its events, years later, still have instants
that fit 64 bits of nanoseconds, as tables hold them (up to 2262)."""

_DURATION_NS_MAX = 86_400_000_000_000
"""A day: a study whose orders wait longer would run through slots for hours."""

Duration = str | int
"""A duration with a unit such as "400ms"; the int 0 is none at all."""

TokenAmount = str | int
"""An amount with its token such as "1.5SOL"; an int is base units."""


class FieldError(InvalidScenario, ValueError):
    """Refuse a field; being a ValueError, it reaches the caller with the path around the field."""


def check(field: str, found: object, holds: bool, expected: str) -> None:
    """Refuse a field unless ``holds``; NaN and infinity are always refused."""
    if not holds or (isinstance(found, float) and not math.isfinite(found)):
        raise FieldError(field, found, expected)


def duration_ns(field: str, value: Duration) -> int:
    """Return a duration field in nanoseconds, at most a day.

    A number without a unit is refused unless it is 0: whoever writes 60 means seconds.
    """
    expected = "a duration with a unit (ns, us, ms, s, min, h) such as 60s"
    if isinstance(value, int) and value != 0:
        raise FieldError(field, value, expected)
    try:
        found_ns = parse_duration(value)
    except InvalidAmount as error:
        raise FieldError(field, value, error.expected) from error
    check(field, value, found_ns <= _DURATION_NS_MAX, "at most 24h")
    return found_ns


def instant_ns(field: str, value: str) -> int:
    """Return an instant field in nanoseconds since the Unix epoch."""
    expected = "RFC 3339 from 1970 to 2199, such as 2026-01-01T00:00:00Z"
    try:
        found_ns = parse_rfc3339(value)
    except InvalidAmount as error:
        raise FieldError(field, value, expected) from error
    check(field, value, 0 <= found_ns < INSTANT_NS_END, expected)
    return found_ns


def amount_of(field: str, value: TokenAmount, token: str) -> int:
    """Return an amount field in base units of ``token``, at least 1."""
    of_token = f"an amount of {token}"
    such_as = f"{of_token} such as 1.5{token}"
    try:
        base_units = parse_amount(value, token)
    except InvalidAmount as error:
        expected = such_as if error.expected == of_token else error.expected
        raise FieldError(field, value, expected) from error
    except InvalidRequest as error:  # no token of ours
        raise FieldError(field, value, such_as) from error
    check(field, value, base_units >= 1, f"at least one base unit of {token}")
    return base_units


def price_of(field: str, value: str) -> Decimal:
    """Return a price field: a plain positive decimal."""
    digits = value.replace(".", "", 1)
    check(
        field, value, digits.isascii() and digits.isdigit(), 'a positive decimal such as "150.25"'
    )
    price = Decimal(value)
    check(field, value, 0 < price < Decimal(10) ** 12, "above 0 and below 10^12")
    return price
