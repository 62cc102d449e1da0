"""Say what turning accounts into pools needs to know of one program."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from orderengine.pools import Pool
from orderengine.solana.accounts import Account, Accounts

__all__ = ["Decoded", "Program"]


class Decoded(Struct, frozen=True):
    """Hold a pool that was read from accounts."""

    pool: Pool
    time_s: int = 0
    """The latest time at which the accounts say that something happened; Unix seconds, 0 if none
    does."""
    opening_s: int = 0
    """From when the pool swaps, in Unix seconds, which may be yet to come; 0 if it does not say."""


class Program(Struct, frozen=True, kw_only=True):
    """Read the pools of one program.

    A swap needs more than the pool's own account: vaults, the fee configuration, arrays of ticks or
    bins around the price. ``addresses`` names them from the pool's bytes alone, so that all of them
    can be read at one slot.
    """

    venue: str
    program_id: str
    is_pool: Callable[[Account], bool]
    """Whether an account is a pool of this program; never raises."""
    addresses: Callable[[Account, int], tuple[str, ...]]
    """Return the other accounts that a swap needs or may need. The number says how many arrays of
    ticks or bins to take on each side of the one that holds the price. Raises ``InvalidData``."""
    decode: Callable[[Account, Accounts], Decoded]
    """Return the pool. An array of ticks or bins that was not read bounds how far a swap can go;
    one that is known to be absent, or to be empty, does not. Raises ``InvalidData``: an account is
    missing, or is not what it should be; the error names account, field and expectation."""
