"""Write instants as RFC 3339 in UTC with nine fractional digits, and read them back.

An instant is an ``int``: nanoseconds since the Unix epoch. ``datetime`` stops at microseconds, so
it is used only for the whole seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from orderengine.errors import InvalidAmount

__all__ = ["Instant", "parse_rfc3339", "rfc3339"]

Instant = Annotated[int, Meta(description="ns since the Unix epoch; RFC 3339 in JSON")]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?:(:\d\d)(?:\.(\d{1,9}))?)?([Zz]|[+-]\d\d:[0-5]\d)",
    re.ASCII,
)


@lru_cache(maxsize=4096)
def _second(unix_s: int) -> str:
    return (_EPOCH + timedelta(seconds=unix_s)).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(at_ns: int) -> str:
    """Return ``1970-01-01T00:00:00.000000001Z`` for 1."""
    # zfill takes half the time of the format 09d.
    return f"{_second(at_ns // 1_000_000_000)}.{str(at_ns % 1_000_000_000).zfill(9)}Z"


def parse_rfc3339(text: str) -> int:
    """Return nanoseconds since the Unix epoch; the seconds may be left out.

    Raises:
        InvalidAmount: not RFC 3339 with an offset and at most nine fractional digits.
    """
    match = _RFC3339.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError(text)
        offset = "+00:00" if match[5] in "Zz" else match[5]
        whole = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or ''}{offset}") - _EPOCH
    except (ValueError, OverflowError):
        raise InvalidAmount(
            "time", text, "RFC 3339 with an offset, such as 2026-01-01T00:00:00Z"
        ) from None
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + int(
        (match[4] or "").ljust(9, "0")
    )
