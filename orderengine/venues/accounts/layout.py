"""Read fields out of account bytes, after checking that they are what they should be."""

from __future__ import annotations

from struct import Struct as Packed

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.solana.accounts import Account, address_of

__all__ = ["Fields", "Layout", "token_amount"]

_U16, _I16 = Packed("<H"), Packed("<h")
_U32, _I32 = Packed("<I"), Packed("<i")
_U64, _I64 = Packed("<Q"), Packed("<q")

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105  (an address)
TOKEN_2022_PROGRAM = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"  # noqa: S105  (an address)
_TOKEN_ACCOUNT_SIZE = 165
_TRANSFER_FEE_AMOUNT = 2
"""The extension that a Token-2022 account carries if its mint takes a fee on transfers."""


class Fields:
    """Read little-endian fields of one account by their offset."""

    def __init__(self, account: Account, what: str) -> None:
        self.address = account.address
        self.data = account.data
        self.what = what

    def u8(self, offset: int) -> int:
        """Return an unsigned byte."""
        return self.data[offset]

    def u16(self, offset: int) -> int:
        """Return an unsigned integer of 16 bits."""
        return int(_U16.unpack_from(self.data, offset)[0])

    def i16(self, offset: int) -> int:
        """Return a signed integer of 16 bits."""
        return int(_I16.unpack_from(self.data, offset)[0])

    def u32(self, offset: int) -> int:
        """Return an unsigned integer of 32 bits."""
        return int(_U32.unpack_from(self.data, offset)[0])

    def i32(self, offset: int) -> int:
        """Return a signed integer of 32 bits."""
        return int(_I32.unpack_from(self.data, offset)[0])

    def u64(self, offset: int) -> int:
        """Return an unsigned integer of 64 bits."""
        return int(_U64.unpack_from(self.data, offset)[0])

    def i64(self, offset: int) -> int:
        """Return a signed integer of 64 bits."""
        return int(_I64.unpack_from(self.data, offset)[0])

    def u128(self, offset: int) -> int:
        """Return an unsigned integer of 128 bits."""
        return int.from_bytes(self.data[offset : offset + 16], "little")

    def i128(self, offset: int) -> int:
        """Return a signed integer of 128 bits."""
        return int.from_bytes(self.data[offset : offset + 16], "little", signed=True)

    def key(self, offset: int) -> str:
        """Return an address in base58."""
        return address_of(self.data[offset : offset + 32])

    def refusal(self, field: str, found: object, expected: str) -> InvalidData:
        """Return the error of a field that holds what it should not; raise it."""
        return InvalidData(f"{self.what} {self.address}", f"{field} {found}", expected)


class Layout(Struct, frozen=True, kw_only=True):
    """Say how to know one kind of account."""

    what: str
    """What people call it: "Raydium CPMM pool"."""
    owner: str
    """The program that owns it."""
    size: int
    """Bytes, the discriminator's included."""
    is_longer_allowed: bool = False
    discriminator: bytes = b""
    """The first eight bytes, of a program written with Anchor."""

    def fits(self, account: Account) -> bool:
        """Return whether an account is of this kind."""
        return (
            account.owner == self.owner
            and account.data.startswith(self.discriminator)
            and self._has_size(account)
        )

    def open(self, account: Account) -> Fields:
        """Return the account's fields.

        Raises:
            InvalidData: wrong owner, discriminator or length.
        """
        source = f"{self.what} {account.address}"
        if account.owner != self.owner:
            raise InvalidData(source, f"owner {account.owner}", f"owner {self.owner}")
        size, start = len(account.data), account.data[: len(self.discriminator)]
        if start != self.discriminator:
            wanted = f"discriminator {self.discriminator.hex()}"
            raise InvalidData(source, f"discriminator {start.hex() or 'of no bytes'}", wanted)
        if not self._has_size(account):
            least = "at least " if self.is_longer_allowed else ""
            raise InvalidData(source, f"{size} bytes", f"{least}{self.size} bytes")
        return Fields(account, self.what)

    def _has_size(self, account: Account) -> bool:
        size = len(account.data)
        return size >= self.size if self.is_longer_allowed else size == self.size


def token_amount(account: Account, mint: str, what: str) -> int:
    """Return how many base units a token account holds.

    Args:
        account: of the Token or the Token-2022 program.
        mint: the token that it must be of.
        what: what people call it: "vault A of Raydium CPMM pool".

    Raises:
        InvalidData: it is no token account, it is of another mint, or the mint takes a fee on
            transfers, which no pool here accounts for.
    """
    program = account.owner
    if program not in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
        expected = f"owner {TOKEN_PROGRAM} or {TOKEN_2022_PROGRAM}"
        raise InvalidData(f"{what} {account.address}", f"owner {program}", expected)
    layout = Layout(
        what=what,
        owner=program,
        size=_TOKEN_ACCOUNT_SIZE,
        is_longer_allowed=program == TOKEN_2022_PROGRAM,
    )
    fields = layout.open(account)
    if fields.key(0) != mint:
        raise fields.refusal("mint", fields.key(0), f"mint {mint}")
    if _TRANSFER_FEE_AMOUNT in _extensions(account.data):
        expected = "a token without transfer fees, which are not supported"
        raise fields.refusal("extension", "TransferFeeAmount", expected)
    return fields.u64(64)


def _extensions(data: bytes) -> set[int]:
    """Return the kinds of the extensions that follow a Token-2022 account and its type byte."""
    kinds, offset = set(), _TOKEN_ACCOUNT_SIZE + 1
    while offset + 4 <= len(data):
        kind, length = _U16.unpack_from(data, offset)[0], _U16.unpack_from(data, offset + 2)[0]
        if not kind:
            break
        kinds.add(int(kind))
        offset += 4 + length
    return kinds
