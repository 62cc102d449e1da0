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

__all__ = ["Duration", "FieldError", "TokenAmount", "amount_of", "check", "duration_ns", "price_of"]

Duration = str | int
"""A duration with a unit such as "400ms"; an int is nanoseconds."""

TokenAmount = str | int
"""An amount with its token such as "1.5SOL"; an int is base units."""


class FieldError(InvalidScenario, ValueError):
    """Refuse a field; being a ValueError, it reaches the caller with the path around the field."""


def check(field: str, found: object, holds: bool, expected: str) -> None:
    """Refuse a field unless ``holds``; NaN and infinity are always refused."""
    if not holds or (isinstance(found, float) and not math.isfinite(found)):
        raise FieldError(field, found, expected)


def duration_ns(field: str, value: Duration) -> int:
    """Return a duration field in nanoseconds."""
    try:
        return parse_duration(value)
    except InvalidAmount as error:
        raise FieldError(field, value, error.expected) from error


def amount_of(field: str, value: TokenAmount, token: str) -> int:
    """Return an amount field in base units of ``token``, at least 1."""
    try:
        base_units = parse_amount(value, token)
    except InvalidAmount as error:
        raise FieldError(field, value, error.expected) from error
    except InvalidRequest as error:
        raise FieldError(field, value, f"an amount of {token}") from error
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
