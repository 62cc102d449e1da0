"""Hold what swaps take of a transaction to those of a recorded block."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from typing import Any

import pytest

from orderengine.errors import InvalidData
from orderengine.pools import footprint
from orderengine.pools.footprint import BASE, COMPUTE_UNITS, LIMITS, Room, footprint_of, room_of
from tests.shared import shared_path

BLOCK = "rpc/mainnet_block_361774429_dex_transactions.json.gz"
PROGRAMS = {
    "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8": "raydium_amm_v4",
    "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C": "raydium_cpmm",
    "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK": "raydium_clmm",
    "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG": "meteora_damm_v2",
    "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo": "meteora_dlmm",
    "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc": "orca_whirlpool",
}
DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
NAMES_MINTS = {"raydium_cpmm", "raydium_clmm", "meteora_damm_v2", "meteora_dlmm"}
NAMES_ITSELF = {"meteora_damm_v2", "meteora_dlmm"}

Shape = tuple[int, int, int]
"""Accounts named, how many of them differ, bytes of data."""


def from_base58(text: str) -> bytes:
    """Return what a base58 text without leading zeros says."""
    number = 0
    for digit in text:
        number = number * 58 + DIGITS.index(digit)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def to_base58(raw: bytes) -> str:
    """Return a key's text."""
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = DIGITS[digit] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


class Reader:
    """Read a transaction's bytes from front to back."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        self.at += count
        return self.raw[self.at - count : self.at]

    def counted(self) -> bytes:
        """Return as many bytes as the first one says."""
        count = self.take(1)[0]
        assert count < 128, "a count of two bytes: none is in the block"
        return self.take(count)


class Recorded:
    """Hold one recorded transaction: its size, keys, tables and every instruction's shape."""

    def __init__(self, entry: dict[str, Any]) -> None:
        raw = base64.b64decode(entry["transaction"][0])
        reader = Reader(raw)
        self.size = len(raw)
        self.signatures = reader.take(1)[0]
        reader.take(64 * self.signatures)
        self.is_v0 = bool(raw[reader.at] & 128)
        reader.take(4 if self.is_v0 else 3)
        keys = [to_base58(reader.take(32)) for _ in range(reader.take(1)[0])]
        self.keys = len(keys)
        reader.take(32)
        calls = [(reader.take(1)[0], *self._call(reader)) for _ in range(reader.take(1)[0])]
        self.calls = [(len(accounts), len(data)) for _, accounts, data in calls]
        self.tables: list[int] = []
        for _ in range(reader.take(1)[0] if self.is_v0 else 0):
            reader.take(32)
            self.tables.append(len(reader.counted()) + len(reader.counted()))
        assert reader.at == self.size
        loaded = entry["meta"]["loadedAddresses"]
        names = [*keys, *loaded["writable"], *loaded["readonly"]]
        calls += [
            (call["programIdIndex"], bytes(call["accounts"]), from_base58(call["data"]))
            for group in entry["meta"]["innerInstructions"]
            for call in group["instructions"]
        ]
        self.swaps = [
            (PROGRAMS[names[program]], (len(accounts), len(set(accounts)), len(data)))
            for program, accounts, data in calls
            if names[program] in PROGRAMS
        ]

    @staticmethod
    def _call(reader: Reader) -> tuple[bytes, bytes]:
        return reader.counted(), reader.counted()


@pytest.fixture(scope="module")
def recorded() -> list[Recorded]:
    """Return the block's swaps, or skip if it is absent."""
    block = json.loads(gzip.decompress(shared_path(BLOCK).read_bytes()))
    return [Recorded(entry) for entry in block["transactions"]]


@pytest.mark.needs_shared_data
def test_swaps_name_as_many_accounts_as_recorded_ones(recorded: list[Recorded]) -> None:
    """Every venue's instruction is in the block: accounts named, those that differ, data."""
    shapes: dict[str, set[Shape]] = defaultdict(set)
    for transaction in recorded:
        for venue, shape in transaction.swaps:
            shapes[venue].add(shape)
    for venue in COMPUTE_UNITS:
        said = footprint_of(venue)
        # Payer, two token accounts, token program; mints and the program where it names them.
        common = 4 + 2 * (venue in NAMES_MINTS) + (venue in NAMES_ITSELF)
        differ = said.own + said.shared + common
        assert (said.listed, differ, said.data) in shapes[venue], (venue, shapes[venue])


@pytest.mark.needs_shared_data
def test_the_parts_add_up_to_recorded_sizes(recorded: list[Recorded]) -> None:
    """Signatures, keys, instructions and tables take the bytes that the model gives them."""
    assert {transaction.is_v0 for transaction in recorded} == {True, False}
    for transaction in recorded:
        calls = sum(footprint._INSTRUCTION + named + data for named, data in transaction.calls)
        tables = sum(footprint._TABLE + indexes for indexes in transaction.tables)
        # The model's fixed part, with this transaction's keys and without its compute calls.
        fixed = BASE.bytes - footprint._STATIC * 32 - (3 + 5) - (3 + 9) - footprint._EVERY
        legacy = 0 if transaction.is_v0 else 2
        more = 64 * (transaction.signatures - 1) - legacy
        assert fixed + more + transaction.keys * 32 + calls + tables == transaction.size


@pytest.mark.parametrize("venue", list(COMPUTE_UNITS))
def test_a_second_leg_on_a_venue_takes_less_than_the_first(venue: str) -> None:
    """Its program and authorities are named already; its own accounts are not."""
    leg, first = footprint_of(venue).leg, footprint_of(venue).venue
    one, two = room_of([venue]), room_of([venue, venue])
    for kind in Room.__struct_fields__:
        base = getattr(BASE, kind)
        assert getattr(one, kind) == base + getattr(leg, kind) + getattr(first, kind)
        assert getattr(two, kind) - getattr(one, kind) == getattr(leg, kind)
        assert getattr(one, kind) <= getattr(LIMITS, kind)


def test_a_venue_that_nobody_counted_is_refused() -> None:
    """The error names it and those that are known."""
    with pytest.raises(InvalidData, match=r"raydium_cpmm.*phoenix"):
        room_of(["raydium_cpmm", "phoenix"])
