"""Make and read what requests prove themselves with: secrets of API keys, tickets of sockets.

Both are 256 random bits. Only their SHA-256 is kept and looked up, so nothing here or in the
database compares a secret byte by byte, and a copy of the database opens no door.
"""

from __future__ import annotations

import re
from hashlib import sha256
from secrets import token_hex, token_urlsafe

__all__ = [
    "USER_NAME",
    "bearer_of",
    "bootstrap_key_id",
    "is_secret",
    "is_ticket",
    "new_key_id",
    "new_secret",
    "new_ticket",
    "sha256_of",
]

USER_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}", re.ASCII)

_BYTES = 32
_SECRET = re.compile(r"oe_[A-Za-z0-9_-]{43}", re.ASCII)
_TICKET = re.compile(r"oet_[A-Za-z0-9_-]{43}", re.ASCII)
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +(oe_[A-Za-z0-9_-]{43})")


def new_secret() -> str:
    """Return a secret for a new key."""
    return f"oe_{token_urlsafe(_BYTES)}"


def new_ticket() -> str:
    """Return a ticket that stands for a key for a short time."""
    return f"oet_{token_urlsafe(_BYTES)}"


def new_key_id() -> str:
    """Return a name for a new key; it tells nothing of the secret."""
    return f"key_{token_hex(8)}"


def bootstrap_key_id(secret_sha256: str) -> str:
    """Return the name of a bootstrap key: the same at each start, another for another secret."""
    return f"bootstrap_{sha256_of(secret_sha256)[:12]}"


def is_secret(text: str) -> bool:
    """Return whether a text has the form of a key's secret."""
    return _SECRET.fullmatch(text) is not None


def is_ticket(text: str) -> bool:
    """Return whether a text has the form of a ticket."""
    return _TICKET.fullmatch(text) is not None


def bearer_of(authorization: bytes) -> str | None:
    """Return the secret in an ``Authorization`` header, or None if that is of another form."""
    found = _BEARER.fullmatch(authorization)
    return None if found is None else found[1].decode()


def sha256_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return sha256(secret.encode()).hexdigest()
