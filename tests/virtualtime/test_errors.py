"""Check what is said when a run cannot go on, or waits on the real world."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio import from_thread, to_process, to_thread

from orderengine import virtualtime
from orderengine.virtualtime import Deadlock, NoVirtualTime
from orderengine.virtualtime.backend import VirtualTimeBackend
from orderengine.virtualtime.refusals import RealWorldRefused


def test_a_deadlock_names_each_task_and_its_line() -> None:
    """The message says who waits, where in the caller's code, and since when nothing can happen."""

    async def stuck(event: anyio.Event) -> None:
        await event.wait()

    async def main() -> None:
        await anyio.sleep(2)
        async with anyio.create_task_group() as group:
            group.start_soon(stuck, anyio.Event(), name="quote 7")

    with pytest.raises(Deadlock) as caught:
        virtualtime.run(main)
    names = [name for name, _ in caught.value.parked]
    places = [place for _, place in caught.value.parked]
    assert names[0].endswith("main")
    assert names[1:] == ["quote 7"]
    line = stuck.__code__.co_firstlineno + 1
    assert places[1].endswith(f"stuck at {__file__}:{line}")
    assert "main at" in places[0]
    assert "at 2000000000 ns" in str(caught.value)
    assert f"quote 7 waits in {places[1]}" in str(caught.value)


def test_a_deadlock_in_anyio_alone_names_the_coroutine() -> None:
    """A task with no frame of the caller's is named by its coroutine."""

    async def main() -> None:
        event = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(event.wait)
            group.start_soon(anyio.sleep_forever)

    with pytest.raises(Deadlock) as caught:
        virtualtime.run(main)
    assert [place for _, place in caught.value.parked][1:] == ["Event.wait", "sleep_forever"]


def test_a_deadlock_of_many_keeps_its_message_short() -> None:
    """The message names twenty tasks and counts the rest; the error holds all of them."""

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(anyio.sleep_forever, name=f"task {number}")

    with pytest.raises(Deadlock, match=r"and 11 more$") as caught:
        virtualtime.run(main)
    assert len(caught.value.parked) == 31


async def _connect() -> None:
    await anyio.connect_tcp("localhost", 1)


async def _listen() -> None:
    await anyio.create_tcp_listener(local_host="127.0.0.1")


async def _udp() -> None:
    await anyio.create_udp_socket(local_host="127.0.0.1")


async def _readable() -> None:
    one, other = socket.socketpair()
    with one, other:
        await anyio.wait_readable(one)


async def _open_signals() -> None:
    with anyio.open_signal_receiver(signal.SIGTERM):
        pass


async def _read_file() -> None:
    await anyio.Path(__file__).read_text()


CALLS: dict[str, Callable[[], Awaitable[object]]] = {
    "worker thread": lambda: to_thread.run_sync(len, ""),
    "worker process": lambda: to_process.run_sync(len, ""),
    "process": lambda: anyio.run_process([sys.executable, "-V"]),
    "file": _read_file,
    "connect": _connect,
    "listen": _listen,
    "UDP": _udp,
    "unix socket": lambda: anyio.connect_unix("/nowhere"),
    "name lookup": lambda: anyio.getaddrinfo("localhost", 1),
    "reverse lookup": lambda: anyio.getnameinfo(("127.0.0.1", 1)),
    "file descriptor": _readable,
    "signal": _open_signals,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_what_waits_on_the_real_world_is_refused(call: Callable[[], Awaitable[object]]) -> None:
    """Each call of anyio's that has no virtual time raises, and says what to do instead."""

    async def main() -> None:
        await call()

    with pytest.raises(NoVirtualTime, match=r"has no virtual time: .*or run this code on asyncio"):
        virtualtime.run(main)


def _refused() -> list[str]:
    return sorted(name for name in vars(RealWorldRefused) if not name.startswith("_"))


@pytest.mark.parametrize("name", _refused())
def test_each_refused_method_names_itself(name: str) -> None:
    """Every method of the backend that has no virtual time says so, awaited or called."""
    method: Callable[..., Any] = getattr(VirtualTimeBackend, name)

    async def main() -> None:
        found = method()
        if found is not None:
            await found

    with pytest.raises(NoVirtualTime, match=rf"^{name}\(\) has no virtual time"):
        virtualtime.run(main)


def test_no_method_of_the_backend_is_missing() -> None:
    """All that anyio asks of a backend is either implemented or refused."""
    assert not VirtualTimeBackend.__abstractmethods__


def test_waiting_for_another_loop_is_refused() -> None:
    """Awaiting a future of the loop around raises in the task that does it, and hangs nobody."""

    async def inner() -> str:
        loop = asyncio.get_running_loop()
        with pytest.raises(NoVirtualTime, match="anyio's own functions"):
            await loop.create_future()
        with pytest.raises(NoVirtualTime, match="which virtual time cannot end"):
            await asyncio.sleep(0)
        await anyio.sleep(1)
        return "went on"

    async def cell() -> str:
        return virtualtime.run(inner)

    assert asyncio.run(cell()) == "went on"


def test_a_loop_within_the_loop_is_refused_by_anyio() -> None:
    """Code inside cannot start a loop by mistake; ``virtualtime.run`` may be nested on purpose."""

    async def inner() -> float:
        await anyio.sleep(5)
        return anyio.current_time()

    async def main() -> tuple[float, float]:
        with pytest.raises(RuntimeError, match="Already running virtualtime"):
            anyio.run(inner)
        with pytest.raises(RuntimeError):
            from_thread.run(inner)
        return virtualtime.run(inner), anyio.current_time()

    assert virtualtime.run(main) == (5, 0)
