"""Answer whether the process runs, and whether it should be sent requests."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from orderengine.errors import OrderEngineError
from orderengine.service.web.requests import AnyRequest, service_of

__all__ = ["HEALTH"]


@get("/health/live", summary="Whether the process runs")
async def live() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


@get("/health/ready", summary="Whether orders are accepted, and what stands in the way of work")
async def ready(request: AnyRequest) -> Response[dict[str, Any]]:
    """Return 503 if orders cannot be accepted; without Redis they can, and are found in SQL."""
    service = service_of(request)
    checks: dict[str, str] = {"store": "ok", "queue": "memory"}
    try:
        await service.store.position()
    except OrderEngineError as error:
        checks["store"] = str(error)
    if service.redis is not None:
        checks["queue"] = "redis" if service.redis.is_available else "redis is down, polling SQL"
    is_ready = checks["store"] == "ok"
    is_degraded = service.redis is not None and not service.redis.is_available
    status = "degraded" if is_ready and is_degraded else "ok" if is_ready else "unavailable"
    return Response({"status": status} | checks, status_code=200 if is_ready else 503)


HEALTH = (live, ready)
"""The handlers."""
