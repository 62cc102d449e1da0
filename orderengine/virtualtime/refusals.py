"""Refuse what waits on the real world: threads, sockets, files, processes, signals."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, NoReturn

import anyio.abc

from orderengine.virtualtime.errors import NoVirtualTime

__all__ = ["RealWorldRefused"]

_ELSE = "or run this code on asyncio"
_THREAD = f"a thread takes real time: call the function directly, {_ELSE}"
_FROM_THREAD = f"a thread cannot reach a clock that jumps: use a task in its place, {_ELSE}"
_SOCKET = f"a peer takes real time: put a memory object stream in place of the socket, {_ELSE}"
_NAME = f"a name server takes real time: pass the address, {_ELSE}"
_DESCRIPTOR = f"a file descriptor waits on the real world: use a memory object stream, {_ELSE}"
_PROCESS = f"a process takes real time: run it before or after the simulation, {_ELSE}"
_SIGNAL = f"a signal comes in real time: set an event in its place, {_ELSE}"

_REFUSED = {
    "run_sync_in_worker_thread": _THREAD,
    "check_cancelled": _FROM_THREAD,
    "run_async_from_thread": _FROM_THREAD,
    "run_sync_from_thread": _FROM_THREAD,
    "run_sync_soon": _FROM_THREAD,
    "open_process": _PROCESS,
    "setup_process_pool_exit_at_shutdown": _PROCESS,
    "connect_tcp": _SOCKET,
    "connect_unix": _SOCKET,
    "create_tcp_listener": _SOCKET,
    "create_unix_listener": _SOCKET,
    "create_udp_socket": _SOCKET,
    "create_unix_datagram_socket": _SOCKET,
    "getaddrinfo": _NAME,
    "getnameinfo": _NAME,
    "wait_readable": _DESCRIPTOR,
    "wait_writable": _DESCRIPTOR,
    "notify_closing": _DESCRIPTOR,
    "wrap_listener_socket": _SOCKET,
    "wrap_stream_socket": _SOCKET,
    "wrap_unix_stream_socket": _SOCKET,
    "wrap_udp_socket": _SOCKET,
    "wrap_connected_udp_socket": _SOCKET,
    "wrap_unix_datagram_socket": _SOCKET,
    "wrap_connected_unix_datagram_socket": _SOCKET,
    "open_signal_receiver": _SIGNAL,
}
"""The methods of anyio's backend that have no virtual time, and what to do."""


class RealWorldRefused(anyio.abc.AsyncBackend):
    """Raise ``NoVirtualTime`` from each method in the table above."""


def _refusal(name: str, instead: str) -> Callable[..., Any]:
    message = f"{name}() has no virtual time: {instead}"

    def refuse(*_: object, **__: object) -> NoReturn:
        raise NoVirtualTime(message)

    async def refuse_when_awaited(*_: object, **__: object) -> NoReturn:
        raise NoVirtualTime(message)

    is_async = iscoroutinefunction(getattr(anyio.abc.AsyncBackend, name))
    return staticmethod(refuse_when_awaited if is_async else refuse)


for _name, _instead in _REFUSED.items():
    setattr(RealWorldRefused, _name, _refusal(_name, _instead))
