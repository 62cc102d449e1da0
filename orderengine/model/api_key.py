"""Say who may ask the service for what."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

__all__ = ["ApiKey", "Role"]


class Role(StrEnum):
    """Name what a key is good for."""

    USER = "user"
    """Its user's own orders."""
    OPERATOR = "operator"
    """The same, and what the service says of itself: metrics."""


class ApiKey(Struct, frozen=True, kw_only=True):
    """Describe a key. The secret itself is not kept: only its hash is, beside this."""

    key_id: str
    """Names the key in lists and logs; tells nothing of the secret."""
    user: str
    """Whose orders it reaches."""
    role: Role = Role.USER
    created_at_ns: int = 0
    expires_at_ns: int | None = None
    revoked_at_ns: int | None = None
    order_max: dict[str, int] | None = None
    """Most base units of an order's amount, by token symbol; None for the service's own limits."""
    requests_per_minute: int | None = None
    """None for the service's own limit."""

    def is_dead(self, now_ns: int) -> bool:
        """Return whether the key is revoked or has expired."""
        has_expired = self.expires_at_ns is not None and self.expires_at_ns <= now_ns
        return self.revoked_at_ns is not None or has_expired
