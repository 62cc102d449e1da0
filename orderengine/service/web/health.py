"""Answer whether the process runs, whether it should be sent requests, and what it has measured."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, get
from litestar.params import Parameter

from orderengine.service.operations.metrics import exposition
from orderengine.service.operations.readiness import Grade, readiness
from orderengine.service.web.requests import AnyRequest, service_of

__all__ = ["HEALTH"]

_TEXT_FORM = "text/plain; version=0.0.4"
"""Prometheus's text form; the framework adds the charset, and a second one is no valid header."""


@get("/health/live", summary="Whether the process runs")
async def live() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


@get("/health/ready", summary="Whether requests are welcome here, and what stands in the way")
async def ready(
    request: AnyRequest,
    degraded: Annotated[
        str | None,
        Parameter(description="`ok`: answer 200, too, while Redis is lost and orders end late"),
    ] = None,
) -> Response[dict[str, Any]]:
    """Return 503 if another process should be asked instead, with what was found."""
    service = service_of(request)
    found = await readiness(service.instruments, service.clock)
    if found.grade <= (Grade.LOST if degraded == "ok" else Grade.POOR):
        status = "ok" if found.grade is Grade.FINE else "degraded"
        return Response({"status": status, "checks": found.checks})
    problem = {
        "type": "about:blank",
        "title": "Not ready",
        "status": 503,
        "code": "NOT_READY",
        "detail": found.trouble,
        "checks": found.checks,
    }
    return Response(
        problem,
        status_code=503,
        media_type="application/problem+json",
        headers={"Retry-After": "1"},
    )


@get("/metrics", summary="What the service has measured, for Prometheus", media_type="text/plain")
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Return all figures in Prometheus's text form."""
    service = service_of(request)
    body = await exposition(service.instruments, service.clock)
    return Response(body, media_type=_TEXT_FORM)


HEALTH = (live, ready, metrics)
"""The handlers."""
