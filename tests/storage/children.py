"""Use a store from a process of its own: ``python -m tests.storage.children WHAT URL NAME``.

Each program waits for a line on standard input, so that several begin together, and writes a line
for each thing that the store has acknowledged.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from orderengine.storage.database import OrderStore
from orderengine.storage.opening import open_database
from tests.execution.store_contract import accepted, cancelled, claimed, key

ORDERS = 200
REQUESTS = 500


def start(what: str, url: str, name: str) -> subprocess.Popen[str]:
    """Start a program; the caller sends the line, reads, and waits for it."""
    command = [sys.executable, "-m", "tests.storage.children", what, url, name]
    root = Path(__file__).parents[2]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True)


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def write(store: OrderStore, name: str) -> None:
    """Create orders, claim them and end them, until killed."""

    async def loop(lane: int) -> None:
        number = 0
        while True:
            number += 1
            order_id = f"{name}-{lane}-{number}"
            await store.create(accepted(order_id), key(order_id))
            _say(order_id, 1)
            lease = await store.claim(order_id, name)
            assert lease is not None
            await store.append(claimed(order_id=order_id), fence=lease.fence)
            _say(order_id, 2)
            await store.append(cancelled(3, order_id), fence=lease.fence)
            _say(order_id, 3)

    async with anyio.create_task_group() as group:
        for lane in range(20):
            group.start_soon(loop, lane)


async def claim(store: OrderStore, name: str) -> None:
    """Try to claim all orders at once; say which were got, under which fence."""

    async def one(order_id: str) -> None:
        lease = await store.claim(order_id, name)
        if lease is not None:
            _say(order_id, lease.fence)

    async with anyio.create_task_group() as group:
        for number in range(ORDERS):
            group.start_soon(one, f"o-{number}")


async def request(store: OrderStore, name: str) -> None:
    """Send one request many times at once, each as an order of its own; say which was made."""

    async def one(number: int) -> None:
        _say(await store.create(accepted(f"{name}-{number}"), key()))

    async with anyio.create_task_group() as group:
        for number in range(REQUESTS):
            group.start_soon(one, number)


PROGRAMS: dict[str, Callable[[OrderStore, str], Awaitable[None]]] = {
    "write": write,
    "claim": claim,
    "request": request,
}


async def _main(what: str, url: str, name: str) -> None:
    sys.stdin.readline()
    async with open_database(url, lease_ns=60_000_000_000, upgrade=True) as database:
        await PROGRAMS[what](database.orders, name)


if __name__ == "__main__":
    _, what, url, name = sys.argv
    anyio.run(_main, what, url, name, backend="asyncio")
