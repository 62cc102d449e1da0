"""Make the accounts of a Raydium CLMM pool, for the benchmark of decoding.

As many bytes as a real pool's, and about as many initialised ticks: 30 in each of five arrays,
which is what the busiest SOL/USDC pool had on 2026-07-06 (20 to 34).

Source of the layouts: raydium-io/raydium-clmm programs/amm/src/states/.
"""

from __future__ import annotations

import hashlib

from orderengine.solana.accounts import Account, Accounts, address_of, key_bytes, program_address

__all__ = ["PROGRAM_ID", "made_accounts"]

PROGRAM_ID = "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK"
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105  (an address)

_POOL, _CONFIG, _VAULT_A, _VAULT_B, _MINT_A, _MINT_B = (
    address_of(bytes([number]) * 32) for number in range(1, 7)
)
_TICKS = 60
_CURRENT_START = -18_960
_STARTS = range(_CURRENT_START - 2 * _TICKS, _CURRENT_START + 3 * _TICKS, _TICKS)
_TICK_CURRENT = _CURRENT_START + _TICKS // 2
_LIQUIDITY = 10**10


def made_accounts() -> tuple[Account, Accounts]:
    """Return the pool's account, and all of its accounts."""
    pool = Account(_POOL, PROGRAM_ID, _pool_data())
    others = [
        Account(_CONFIG, PROGRAM_ID, _config_data()),
        _vault(_VAULT_A, _MINT_A, 50_000 * 10**9),
        _vault(_VAULT_B, _MINT_B, 7_500_000 * 10**6),
        _extension(),
        *(_tick_array(start) for start in _STARTS),
    ]
    return pool, Accounts([pool, *others])


def _pool_data() -> bytes:
    data = _anchor("PoolState", 1_544)
    keys = {9: _CONFIG, 73: _MINT_A, 105: _MINT_B, 137: _VAULT_A, 169: _VAULT_B}
    for offset, address in keys.items():
        data[offset : offset + 32] = key_bytes(address)
    data[233], data[234] = 9, 6
    below = sum(1 for start in _STARTS for tick in _initialised(start) if tick <= _TICK_CURRENT)
    _put(data, 235, 1, 2)  # tick spacing
    _put(data, 237, below * _LIQUIDITY, 16)
    _put(data, 253, int(1.0001 ** ((_TICK_CURRENT + 0.5) / 2) * 2**64), 16)
    _put(data, 269, _TICK_CURRENT, 4)
    _put(data, 904, sum(1 << start // _TICKS + 512 for start in _STARTS), 128)
    return bytes(data)


def _config_data() -> bytes:
    data = _anchor("AmmConfig", 117)
    _put(data, 43, 120_000, 4)
    _put(data, 47, 400, 4)
    _put(data, 51, 1, 2)
    _put(data, 53, 40_000, 4)
    return bytes(data)


def _tick_array(start: int) -> Account:
    data = _anchor("TickArrayState", 10_240)
    data[8:40] = key_bytes(_POOL)
    _put(data, 40, start, 4)
    for tick in range(start, start + _TICKS):
        _put(data, 44 + 168 * (tick - start), tick, 4)
    for tick in _initialised(start):
        offset = 44 + 168 * (tick - start)
        _put(data, offset + 4, _LIQUIDITY if tick <= _TICK_CURRENT else -_LIQUIDITY, 16)
        _put(data, offset + 20, _LIQUIDITY, 16)
    data[10_124] = len(_initialised(start))
    seeds = (b"tick_array", key_bytes(_POOL), start.to_bytes(4, "big", signed=True))
    return Account(program_address(PROGRAM_ID, *seeds), PROGRAM_ID, bytes(data))


def _extension() -> Account:
    data = _anchor("TickArrayBitmapExtension", 1_832)
    data[8:40] = key_bytes(_POOL)
    seeds = (b"pool_tick_array_bitmap_extension", key_bytes(_POOL))
    return Account(program_address(PROGRAM_ID, *seeds), PROGRAM_ID, bytes(data))


def _vault(address: str, mint: str, amount: int) -> Account:
    data = bytearray(165)
    data[:32] = key_bytes(mint)
    _put(data, 64, amount, 8)
    return Account(address, TOKEN_PROGRAM, bytes(data))


def _initialised(start: int) -> range:
    return range(start, start + _TICKS, 2)


def _anchor(name: str, size: int) -> bytearray:
    return bytearray(hashlib.sha256(f"account:{name}".encode()).digest()[:8].ljust(size, b"\0"))


def _put(data: bytearray, offset: int, value: int, size: int) -> None:
    data[offset : offset + size] = value.to_bytes(size, "little", signed=value < 0)
