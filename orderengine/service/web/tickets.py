"""Hand out tickets: a page cannot send a key when it opens a socket, so it sends one of these."""

from __future__ import annotations

from litestar import post
from msgspec import Struct

from orderengine.model.instants import rfc3339
from orderengine.service.credentials import new_ticket, sha256_of
from orderengine.service.web.requests import AnyRequest, identity_of, service_of

__all__ = ["TICKETS"]

_HOLDS_NS = 30_000_000_000


class Ticket(Struct, frozen=True):
    """Stand for the caller's key, once, for half a minute."""

    ticket: str
    expires_at: str


@post(
    "/tickets",
    status_code=201,
    summary="Get a ticket for a socket",
    description="Open `/ws?ticket=` or `/ws/{order_id}?ticket=` with it within 30 s, once.",
)
async def create_ticket(request: AnyRequest) -> Ticket:
    """Return a ticket; only its hash is kept. Where no keys are asked for it opens nothing more."""
    service, identity = service_of(request), identity_of(request)
    ticket, expires_at_ns = new_ticket(), service.clock.now_ns() + _HOLDS_NS
    if identity.key_id is not None:
        await service.database.keys.add_ticket(sha256_of(ticket), identity.key_id, expires_at_ns)
    return Ticket(ticket, rfc3339(expires_at_ns))


TICKETS = (create_ticket,)
"""The handlers."""
