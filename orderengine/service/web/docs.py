"""Describe the API to people and machines, with everything served from here."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.resources import files

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin

__all__ = ["openapi_config", "swagger_file"]

_AT = "/docs/assets"
_FILES = {
    "swagger_bundle.js": "text/javascript",
    "swagger_preset.js": "text/javascript",
    "swagger_style.css": "text/css",
}
"""Swagger UI's own files, from the package that carries them, and what they are."""
_NO_ICON = '<link rel="icon" href="data:,">'


def openapi_config() -> OpenAPIConfig:
    """Return how ``/openapi.json`` and ``/docs`` are made."""
    swagger = SwaggerRenderPlugin(
        path="/",
        js_url=f"{_AT}/swagger_bundle.js",
        css_url=f"{_AT}/swagger_style.css",
        standalone_preset_js_url=f"{_AT}/swagger_preset.js",
        favicon=_NO_ICON,
    )
    return OpenAPIConfig(
        title="orderengine",
        version=version("orderengine"),
        description="Accept, route, execute and stream token-swap orders.",
        path="/docs",
        render_plugins=[swagger],
    )


@get(f"{_AT}/{{name:str}}", include_in_schema=False)
async def swagger_file(name: str) -> Response[bytes]:
    """Return one of Swagger UI's own files."""
    kind = _FILES.get(name)
    if kind is None:
        raise NotFoundException
    return Response(_file(name), media_type=kind, headers={"Cache-Control": "max-age=86400"})


@cache
def _file(name: str) -> bytes:
    return (files("offapi") / name).read_bytes()
