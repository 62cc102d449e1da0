"""Take snapshots of pools: over JSON-RPC at one slot, or from accounts that were dumped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from orderengine.errors import InvalidData, OrderEngineError, Unavailable
from orderengine.pools import Pool
from orderengine.pools.snapshot import SECONDS_END, Snapshot
from orderengine.solana.accounts import Account, Accounts
from orderengine.venues.accounts import PROGRAMS, Decoded, Program

__all__ = ["AccountsAtSlot", "AccountsReader", "LeftOut", "snapshot_of_dumps", "take_snapshot"]

_TRIES = 5
"""How often the accounts that a pool needs may turn out to have changed while they were read."""


class AccountsAtSlot(Protocol):
    """Hold accounts that were all read at one slot."""

    @property
    def slot(self) -> int:
        """The slot."""

    @property
    def time_s(self) -> int:
        """The slot's time in Unix seconds; 0 if nobody knows it."""

    @property
    def accounts(self) -> Accounts:
        """Those that exist, and which do not."""


class AccountsReader(Protocol):
    """Read accounts, as ``orderengine.solana.rpc.Rpc`` does."""

    async def accounts(self, addresses: Sequence[str]) -> AccountsAtSlot:
        """Return accounts at one slot."""


class LeftOut(Struct, frozen=True):
    """Name a pool that was seen and not taken, and why."""

    venue: str
    address: str
    reason: str


async def take_snapshot(
    rpc: AccountsReader,
    addresses: Sequence[str],
    reach: int = 2,
    *,
    tell: Callable[[str], None] | None = None,
) -> Snapshot:
    """Read pools and all that they need, at one slot.

    First the pools, which name the accounts they need; then all of them together. A pool that needs
    others by then (its price has moved into another array of ticks) is read once more.

    Args:
        rpc: reads accounts.
        addresses: of the pools.
        reach: arrays of ticks or bins on each side of the one that holds the price.
        tell: is told in words what is being done.

    Raises:
        InvalidData: an address holds no pool of a known program, or the pool cannot be read.
        Unavailable: the node does not answer, or the pools would not stand still.
    """
    if not addresses:
        raise InvalidData("the snapshot", "no pool's address", "at least one")
    addresses = tuple(dict.fromkeys(addresses))
    say = tell or (lambda _: None)
    say(f"reading {len(addresses)} pools")
    read = await rpc.accounts(addresses)
    for _ in range(_TRIES):
        wanted = _needed(read.accounts, addresses, reach)
        say(f"reading {len(wanted)} accounts of them, slot {read.slot} or later")
        read = await rpc.accounts(wanted)
        if set(_needed(read.accounts, addresses, reach)) <= set(wanted):
            return _decoded(read, addresses)
    raise Unavailable(
        f"the pools needed other accounts each of {_TRIES} times that they were read; try again"
    )


def snapshot_of_dumps(accounts: Accounts) -> tuple[Snapshot, tuple[LeftOut, ...]]:
    """Return every pool whose accounts are complete, and of the others why they are left out.

    The slot is the newest that a dump names; the time the latest that an account of a pool that
    was taken mentions. Dumps need not be of one slot: then prices differ by time, too.
    """
    taken: list[Decoded] = []
    left_out = []
    for account in sorted(accounts, key=lambda account: account.address):
        program = _program_of(account)
        if program is None:
            continue
        try:
            taken.append(_dated(program.decode(account, accounts)))
        except OrderEngineError as error:
            left_out.append(LeftOut(program.venue, account.address, str(error)))
    snapshot = Snapshot(
        slot=max((account.slot for account in accounts), default=0),
        time_s=_time_of(taken),
        pools=_by_venue(taken),
    )
    return snapshot, tuple(left_out)


def _needed(accounts: Accounts, addresses: Sequence[str], reach: int) -> tuple[str, ...]:
    """Return the pools' addresses and those of all the accounts that they name."""
    needed = dict.fromkeys(addresses)
    for address in addresses:
        account = accounts.require(address, "the pool")
        needed.update(dict.fromkeys(_required_program(account).addresses(account, reach)))
    return tuple(needed)


def _decoded(read: AccountsAtSlot, addresses: Iterable[str]) -> Snapshot:
    taken = []
    for address in addresses:
        account = read.accounts.require(address, "the pool")
        taken.append(_dated(_required_program(account).decode(account, read.accounts)))
    return Snapshot(slot=read.slot, time_s=read.time_s or _time_of(taken), pools=_by_venue(taken))


def _dated(decoded: Decoded) -> Decoded:
    """Refuse a pool whose accounts mention a time that no snapshot can have."""
    if not 0 <= decoded.time_s <= SECONDS_END:
        expected = f"Unix seconds from 0 to {SECONDS_END}"
        raise InvalidData(f"pool {decoded.pool.address}", f"time {decoded.time_s}", expected)
    return decoded


def _time_of(taken: Sequence[Decoded]) -> int:
    """Return the latest time at which something happened; else the latest opening, within reason.

    An opening may be yet to come, so it says little; but a pool that never changed says no more.
    """
    openings = (decoded.opening_s for decoded in taken if decoded.opening_s <= SECONDS_END)
    return max((decoded.time_s for decoded in taken), default=0) or max(openings, default=0)


def _by_venue(taken: Iterable[Decoded]) -> tuple[Pool, ...]:
    pools = (decoded.pool for decoded in taken)
    return tuple(sorted(pools, key=lambda pool: (pool.venue, pool.address)))


def _program_of(account: Account) -> Program | None:
    return next((program for program in PROGRAMS if program.is_pool(account)), None)


def _required_program(account: Account) -> Program:
    program = _program_of(account)
    if program is not None:
        return program
    for known in PROGRAMS:
        if known.program_id == account.owner:
            found = f"an account of {known.venue} that is no pool ({len(account.data)} bytes)"
            raise InvalidData(f"pool {account.address}", found, "a pool's address")
    venues = ", ".join(program.venue for program in PROGRAMS)
    raise InvalidData(
        f"pool {account.address}", f"an account owned by {account.owner}", f"a pool of {venues}"
    )
