"""Describe the API to people and machines, with everything served from here."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.resources import files

from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import FromPath

from orderengine.service.web.description import described
from orderengine.service.web.requests import AnyRequest, service_of

__all__ = ["DOCS", "FRAMEWORK_PAGES", "openapi_config"]

_AT = "/docs/assets"
_FILES = {
    "swagger_bundle.js": "text/javascript",
    "swagger_preset.js": "text/javascript",
    "swagger_style.css": "text/css",
}
"""Swagger UI's own files, from the package that carries them, and what they are."""

# The page's own script is a file too, so that no script within a page has to be allowed.
_START = "start.js"
_START_SCRIPT = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger",
  deepLinking: true,
  showExtensions: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>orderengine</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{_AT}/swagger_style.css">
</head>
<body>
<div id="swagger"></div>
<script src="{_AT}/swagger_bundle.js"></script>
<script src="{_AT}/swagger_preset.js"></script>
<script src="{_AT}/{_START}"></script>
</body>
</html>
"""

_FRAMEWORK_AT = "/docs/of-the-framework"
FRAMEWORK_PAGES = frozenset(
    {
        _FRAMEWORK_AT,
        f"{_FRAMEWORK_AT}/{{path:str}}",
        f"{_FRAMEWORK_AT}/openapi.json",
        f"{_FRAMEWORK_AT}/oauth2-redirect.html",
    }
)
"""What the framework adds by itself when it describes routes; nobody is let through to it."""


def openapi_config() -> OpenAPIConfig:
    """Return how the framework describes the routes."""
    key = SecurityScheme(
        type="http", scheme="bearer", description="a secret of `orderengine keys create`"
    )
    return OpenAPIConfig(
        title="orderengine",
        version=version("orderengine"),
        description="Accept, route, execute and stream token-swap orders.\n\n"
        "`WS /ws/{order_id}?from_seq=` sends an order's events from a number on, and `WS /ws` those"
        " of all your orders from now on. Pages of a browser, which can send no key with that, add"
        " `ticket=` with what `POST /tickets` returned.",
        path=_FRAMEWORK_AT,
        render_plugins=[SwaggerRenderPlugin(path="/")],
        components=Components(security_schemes={"key": key}),
        security=[{"key": []}],
    )


@get("/openapi.json", include_in_schema=False)
async def openapi(request: AnyRequest) -> Response[bytes]:
    """Return the description of this API."""
    state = request.app.state
    if "openapi" not in state:
        schema = request.app.openapi_schema.to_schema()
        asks = service_of(request).settings.auth == "keys"
        state.openapi = described(schema, asks_for_keys=asks)
    return Response(state.openapi, media_type="application/json")


@get("/docs", include_in_schema=False)
async def page() -> Response[str]:
    """Return a page that shows it and lets people try it."""
    return Response(_PAGE, media_type=MediaType.HTML)


@get(f"{_AT}/{{name:str}}", include_in_schema=False)
async def page_file(name: FromPath[str]) -> Response[bytes]:
    """Return one of the files that the page loads."""
    kind = "text/javascript" if name == _START else _FILES.get(name)
    if kind is None:
        raise NotFoundException
    body = _START_SCRIPT if name == _START else _file(name)
    return Response(body, media_type=kind, headers={"Cache-Control": "max-age=86400"})


@cache
def _file(name: str) -> bytes:
    return (files("offapi") / name).read_bytes()


DOCS = (openapi, page, page_file)
"""The handlers."""
