"""Make up what the accounts of several programs have in common."""

from __future__ import annotations

from orderengine.solana.accounts import Account, key_bytes

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105  (an address)


def u64(value: int) -> bytes:
    """Return a little-endian integer of 64 bits."""
    return value.to_bytes(8, "little")


def u128(value: int) -> bytes:
    """Return a little-endian integer of 128 bits."""
    return value.to_bytes(16, "little")


def token_account(address: str, mint: str, amount: int) -> Account:
    """Return a token account."""
    data = key_bytes(mint) + bytes(32) + u64(amount) + bytes(93)
    return Account(address, TOKEN_PROGRAM, data)
