"""Serve sockets over a log that the test writes, in a process of its own, on command.

A command is a line of JSON on standard input, a list of its name and arguments; each is answered
with a line on standard output. Limits and patience are what the test says, so that it need not wait
for those of production. Who a client is, it says itself in headers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import uvicorn

from orderengine.execution.journal import Journal
from orderengine.model.api_key import Role
from orderengine.model.events import Cancelled, Requoting
from orderengine.model.order import Order
from orderengine.service.access.identity import Identity, Refusal, Scope
from orderengine.service.clock import WallClock
from orderengine.service.sockets.hub import SocketHub, SocketLimits
from orderengine.service.sockets.live_log import LiveLog
from orderengine.service.sockets.protocol import Heartbeat, socket_protocol
from orderengine.storage.sqlite.store import SqliteEventStore


class SocketServer:
    """Hold the process, for a test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self.port: int = self.ask("port")

    @property
    def url(self) -> str:
        """Return where its sockets are."""
        return f"ws://127.0.0.1:{self.port}"

    def ask(self, *command: object) -> Any:
        """Give a command and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def serving_sockets(
    folder: Path,
    *,
    heartbeat: dict[str, Any] | None = None,
    behind_max: int = 10_000,
    **limits: int,
) -> Iterator[SocketServer]:
    """Give such a process; it is ended whatever happens."""
    given = {"heartbeat": heartbeat or {}, "behind_max": behind_max, "limits": limits}
    command = [
        sys.executable,
        "-m",
        "tests.service.sockets.socket_server",
        str(folder),
        json.dumps(given),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield SocketServer(process)
        finally:
            process.kill()


async def _identify(scope: Scope) -> Identity | Refusal:
    headers = dict(scope["headers"])
    user, key_id = headers.get(b"x-user", b"user").decode(), headers.get(b"x-key")
    if user == "nobody":
        return Refusal(401, "UNAUTHENTICATED", "who are you?")
    name = None if key_id is None else key_id.decode()
    return Identity(user=user, key_id=name, role=Role.USER)


class _Commands:
    """Do what the test says."""

    def __init__(self, store: SqliteEventStore, hub: SocketHub, port: int) -> None:
        self._store = store
        self._hub = hub
        self._port = port
        self._journal = Journal(store, WallClock(), hub.log.tell)
        self._seq: dict[str, int] = {}
        self._stored = 0

    async def _told(self, count: int) -> None:
        """Wait until the events just stored have been handed on."""
        self._stored += count
        with anyio.fail_after(20):
            while self._hub.log.events < self._stored:  # noqa: ASYNC110  (only counted)
                await anyio.sleep(0.001)

    async def port(self) -> int:
        """Return the port."""
        return self._port

    async def create(self, order_id: str, user: str = "user") -> int:
        """Store an order."""
        order = Order(order_id=order_id, sell="SOL", buy="USDC", amount=10**9, user=user)
        self._seq[order_id] = (await self._journal.open(order, 2**64)).seq
        await self._told(1)
        return 1

    async def append(self, order_id: str, count: int = 1, padding: int = 0) -> int:
        """Add events to an order's log; return the last one's number."""
        for _ in range(count):
            self._seq[order_id] += 1
            event = Requoting(
                order_id=order_id,
                seq=self._seq[order_id],
                at_ns=WallClock().now_ns(),
                reason="x" * padding,
            )
            await self._store.append(event)
            self._hub.log.tell()
        await self._told(count)
        return self._seq[order_id]

    async def end(self, order_id: str) -> int:
        """Add the last event."""
        self._seq[order_id] += 1
        seq, at_ns = self._seq[order_id], WallClock().now_ns()
        await self._store.append(
            Cancelled(order_id=order_id, seq=seq, at_ns=at_ns, reference_price_x64=2**64)
        )
        self._hub.log.tell()
        await self._told(1)
        return seq

    async def close_key(self, *key_ids: str) -> int:
        """Close the sockets of some keys."""
        return self._hub.close_key(key_ids)

    async def drain(self, wait_s: float) -> int:
        """Close all sockets."""
        await self._hub.drain(wait_s)
        return self._hub.count

    async def figures(self) -> dict[str, object]:
        """Return what the hub counts."""
        return {
            "count": self._hub.count,
            "of_user": self._hub.count_of("user"),
            "keys": sorted(self._hub.key_ids),
            "sent": self._hub.messages_sent,
            "slow": self._hub.slow_readers,
            "errors": self._hub.log.errors,
            "lag_s": self._hub.log.lag_s,
        }


async def _no_http(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _main(folder: str, given: dict[str, Any]) -> None:
    async with SqliteEventStore(Path(folder) / "log.db", synchronous="NORMAL") as store:
        log = LiveLog(store, WallClock(), behind_max=given["behind_max"])
        hub = SocketHub(
            log,
            limits=SocketLimits(**given["limits"]),
            heartbeat=Heartbeat(**given["heartbeat"]),
        )
        hub.open(_identify)
        config = uvicorn.Config(
            _no_http, port=0, ws=socket_protocol(lambda: hub), lifespan="off", log_level="warning"
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        async with anyio.create_task_group() as group:
            group.start_soon(hub.run)
            port = server.servers[0].sockets[0].getsockname()[1]
            commands = _Commands(store, hub, port)
            while line := await anyio.to_thread.run_sync(sys.stdin.readline):
                name, *arguments = json.loads(line)
                answer = await getattr(commands, name)(*arguments)
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()
            group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(_main, sys.argv[1], json.loads(sys.argv[2]), backend_options={"use_uvloop": True})
