"""Tell whether a request names this service as its host, and whether a page of ours sent it.

A browser resolves names as their owner likes, and sends some requests without asking anybody. So
a host name that is not ours may be another's page that has been pointed here, and an ``Origin``
that is neither our own nor listed is another's page for sure.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

__all__ = ["LOOPBACK_HOSTS", "host_name", "is_own_page"]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_HOST = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::[0-9]{1,5})?", re.ASCII)


@lru_cache(maxsize=1024)
def host_name(host: str) -> str | None:
    """Return the name in a ``Host`` header, without its port, in lower case, or None."""
    found = _HOST.fullmatch(host.lower())
    return None if found is None else found[1] or found[2]


def is_own_page(origin: str, host: str, listed: Collection[str] = ()) -> bool:
    """Return whether the page that sent a request is of this service, or of a listed origin."""
    origin = origin.lower()
    if origin in listed:
        return True
    scheme, _, rest = origin.partition("://")
    return scheme in {"http", "https"} and rest == host.lower()
