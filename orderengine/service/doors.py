"""Put together who is let in and what is accepted, and keep it up to date while requests come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from msgspec import Struct

from orderengine.model.api_key import ApiKey, Role
from orderengine.service.access.admission import Admission, OpenOrders
from orderengine.service.access.gate import Gate
from orderengine.service.access.key_cache import KeyCache
from orderengine.service.access.key_watch import KeyWatch
from orderengine.service.access.limits import RateLimits
from orderengine.service.access.refusal_log import RefusalLog
from orderengine.service.credentials import bootstrap_key_id, sha256_of
from orderengine.service.parts import Service

__all__ = ["Access", "open_access"]

_OPERATOR = "operator"
"""The user of the bootstrap key."""


class Access(Struct, frozen=True):
    """Hold what stands before the engine."""

    gate: Gate
    admission: Admission


@asynccontextmanager
async def open_access(
    service: Service, open_orders: Callable[[], int] | None = None
) -> AsyncIterator[Access]:
    """Open the doors of a service, and watch over its keys until the end.

    Args:
        service: what is behind them.
        open_orders: how many orders of all users are open, if anybody here knows.
    """
    settings, clock = service.settings, service.clock
    database = service.database
    is_limited = settings.rate_user or settings.rate_address or settings.auth == "keys"
    limits = RateLimits(
        clock,
        per_user=settings.rate_user,
        per_address=settings.rate_address,
        redis_url=settings.redis_url if is_limited else "",
    )
    cache = KeyCache(database.keys, clock)
    counted = OpenOrders(
        clock,
        user_max=settings.open_orders_user_max,
        total_max=settings.open_orders_max,
        of_user=database.operations.open_orders,
        of_all=open_orders,
    )
    access = Access(
        Gate(settings, clock, database.keys, cache, limits, RefusalLog(clock)),
        Admission(service.engine, counted, settings.order_max),
    )
    async with anyio.create_task_group() as group:
        if settings.auth == "keys":
            await _add_bootstrap_key(service)
            watch = KeyWatch(database.keys, clock, service.sockets)
            group.start_soon(service.keep, watch.run)
        service.instruments.redis_aside.append(limits)
        await limits.connect()
        group.start_soon(service.keep, limits.run)
        service.sockets.open(access.gate.identify)
        yield access
        group.cancel_scope.cancel()


async def _add_bootstrap_key(service: Service) -> None:
    """Add the key of the settings, unless it was there before, revoked or not."""
    secret = service.settings.bootstrap_key
    if not secret:
        return
    digest = sha256_of(secret)
    key = ApiKey(
        key_id=bootstrap_key_id(digest),
        user=_OPERATOR,
        role=Role.OPERATOR,
        created_at_ns=service.clock.now_ns(),
    )
    await service.database.keys.add(key, digest)
