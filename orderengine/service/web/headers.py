"""Say with every answer what browsers may do with it."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["AnswerHeaders", "HeaderList"]

HeaderList = list[tuple[bytes, bytes]]

_ALL: HeaderList = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_API: HeaderList = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
# Swagger UI sets styles on its elements and has its pictures in its style sheet.
_PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    b" img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'"
)
_PAGE: HeaderList = [(b"content-security-policy", _PAGE_POLICY)]
_HTTPS: HeaderList = [(b"strict-transport-security", b"max-age=31536000; includeSubDomains")]
_PREFLIGHT: HeaderList = [
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key"),
    (b"access-control-max-age", b"600"),
]
_EXPOSED = b"Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"


class AnswerHeaders:
    """Hold what is added to answers.

    Args:
        cors_origins: pages of other origins that may read them.
        is_production: whether browsers are told to use HTTPS only.
    """

    def __init__(self, cors_origins: Collection[str], *, is_production: bool) -> None:
        self._origins = cors_origins
        more = _HTTPS if is_production else []
        if cors_origins:  # a cache must not give one page the answer for another
            more = [*more, (b"vary", b"Origin")]
        self._api, self._page = [*_ALL, *_API, *more], [*_ALL, *_PAGE, *more]

    def of(self, origin: bytes | None, *, is_page: bool) -> HeaderList:
        """Return what is added to the answer to a request from an origin."""
        found = self._page if is_page else self._api
        if origin is None or not self.is_listed(origin):
            return found
        # No credentials of the browser's own are allowed: a key is sent by the page itself.
        allowed = (b"access-control-allow-origin", origin)
        return [*found, allowed, (b"access-control-expose-headers", _EXPOSED)]

    def is_listed(self, origin: bytes) -> bool:
        """Return whether pages of an origin may ask."""
        return origin.decode("latin-1").lower() in self._origins

    @staticmethod
    def preflight() -> HeaderList:
        """Return what a browser is told that asks whether a page may ask."""
        return _PREFLIGHT
