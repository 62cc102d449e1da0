"""Put the web face together: routes, the guard before them, and what opens with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.routes import HTTPRoute

from orderengine.errors import OrderEngineError
from orderengine.service.access.rules import require_rows
from orderengine.service.doors import open_access
from orderengine.service.opening import open_service, plain_errors
from orderengine.service.settings import Settings
from orderengine.service.sockets.hub import SOCKET_PATHS
from orderengine.service.web.docs import DOCS, FRAMEWORK_PAGES, openapi_config
from orderengine.service.web.front import Front
from orderengine.service.web.health import HEALTH
from orderengine.service.web.orders import ORDERS
from orderengine.service.web.problems import on_engine_error, on_http_error, on_unexpected
from orderengine.service.web.tickets import TICKETS

__all__ = ["create_app", "routes_of"]


def create_app(settings: Settings) -> Front:
    """Return the application; it opens the engine when it is started.

    Raises:
        InvariantViolated: a route has no row in the rules of access.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        try:
            with plain_errors():
                async with (
                    open_service(settings, works=settings.workers > 0) as service,
                    open_access(service, lambda: service.instruments.tally.open_orders) as access,
                ):
                    app.state.service = service
                    app.state.admission = access.admission
                    front.open(access.gate)
                    yield
        except OrderEngineError as error:
            front.failed(error)
            raise

    app = Litestar(
        route_handlers=[*ORDERS, *TICKETS, *HEALTH, *DOCS],
        lifespan=[lifespan],
        exception_handlers={
            OrderEngineError: on_engine_error,
            HTTPException: on_http_error,
            Exception: on_unexpected,
        },
        openapi_config=openapi_config(),
        type_encoders={msgspec.Struct: msgspec.to_builtins},
        logging_config=None,
    )
    require_rows(routes_of(app))
    front = Front(app, settings)
    return front


def routes_of(app: Litestar) -> Iterator[tuple[str, str]]:
    """Yield method and path of all routes that can be reached."""
    for route in app.routes:
        if route.path in FRAMEWORK_PAGES:
            continue  # they have no row: the guard lets nobody through
        if isinstance(route, HTTPRoute):
            for method in sorted(route.methods - {"OPTIONS"}):
                yield method, route.path
    for path in SOCKET_PATHS:
        yield "WEBSOCKET", path
