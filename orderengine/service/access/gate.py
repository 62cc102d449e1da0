"""Look at a request before anybody else does: from where, from whom, how often.

The same for HTTP and for sockets, in this order: headers that are there twice, the host, the
origin, the address's rate, the key or ticket, the role, the user's rate. Nothing is asked of the
database before the address's rate has been looked at, and all who have no valid key get one answer,
whatever is wrong with theirs and whether or not there is such a path.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import anyio
from msgspec import Struct

from orderengine.errors import Unavailable
from orderengine.execution.ports import Clock
from orderengine.model.api_key import Role
from orderengine.service.access.addresses import address_of
from orderengine.service.access.hosts import LOOPBACK_HOSTS, host_name, is_own_page
from orderengine.service.access.identity import EVERYBODY, Identity, Refusal
from orderengine.service.access.key_cache import KeyCache
from orderengine.service.access.limits import RateLimits
from orderengine.service.access.refusal_log import RefusalLog
from orderengine.service.access.rules import Access, Rule, find_rule
from orderengine.service.credentials import bearer_of, is_ticket, sha256_of
from orderengine.service.settings import Settings
from orderengine.storage.database import Keys

__all__ = ["Gate", "Headers"]

Headers = dict[bytes, bytes]

_SINGLE = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"origin"}
)
"""Headers that two readers could read differently if they came twice."""
_TICKET = re.compile(rb"(?:^|&)ticket=([^&]*)")
_QUERY_FIELDS_MAX = 50
_ANSWER_S_MAX = 1.0

_UNAUTHENTICATED = Refusal(
    401,
    "UNAUTHENTICATED",
    "a valid API key is needed, as Authorization: Bearer",
    ((b"www-authenticate", b"Bearer"),),
)
_FORBIDDEN = Refusal(403, "FORBIDDEN", "this needs the key of an operator")
_FOREIGN = Refusal(403, "FOREIGN_ORIGIN", "only pages and hosts of this service")
_NOT_FOUND = Refusal(404, "NOT_FOUND", "no such path")
_RETRY = ((b"retry-after", b"1"),)


class Gate(Struct, frozen=True):
    """Let requests in, or say why not."""

    settings: Settings
    clock: Clock
    keys: Keys
    cache: KeyCache
    limits: RateLimits
    log: RefusalLog

    async def identify(self, scope: Any) -> Identity | Refusal:  # noqa: ANN401  (ASGI)
        """Return who opens a socket, or why it stays closed.

        A ticket is taken out of the scope, so that no log of the server shows it, and is spent once
        it is looked at, whatever becomes of the socket.
        """
        found = await self._identify(scope)
        if isinstance(found, Refusal):
            self.note(scope, found)
        return found

    def note(self, scope: Any, refusal: Refusal) -> None:  # noqa: ANN401  (ASGI)
        """Log that a request was refused at the door."""
        self.log.note(self._address(scope), refusal)

    async def _identify(self, scope: Any) -> Identity | Refusal:  # noqa: ANN401  (ASGI)
        ticket = _take_ticket(scope)
        rule = find_rule("WEBSOCKET", scope["path"])
        headers = self.examine(scope, rule)
        if isinstance(headers, Refusal):
            return headers
        refusal = await self.refuse_address(scope)
        if refusal is not None:
            return refusal
        identity = await self.admit(headers, rule, ticket)
        return _NOT_FOUND if rule is None and isinstance(identity, Identity) else identity

    def examine(
        self,
        scope: Any,  # noqa: ANN401  (ASGI)
        rule: Rule | None,
    ) -> Headers | Refusal:
        """Return the headers of a request that nobody could read in two ways, from our own page."""
        headers: Headers = {}
        for name, value in scope["headers"]:
            if name in headers and name in _SINGLE:
                return Refusal(400, "INVALID_REQUEST", f"the header {name.decode()} is there twice")
            headers[name] = value
        if scope["query_string"]:
            refusal = _refuse_query(scope["query_string"])
            if refusal is not None:
                return refusal
        if rule is not None and rule.access is Access.PROBE:
            return headers
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._is_ours(host):
            return _FOREIGN
        origin = headers.get(b"origin")
        if origin is None:
            return headers
        listed = self.settings.cors_origins
        return headers if is_own_page(origin.decode("latin-1"), host, listed) else _FOREIGN

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        if self.settings.hosts:
            return name in self.settings.hosts
        return self.settings.auth == "keys" or name in LOOPBACK_HOSTS

    async def refuse_address(self, scope: Any) -> Refusal | None:  # noqa: ANN401  (ASGI)
        """Count a request for the address that it comes from."""
        if not self.limits.counts_addresses:
            return None
        return await self.limits.refuse_address(self._address(scope))

    def _address(self, scope: Any) -> str:  # noqa: ANN401  (ASGI)
        peer = scope.get("client")
        hops = self.settings.trusted_hops
        return address_of(None if peer is None else peer[0], scope["headers"], hops)

    async def admit(
        self, headers: Headers, rule: Rule | None, ticket: str | None = None
    ) -> Identity | Refusal:
        """Return who asks, if they may ask for this and have not asked too often."""
        identity = await self._caller(headers, ticket)
        if isinstance(identity, Refusal):
            return identity
        if (
            rule is not None
            and rule.access is Access.OPERATOR
            and identity.role is not Role.OPERATOR
        ):
            return _FORBIDDEN
        refusal = await self.limits.refuse_caller(identity)
        return identity if refusal is None else refusal

    async def _caller(self, headers: Headers, ticket: str | None) -> Identity | Refusal:
        if self.settings.auth == "none":
            return EVERYBODY
        authorization = headers.get(b"authorization")
        try:
            if authorization is not None:
                secret = bearer_of(authorization)
                identity = None if secret is None else await self.cache.identify(secret)
            else:
                identity = None if ticket is None else await self._spend(ticket)
        except Unavailable:
            return Refusal(503, "UNAVAILABLE", "keys cannot be checked now", _RETRY)
        return _UNAUTHENTICATED if identity is None else identity

    async def _spend(self, ticket: str) -> Identity | None:
        if not is_ticket(ticket):
            return None
        now_ns = self.clock.now_ns()
        try:
            with anyio.fail_after(_ANSWER_S_MAX):
                key = await self.keys.take_ticket(sha256_of(ticket), now_ns)
        except TimeoutError:
            raise Unavailable("the database said nothing of a ticket in time") from None
        return None if key is None or key.is_dead(now_ns) else Identity.of(key)


def _take_ticket(scope: Any) -> str | None:  # noqa: ANN401  (ASGI)
    """Return a socket's ticket and cut it out of the query; two are none."""
    query: bytes = scope["query_string"]
    found = _TICKET.findall(query)
    if not found:
        return None
    scope["query_string"] = _TICKET.sub(b"", query).removeprefix(b"&")
    return found[0].decode("latin-1") if len(found) == 1 else None


def _refuse_query(query: bytes) -> Refusal | None:
    """Refuse a query that names a parameter twice: two readers could take different ones."""
    try:
        fields = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX
        )
    except ValueError:
        return Refusal(400, "INVALID_REQUEST", f"a query has at most {_QUERY_FIELDS_MAX} fields")
    names = [name for name, _ in fields]
    if len(set(names)) == len(names):
        return None
    return Refusal(400, "INVALID_REQUEST", "a query parameter is there twice")
