"""Share out the files that the system lets a process have open: each connection is one."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import resource

__all__ = ["connections_max", "raise_file_limit", "sockets_max"]

_KEPT = 256
"""For the database, Redis, and all that is no connection of a client."""
_CONNECTIONS_MIN = 256
"""Left to HTTP, whatever is allowed to sockets."""
_CONNECTIONS_MAX = 10_000
"""As many as ever stand open for HTTP: each may hold an answer that is not read."""


def raise_file_limit() -> None:
    """Take as many open files as the system grants; 1,024 is usual before."""
    if sys.platform != "win32":
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def sockets_max(wanted: int) -> int:
    """Return how many WebSockets there may be, where so many are wanted."""
    return min(wanted, max(_files_max() - _KEPT - _CONNECTIONS_MIN, 1))


def connections_max(sockets_wanted: int) -> int:
    """Return how many connections of HTTP there may be beside the WebSockets."""
    return min(_CONNECTIONS_MAX, max(_files_max() - _KEPT - sockets_max(sockets_wanted), 1))


def _files_max() -> int:
    if sys.platform == "win32":
        return 2**31
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] % 2**63  # -1 for no limit
