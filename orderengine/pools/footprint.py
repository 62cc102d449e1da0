"""Say what a swap takes of a transaction, by venue: accounts, bytes, compute units.

A transaction locks at most 64 accounts, is at most 1,232 bytes long and may ask for at most 1.4 M
compute units. So the number of legs that fit depends on which venues they trade on.

Source of accounts and data: the swap instructions in the programs' IDLs, counted again in mainnet
block 361774429 (``tests/pools/test_footprint.py``). An account is one of three kinds:

- every leg names it: payer, the user's two token accounts, the token program, both mints;
- every leg on a venue names it: its program and authorities;
- only this pool's leg does.

Assumptions: both tokens belong to the first token program, the user's token accounts exist, and no
leg pays a referrer. A swap names three tick or bin arrays, as aggregators do.

Bytes are those of a v0 message. The keys of signers, of the user's own accounts and of programs
stand in it with 32 bytes. Every other key is one byte, its index in a lookup table. Whether tables
are used, one a pool, is an assumption too: ``USES_TABLES``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from orderengine.errors import InvalidData

__all__ = [
    "BASE",
    "COMPUTE_UNITS",
    "LIMITS",
    "USES_TABLES",
    "Footprint",
    "Room",
    "footprint_of",
    "room_of",
]

USES_TABLES = True
"""Whether keys stand in address lookup tables. Of the recorded swaps, aggregators' do."""

_KEY = 32
_INDEXED = 1 if USES_TABLES else _KEY
_TABLE = _KEY + 2 if USES_TABLES else 0
"""Its address, and how many writable and readonly keys follow."""
_INSTRUCTION = 3
"""Program index, number of accounts, length of data."""


class Room(Struct, frozen=True):
    """Hold how much of a transaction's limits something takes, or the limits themselves."""

    accounts: int
    bytes: int
    compute_units: int


class Footprint(Struct, frozen=True, kw_only=True):
    """Hold what a swap on one venue takes."""

    listed: int
    """Accounts that the instruction names, each as often as it does."""
    data: int
    """Bytes of the instruction's arguments."""
    own: int
    """Accounts that no other pool's leg names."""
    shared: int
    """Accounts, the program not counted, that the venue's legs name and others do not."""
    compute_units: int
    """The limit that it asks for."""

    @property
    def leg(self) -> Room:
        """What each leg takes."""
        size = _INSTRUCTION + self.listed + self.data + _TABLE + self.own * _INDEXED
        return Room(self.own, size, self.compute_units)

    @property
    def venue(self) -> Room:
        """What the first leg on the venue takes besides."""
        return Room(1 + self.shared, _KEY + self.shared * _INDEXED, 0)


LIMITS = Room(64, 1_232, 1_400_000)
"""Of one transaction. Source: Solana's constants reference."""

_STATIC = 4
"""Payer, the user's two token accounts, the compute-budget program."""
_EVERY = 3
"""The token program and two mints."""

BASE = Room(
    _STATIC + _EVERY,
    # Signature and count; version and header; count of keys; blockhash; counts of instructions and
    # of tables; the compute limit and its price, as instructions of 5 and 9 bytes of data.
    65 + 4 + 1 + _STATIC * _KEY + 32 + 2 + (_INSTRUCTION + 5) + (_INSTRUCTION + 9)
    + _EVERY * _INDEXED,
    0,
)  # fmt: skip
"""What a transaction takes before its first leg; its compute-budget calls, 150 units each, are
within the 15 % that legs ask for above their use."""

_TOKEN = Room(2, _KEY + _INDEXED, 0)
"""What a third token takes: the user's account of it, and its mint."""

_CONSTANT_PRODUCT = 161_000
_CONCENTRATED = 195_500

_FOOTPRINTS: Mapping[str, Footprint] = {
    # SwapBaseIn: pool, orders, two vaults and seven accounts of its order book; authority and the
    # book's program. Some senders name the pool in place of the book's accounts: 3 own, not 11.
    "raydium_amm_v4": Footprint(
        listed=17, data=17, own=11, shared=2, compute_units=_CONSTANT_PRODUCT
    ),
    # swap_base_input: config, pool, two vaults, observations; the authority.
    "raydium_cpmm": Footprint(listed=13, data=24, own=5, shared=1, compute_units=_CONSTANT_PRODUCT),
    # swap_v2: config, pool, two vaults, observations, a bitmap, three tick arrays; the second
    # token program and the memo program.
    "raydium_clmm": Footprint(listed=17, data=41, own=9, shared=2, compute_units=_CONCENTRATED),
    # swap: pool, two vaults; authority and event authority.
    "meteora_damm_v2": Footprint(
        listed=14, data=24, own=3, shared=2, compute_units=_CONSTANT_PRODUCT
    ),
    # swap: pair, two reserves, oracle, three bin arrays and no bitmap; the event authority.
    "meteora_dlmm": Footprint(listed=18, data=24, own=7, shared=1, compute_units=_CONCENTRATED),
    # swap: pool, two vaults, three tick arrays, oracle.
    "orca_whirlpool": Footprint(listed=11, data=42, own=7, shared=0, compute_units=_CONCENTRATED),
}

COMPUTE_UNITS: Mapping[str, int] = {
    venue: footprint.compute_units for venue, footprint in _FOOTPRINTS.items()
}
"""The compute-unit limit that a swap asks for, by venue: its usual cost and 15 %. 140,000 units for
a constant-product swap, 170,000 for a concentrated one (Raydium docs). For other programs than
Raydium's these are assumptions: DAMM v2 as the first, DLMM and Whirlpool as the second; and so is
AMM v4 as the first, which the docs do not tell apart from CPMM."""


def footprint_of(venue: str) -> Footprint:
    """Return what a swap on a venue takes.

    Raises:
        InvalidData: nobody has counted it.
    """
    found = _FOOTPRINTS.get(venue)
    if found is None:
        raise InvalidData("the footprint of a swap", venue, f"one of {', '.join(_FOOTPRINTS)}")
    return found


def room_of(venues: Sequence[str], tokens: int = 2) -> Room:
    """Return what one transaction with a leg on each of these venues takes.

    Args:
        venues: one a leg, so a venue may stand more than once.
        tokens: how many the legs swap; each one on the way needs an account of the user's and its
            mint.

    Raises:
        InvalidData: as ``footprint_of``.
    """
    parts = [BASE, *(footprint_of(venue).leg for venue in venues)]
    parts += [footprint_of(venue).venue for venue in dict.fromkeys(venues)]
    parts += [_TOKEN] * (tokens - 2)
    return Room(
        sum([part.accounts for part in parts]),
        sum([part.bytes for part in parts]),
        sum([part.compute_units for part in parts]),
    )
