"""Say who asks, or why nobody is let in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from orderengine.model.api_key import ApiKey, Role

__all__ = ["EVERYBODY", "Identify", "Identity", "Refusal", "Scope"]

Scope = dict[str, Any]
"""An ASGI connection scope."""


class Identity(Struct, frozen=True, kw_only=True):
    """Name who asks, and what was said of this key."""

    user: str
    key_id: str | None
    """None where no keys are asked for."""
    role: Role
    order_max: dict[str, int] | None = None
    """The key's own limits of an order; None for the service's."""
    requests_per_minute: int | None = None
    """The key's own; None for the service's."""

    @classmethod
    def of(cls, key: ApiKey) -> Identity:
        """Return who holds a key."""
        return cls(
            user=key.user,
            key_id=key.key_id,
            role=key.role,
            order_max=key.order_max,
            requests_per_minute=key.requests_per_minute,
        )


EVERYBODY = Identity(user="user", key_id=None, role=Role.OPERATOR)
"""Who asks where no keys are asked for."""


class Refusal(Struct, frozen=True):
    """Say how a request is answered that goes no further: with a problem document."""

    status: int
    code: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


Identify = Callable[[Scope], Awaitable[Identity | Refusal]]
"""Looks at the request that opens a socket and says who it is; may raise ``Unavailable``."""
