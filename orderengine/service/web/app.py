"""Put the web face together, as a Litestar application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from litestar import Litestar, Response, get
from litestar.exceptions import HTTPException

from orderengine.errors import OrderEngineError
from orderengine.service.parts import open_service
from orderengine.service.settings import Settings
from orderengine.service.web.docs import openapi_config, swagger_file
from orderengine.service.web.guard import BodyGuard
from orderengine.service.web.health import HEALTH
from orderengine.service.web.orders import ORDERS
from orderengine.service.web.problems import on_engine_error, on_http_error, on_unexpected
from orderengine.service.web.requests import AnyRequest

__all__ = ["create_app"]


@get("/openapi.json", include_in_schema=False)
async def openapi(request: AnyRequest) -> Response[bytes]:
    """Return the description of this API."""
    schema = msgspec.json.encode(request.app.openapi_schema.to_schema())
    return Response(schema, media_type="application/json")


def create_app(settings: Settings) -> Litestar:
    """Return the application; it opens the engine when it is started."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_service(settings, works=settings.workers > 0) as service:
            app.state.service = service
            yield

    return Litestar(
        route_handlers=[
            *ORDERS,
            *HEALTH,
            openapi,
            swagger_file,
        ],
        lifespan=[lifespan],
        middleware=[BodyGuard],
        exception_handlers={
            OrderEngineError: on_engine_error,
            HTTPException: on_http_error,
            Exception: on_unexpected,
        },
        openapi_config=openapi_config(),
        type_encoders={msgspec.Struct: msgspec.to_builtins},
        logging_config=None,
    )
