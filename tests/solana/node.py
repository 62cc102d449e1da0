"""Stand in for a Solana node: JSON-RPC over real HTTP on loopback, with faults on demand."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from orderengine.solana.accounts import Account
from orderengine.solana.rpc import CLOCK

Answer = bytes | dict[str, Any]
Fault = Callable[[dict[str, Any]], Answer]
"""What is sent in place of an answer: a whole HTTP answer, or a JSON body."""

SYSVAR = "Sysvar1111111111111111111111111111111111111"


def status(number: int, **headers: str) -> Fault:
    """Return a fault: an HTTP status with headers, such as ``retry_after="1"``."""
    lines = [f"HTTP/1.1 {number} Something", "content-length: 0", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    answer = "\r\n".join([*lines, "", ""]).encode()
    return lambda _: answer


def error(code: int, message: str) -> Fault:
    """Return a fault: JSON-RPC's own."""
    return lambda _: {"error": {"code": code, "message": message}}


def result(value: object) -> Fault:
    """Return a fault: a result that is not what was asked for."""
    return lambda _: {"result": value}


def body(data: bytes) -> Fault:
    """Return a fault: another body."""
    return lambda _: _ok(data)


def _ok(data: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n"
    return head.encode() + data


class Node:
    """Hold accounts and the slot; what goes wrong is taken from ``faults``, one a request."""

    def __init__(self, accounts: Iterable[Account], *, slot: int = 500, time_s: int = 0) -> None:
        self.accounts = {account.address: account for account in accounts}
        self.slot = slot
        self.time_s = time_s
        """The Clock's; 0 for a network without one."""
        self.block_time_s: int | None = None
        self.faults: list[Fault | None] = []
        self.moves = 0
        """For so many requests, each is answered at a slot of its own."""
        self.before: Callable[[int], None] = lambda _: None
        """Called with the number of each request, from 0, before it is answered."""
        self.drips = False
        """The answer comes a byte at a time, slowly, for ever."""
        self.requests: list[dict[str, Any]] = []
        self.url = ""

    def answer(self, request: dict[str, Any]) -> Answer:
        """Return what is sent."""
        self.before(len(self.requests))
        self.requests.append(request)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            return fault(request)
        if request["method"] == "getBlockTime":
            return {"result": self.block_time_s}
        assert request["method"] == "getMultipleAccounts"
        addresses, how = request["params"]
        assert len(addresses) <= 100
        assert how["encoding"] == "base64"
        assert how["commitment"] == "confirmed"
        if self.moves:
            self.moves -= 1
            self.slot += 1
        if how.get("minContextSlot", 0) > self.slot:
            return {
                "error": {"code": -32016, "message": "Minimum context slot has not been reached"}
            }
        values = [self._value(address) for address in addresses]
        return {"result": {"context": {"slot": self.slot, "apiVersion": "2.1.9"}, "value": values}}

    def _value(self, address: str) -> dict[str, Any] | None:
        if address == CLOCK and self.time_s:
            account = Account(
                CLOCK, SYSVAR, bytes(32) + self.time_s.to_bytes(8, "little", signed=True)
            )
        elif address in self.accounts:
            account = self.accounts[address]
        else:
            return None
        data = [base64.b64encode(account.data).decode(), "base64"]
        fixed = {"lamports": 1, "executable": False, "rentEpoch": 2**64 - 1}
        return {"owner": account.owner, "data": data, "space": len(account.data), **fixed}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length:")[2].partition("\r")[0])
            request = json.loads(await reader.readexactly(length))
            answer = self.answer(request)
            if isinstance(answer, dict):
                whole = {"jsonrpc": "2.0", "id": request["id"], **answer}
                sent = _ok(json.dumps(whole).encode())
            else:
                sent = answer
            if self.drips:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n")
            while self.drips:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.write(sent)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    """Let a node answer at ``node.url``."""
    server = await asyncio.start_server(node.serve, "127.0.0.1", 0)
    node.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield node
