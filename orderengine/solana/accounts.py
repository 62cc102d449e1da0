"""Hold accounts as they were read, by address, and compute addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from solders.pubkey import Pubkey

from orderengine.errors import InvalidData

__all__ = ["Account", "Accounts", "address_of", "key_bytes", "program_address"]


class Account(Struct, frozen=True):
    """Hold one account; ``owner`` is the program that may change it, ``slot`` when it was read."""

    address: str
    owner: str
    data: bytes
    slot: int = 0
    """0 if not known."""


class Accounts:
    """Find accounts by address, among those that were read together.

    Args:
        accounts: those that exist.
        absent: addresses that were asked for and hold nothing, which is knowledge too: an address
            that is neither found nor absent was never looked up.
    """

    def __init__(self, accounts: Iterable[Account], absent: Iterable[str] = ()) -> None:
        self._by_address = {account.address: account for account in accounts}
        self._absent = frozenset(absent)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_address.values())

    def find(self, address: str) -> Account | None:
        """Return the account, or None if it was not read."""
        return self._by_address.get(address)

    def is_absent(self, address: str) -> bool:
        """Return whether it is known that nothing is there."""
        return address in self._absent

    def require(self, address: str, what: str) -> Account:
        """Return the account.

        Args:
            address: in base58.
            what: what it should be, for the error: "vault A of pool …".

        Raises:
            InvalidData: it was not read, or does not exist.
        """
        account = self._by_address.get(address)
        if account is None:
            found = "no such account" if address in self._absent else "an account that was not read"
            raise InvalidData(f"{what}, {address}", found, "the account's bytes")
        return account


def address_of(key: bytes) -> str:
    """Return the 32 bytes of a key in base58."""
    return str(Pubkey(key))


def key_bytes(address: str) -> bytes:
    """Return the 32 bytes of an address.

    Raises:
        InvalidData: it is no base58 of 32 bytes.
    """
    try:
        return bytes(Pubkey.from_string(address))
    except ValueError:
        raise InvalidData("an address", repr(address), "32 bytes in base58") from None


def program_address(program_id: str, *seeds: bytes) -> str:
    """Return the address that a program derives from seeds (a PDA)."""
    found, _ = Pubkey.find_program_address(list(seeds), Pubkey.from_string(program_id))
    return str(found)
