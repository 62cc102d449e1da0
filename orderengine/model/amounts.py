"""Turn what people write ("1.5 SOL", "200ms") into integers, and integers into what people read.

Inside, an amount is an ``int`` in base units and a time is an ``int`` in nanoseconds. Nothing here
passes through a float, and nothing is rounded: what does not fit is refused.
"""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from orderengine.errors import InvalidAmount
from orderengine.model.tokens import token

__all__ = [
    "U64_MAX",
    "Amount",
    "amount",
    "format_amount",
    "format_duration",
    "parse_amount",
    "parse_duration",
    "require_u64",
]

U64_MAX = 2**64 - 1
"""The largest amount that an SPL token account can hold."""

Amount = Annotated[int, Meta(description="base units; a decimal string in JSON")]
"""An amount in base units, or another integer that may pass 2^53: a string in JSON."""

_DECIMAL = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?", re.ASCII)
_AMOUNT = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([A-Za-z][A-Za-z0-9]*)?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?\s*(ns|us|ms|s|min|h)", re.ASCII)
_UNIT_NS = {
    "h": 3_600_000_000_000,
    "min": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}


def amount(ui_amount: str | int, token_name: str) -> int:
    """Return base units for an amount as people write it: ``amount("1.5", "SOL")`` is 1.5 · 10^9.

    Args:
        ui_amount: a decimal string or a whole number of shown units; floats are refused because
            they are not exact.
        token_name: symbol or mint.

    Raises:
        InvalidAmount: not a plain decimal, more digits than the token has, or above u64.
        UnknownToken: the token is not built in.
    """
    known = token(token_name)
    if isinstance(ui_amount, bool) or not isinstance(ui_amount, str | int):
        raise InvalidAmount("amount", ui_amount, 'a decimal string such as "1.5", or an int')
    match = _DECIMAL.fullmatch(str(ui_amount).strip())
    if match is None:
        raise InvalidAmount("amount", ui_amount, 'a plain decimal such as "1.5"')
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > known.decimals:
        raise InvalidAmount(
            "amount", ui_amount, f"a decimal with at most {known.decimals} digits of {known.symbol}"
        )
    return require_u64("amount", int(whole + fraction.ljust(known.decimals, "0")))


def parse_amount(text: str | int, token_name: str | None = None) -> int:
    """Return base units for ``"1500000000"`` (base units) or ``"1.5SOL"`` (shown units).

    Args:
        text: digits alone are base units; digits with a symbol are shown units of that token.
        token_name: the token it must be an amount of; None takes any.

    Raises:
        InvalidAmount: neither form, another token, or outside u64.
    """
    expected = f"base units or shown units such as 1.5{token_name or 'SOL'}"
    match = _AMOUNT.fullmatch(str(text).strip()) if not isinstance(text, bool) else None
    if match is None:
        raise InvalidAmount("amount", text, expected)
    digits, symbol = match[1], match[2]
    if symbol is None:
        if "." in digits:
            raise InvalidAmount("amount", text, expected)
        return require_u64("amount", int(digits))
    if token_name is not None and token(symbol) != token(token_name):
        raise InvalidAmount("amount", text, f"an amount of {token_name}")
    return amount(digits, symbol)


def format_amount(base_units: int, token_name: str) -> str:
    """Return the exact amount for people: ``format_amount(1_500_000_000, "SOL")`` is "1.5 SOL"."""
    known = token(token_name)
    sign, digits = (
        ("-" if base_units < 0 else ""),
        str(abs(base_units)).rjust(known.decimals + 1, "0"),
    )
    whole = digits[: len(digits) - known.decimals]
    fraction = digits[len(digits) - known.decimals :].rstrip("0")
    return f"{sign}{int(whole):,}{'.' + fraction if fraction else ''} {known.symbol}"


def require_u64(field: str, value: int) -> int:
    """Return ``value`` if it is from 0 to 2^64 - 1, and refuse it otherwise."""
    if not 0 <= value <= U64_MAX:
        raise InvalidAmount(field, value, "from 0 to 2^64 - 1 base units")
    return value


def parse_duration(text: str | int) -> int:
    """Return nanoseconds for ``"200ms"``, ``"2.5s"``, ``"1min"``; an int is nanoseconds already.

    Raises:
        InvalidAmount: no unit, an unknown unit, or a part of a nanosecond.
    """
    expected = "a duration with a unit (ns, us, ms, s, min, h) such as 200ms"
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise InvalidAmount("duration", text, expected)
    if isinstance(text, int):
        if text < 0:
            raise InvalidAmount("duration", text, expected)
        return text
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidAmount("duration", text, expected)
    unit_ns, fraction = _UNIT_NS[match[3]], match[2] or ""
    duration_ns, rest = divmod(int(match[1] + fraction) * unit_ns, int("1" + "0" * len(fraction)))
    if rest:
        raise InvalidAmount("duration", text, "a whole number of nanoseconds")
    return duration_ns


def format_duration(duration_ns: int) -> str:
    """Return the shortest exact form that ``parse_duration`` reads back: 2500000000 is "2.5s"."""
    for unit in ("s", "ms", "us"):
        if duration_ns >= _UNIT_NS[unit]:
            whole, rest = divmod(duration_ns, _UNIT_NS[unit])
            digits = len(str(_UNIT_NS[unit])) - 1
            fraction = str(rest).rjust(digits, "0").rstrip("0")
            return f"{whole}{'.' + fraction if fraction else ''}{unit}"
    return f"{duration_ns}ns"
