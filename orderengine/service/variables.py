"""Read single values of the environment.

Each function takes a variable's text and returns its value, or raises ``ValueError``. What it was
is never in an error: it may be a secret, or beside one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from orderengine.errors import InvalidRequest
from orderengine.model.amounts import U64_MAX, parse_amount
from orderengine.model.tokens import token
from orderengine.service.credentials import is_secret

__all__ = [
    "amounts",
    "database_url",
    "host",
    "hosts",
    "integer",
    "named",
    "origins",
    "redis_url",
    "secret_key",
    "share",
]

T = TypeVar("T")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[?[0-9A-Fa-f:.]+\]?", re.ASCII)
_AMOUNT = re.compile(r"([0-9.]{1,40}) ?([A-Za-z]{1,32})", re.ASCII)


def integer(least: int, most: int) -> Callable[[str], int]:
    """Return what reads whole numbers from ``least`` to ``most``."""

    def read(text: str) -> int:
        digits = text.removeprefix("-")
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= 20
        if not (is_number and least <= int(text) <= most):
            raise ValueError
        return int(text)

    return read


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def named(known: Collection[str]) -> Callable[[str], str]:
    """Return what reads one of some names."""

    def read(text: str) -> str:
        if text not in known:
            raise ValueError
        return text

    return read


def host(text: str) -> str:
    """Return the name or address of an interface."""
    if _HOST.fullmatch(text) is None or (":" in text and not _is_address(text)):
        raise ValueError
    return text


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _listed(text: str, read: Callable[[str], T]) -> tuple[T, ...]:
    return tuple(read(part.strip()) for part in text.split(",") if part.strip())


def hosts(text: str) -> tuple[str, ...]:
    """Return host names without ports, in lower case."""

    def one(part: str) -> str:
        if _HOST.fullmatch(part) is None:
            raise ValueError
        return part.strip("[]").lower()

    return _listed(text, one)


def origins(text: str) -> tuple[str, ...]:
    """Return origins as browsers send them: ``https://host`` with a port where it is not 443."""

    def one(part: str) -> str:
        parts = urlsplit(part)
        rest = (parts.path, parts.query, parts.fragment, parts.username, parts.password)
        if parts.scheme not in {"http", "https"} or not parts.hostname or any(rest):
            raise ValueError
        _ = parts.port  # refuses what is no port
        return part.lower()

    return _listed(text, one)


def amounts(text: str) -> dict[str, int]:
    """Return base units by token symbol, of ``1000SOL,250000USDC``."""
    found: dict[str, int] = {}
    for part in text.split(","):
        match = _AMOUNT.fullmatch(part.strip())
        if match is None:
            raise ValueError
        try:
            symbol = token(match[2]).symbol
            amount = parse_amount(match[0].replace(" ", ""), symbol)
        except InvalidRequest:
            raise ValueError from None
        if symbol in found or not 1 <= amount <= U64_MAX:
            raise ValueError
        found[symbol] = amount
    return found


def secret_key(text: str) -> str:
    """Return an API key's secret: ``oe_`` and 43 characters, which are 256 bits."""
    if not is_secret(text):
        raise ValueError
    return text


def _split(text: str) -> SplitResult:
    parts = urlsplit(text)
    _ = parts.port  # refuses what is no port
    if parts.fragment:
        raise ValueError
    return parts


def redis_url(text: str) -> str:
    """Return the address of a Redis."""
    parts = _split(text)
    if parts.scheme not in {"redis", "rediss", "unix"} or parts.query:
        raise ValueError
    if parts.scheme != "unix":
        number = parts.path.strip("/")
        if not parts.hostname or not (number == "" or (number.isascii() and number.isdigit())):
            raise ValueError
    elif not parts.path.strip("/"):
        raise ValueError
    return text


def database_url(text: str) -> str:
    """Return the address of a database: ``sqlite:///path`` or ``postgresql://…/name``."""
    parts = _split(text)
    if parts.scheme == "sqlite":
        path = unquote(parts.path[1:])  # as everywhere: three slashes relative, four absolute
        if parts.netloc or parts.query or not path.strip("/") or "\0" in path:
            raise ValueError
    elif parts.scheme in {"postgresql", "postgres"}:
        # An "@" there is the end of a password with a slash in it, read as a name that is shown.
        if not parts.path.strip("/") or parts.path.count("/") != 1 or "@" in parts.path:
            raise ValueError
    else:
        raise ValueError
    return text
