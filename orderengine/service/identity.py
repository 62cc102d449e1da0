"""Say who asks, or why it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

__all__ = ["Identify", "Identity", "Refusal", "Scope", "everybody"]

Scope = dict[str, Any]
"""An ASGI connection scope."""


class Identity(Struct, frozen=True):
    """Name who asks."""

    user: str
    """Whose orders it reaches."""
    key_id: str | None = None
    """The key that said so, if any."""


class Refusal(Struct, frozen=True):
    """Say why a request is not let in, as a problem document will."""

    status: int
    code: str
    detail: str
    retry_after_s: int | None = None


Identify = Callable[[Scope], Awaitable[Identity | Refusal]]
"""Looks at a connection and says who it is; may raise ``Unavailable``."""


async def everybody(scope: Scope) -> Identity:
    """Take everybody for the one user that there is without keys."""
    del scope
    return Identity("user")
