"""Read accounts from a Solana node, all of them at one slot.

Theory of operation. ``getMultipleAccounts`` takes 100 addresses at most and says at which slot it
read them. More than 100 are asked for in several calls at once; if their slots differ, all are
asked again, from the newest slot seen on, until one slot answers every call. The Clock account is
among them, so that the time is that of the slot, too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from msgspec import Struct

from orderengine.errors import InvalidData, OrderEngineError, Unavailable
from orderengine.solana.accounts import Account, Accounts, key_bytes
from orderengine.solana.json_rpc import JsonRpc, RpcRefusal

__all__ = ["CLOCK", "ReadAccounts", "Rpc", "open_rpc"]

CLOCK = "SysvarC1ock11111111111111111111111111111111"
_CLOCK_TIME = slice(32, 40)
"""After slot, start of the epoch, epoch and next epoch: the Unix time, an i64."""
_BATCH = 100
"""Addresses that one call takes."""
_TRIES = 10
_SECONDS_END = 7_258_118_400
"""The year 2200."""


class ReadAccounts(Struct, frozen=True):
    """Hold accounts that were read at one slot."""

    slot: int
    time_s: int
    """The slot's time in Unix seconds; 0 if the node does not know it."""
    accounts: Accounts


class _Batch(Struct, frozen=True):
    slot: int
    values: tuple[Account | None, ...]


@asynccontextmanager
async def open_rpc(
    url: str, *, deadline_s: float = 60.0, timeout_s: float = 15.0
) -> AsyncIterator[Rpc]:
    """Give a reader of accounts over one node; raises ``InvalidData`` if the URL is none."""
    async with JsonRpc(url, deadline_s=deadline_s, timeout_s=timeout_s).open() as server:
        yield Rpc(server)


class Rpc:
    """Read accounts over one node."""

    def __init__(self, server: JsonRpc) -> None:
        self._server = server

    async def accounts(self, addresses: Sequence[str]) -> ReadAccounts:
        """Return accounts at one slot, with commitment ``confirmed``.

        Raises:
            InvalidData: an address is none, or the node's answer cannot be understood.
            Unavailable: the node does not answer, or never for all at one slot.
        """
        for address in addresses:
            key_bytes(address)
        wanted = tuple(dict.fromkeys((*addresses, CLOCK)))
        parts = [wanted[start : start + _BATCH] for start in range(0, len(wanted), _BATCH)]
        slot_min = 0
        for _ in range(_TRIES):
            batches = await self._batches(parts, slot_min)
            slots = [batch.slot for batch in batches]
            if min(slots) == max(slots):
                return await self._joined(wanted, batches)
            slot_min = max(slots)
        raise Unavailable(
            f"{self._server.where} never gave {len(wanted)} accounts at one slot in {_TRIES} tries "
            f"(slots {min(slots)} to {max(slots)} in the last one); try again, or with fewer pools"
        )

    async def _batches(self, parts: Sequence[Sequence[str]], slot_min: int) -> list[_Batch]:
        """Ask for all parts at once."""
        found: dict[int, _Batch] = {}

        async def ask(number: int, part: Sequence[str]) -> None:
            found[number] = await self._batch(part, slot_min)

        try:
            async with anyio.create_task_group() as group:
                for number, part in enumerate(parts):
                    group.start_soon(ask, number, part)
        except BaseExceptionGroup as errors:
            ours = errors.subgroup(OrderEngineError)
            if ours is None:
                raise
            first: BaseException = ours
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None
        return [found[number] for number in range(len(parts))]

    async def _batch(self, addresses: Sequence[str], slot_min: int) -> _Batch:
        how: dict[str, object] = {"encoding": "base64", "commitment": "confirmed"}
        if slot_min:
            how["minContextSlot"] = slot_min
        result = await self._server.call("getMultipleAccounts", [list(addresses), how])
        source = f"the answer of {self._server.where} to getMultipleAccounts"
        context = result.get("context") if isinstance(result, dict) else None
        slot = context.get("slot") if isinstance(context, dict) else None
        if not isinstance(slot, int) or not _is_whole(slot, 2**64):
            raise InvalidData(source, "no slot", "context.slot")
        values = result.get("value")
        if not isinstance(values, list) or len(values) != len(addresses):
            found = f"{len(values)} values" if isinstance(values, list) else "no list of values"
            raise InvalidData(source, found, f"{len(addresses)} values")
        accounts = (
            _account(address, value, slot, source)
            for address, value in zip(addresses, values, strict=True)
        )
        return _Batch(slot, tuple(accounts))

    async def _joined(self, wanted: Sequence[str], batches: Sequence[_Batch]) -> ReadAccounts:
        values = [value for batch in batches for value in batch.values]
        found = [value for value in values if value is not None]
        absent = [address for address, value in zip(wanted, values, strict=True) if value is None]
        accounts, slot = Accounts(found, absent), batches[0].slot
        clock = accounts.find(CLOCK)
        if clock is not None and len(clock.data) >= _CLOCK_TIME.stop:
            time_s = int.from_bytes(clock.data[_CLOCK_TIME], "little", signed=True)
            if 0 < time_s < _SECONDS_END:
                return ReadAccounts(slot, time_s, accounts)
        return ReadAccounts(slot, await self._block_time_s(slot), accounts)

    async def _block_time_s(self, slot: int) -> int:
        """Return a slot's time from the ledger, or 0: the network at hand may have no Clock."""
        try:
            time_s = await self._server.call("getBlockTime", [slot])
        except RpcRefusal:
            return 0
        return int(time_s) if _is_whole(time_s, _SECONDS_END) else 0


def _account(address: str, value: object, slot: int, source: str) -> Account | None:
    if value is None:
        return None
    fields = value if isinstance(value, dict) else {}
    owner, data = fields.get("owner"), fields.get("data")
    try:
        key_bytes(owner if isinstance(owner, str) else "")
    except InvalidData as error:
        raise InvalidData(source, f"{address} without an owner", error.expected) from None
    text = data[0] if isinstance(data, list) and data[1:] == ["base64"] else None
    try:
        if isinstance(text, str):
            return Account(address, str(owner), base64.b64decode(text, validate=True), slot)
    except (binascii.Error, ValueError):
        pass
    raise InvalidData(source, f"{address} without data", 'data as [base64, "base64"]')


def _is_whole(value: Any, end: int) -> bool:  # noqa: ANN401  (any JSON)
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end
