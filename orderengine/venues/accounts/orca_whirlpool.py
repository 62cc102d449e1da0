"""Read Orca Whirlpools.

Source of the layouts: orca-so/whirlpools programs/whirlpool/src/state/ at 630c0e0 ({whirlpool,
fixed_tick_array,dynamic_tick_array,oracle}.rs), and the accounts of pool
Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE on mainnet, 2026-07-06.
"""

from __future__ import annotations

from collections.abc import Iterator

from orderengine.pools import (
    OrcaWhirlpoolPool,
    OrcaWhirlpoolSpec,
    WhirlpoolAdaptiveFee,
    WhirlpoolTick,
)
from orderengine.pools.orca_whirlpool_ticks import ARRAY_TICKS, TICK_MAX, TICK_MIN, array_start
from orderengine.solana.accounts import Account, Accounts, key_bytes, program_address
from orderengine.venues.accounts.layout import Fields, Layout, token_amount
from orderengine.venues.accounts.program import Decoded, Program

__all__ = ["ORCA_WHIRLPOOL"]

_ID = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
_POOL = Layout(
    what="Orca Whirlpool",
    owner=_ID,
    size=653,
    discriminator=bytes.fromhex("3f95d10ce1806309"),
)
_FIXED_ARRAY = Layout(
    what="Orca tick array",
    owner=_ID,
    size=9_988,
    discriminator=bytes.fromhex("4561bdbe6e0742bb"),
)
_DYNAMIC_ARRAY = Layout(
    what="Orca dynamic tick array",
    owner=_ID,
    size=148,
    is_longer_allowed=True,
    discriminator=bytes.fromhex("11d8f68ee1c7da38"),
)
_ORACLE = Layout(
    what="Orca oracle",
    owner=_ID,
    size=254,
    discriminator=bytes.fromhex("8bc283b38cb3e5f4"),
)
_TICK_SIZE = 113
"""Bytes of an initialised tick: one that says so, then net and gross liquidity and growths."""


def _addresses(account: Account, reach: int) -> tuple[str, ...]:
    pool = _opened(account)
    spacing, tick = pool.u16(41), pool.i32(81)
    size, current = ARRAY_TICKS * spacing, array_start(tick, spacing)
    lowest, highest = array_start(TICK_MIN, spacing), array_start(TICK_MAX, spacing)
    starts = range(
        max(current - reach * size, lowest), min(current + reach * size, highest) + 1, size
    )
    others = [pool.key(133), pool.key(213)]
    if _is_adaptive(pool):
        others.append(_oracle_address(pool))
    return (*others, *(_array_address(pool, start) for start in starts))


def _opened(account: Account) -> Fields:
    pool = _POOL.open(account)
    if not pool.u16(41):
        raise pool.refusal("tick_spacing", 0, "at least 1")
    if not TICK_MIN - 1 <= pool.i32(81) <= TICK_MAX:
        expected = f"from {TICK_MIN - 1} to {TICK_MAX}"
        raise pool.refusal("tick_current_index", pool.i32(81), expected)
    return pool


def _is_adaptive(pool: Fields) -> bool:
    """Return whether the pool is of an adaptive fee tier: others have their spacing as index."""
    return pool.u16(43) != pool.u16(41)


def _oracle_address(pool: Fields) -> str:
    return program_address(_ID, b"oracle", key_bytes(pool.address))


def _array_address(pool: Fields, start: int) -> str:
    return program_address(_ID, b"tick_array", key_bytes(pool.address), str(start).encode())


def _decode(account: Account, accounts: Accounts) -> Decoded:
    pool, of_pool = _opened(account), f"of {_POOL.what} {account.address}"
    token_a, token_b = pool.key(101), pool.key(181)
    vault_a = accounts.require(pool.key(133), f"vault A {of_pool}")
    vault_b = accounts.require(pool.key(213), f"vault B {of_pool}")
    adaptive_fee = None
    if _is_adaptive(pool):
        oracle = accounts.require(_oracle_address(pool), f"oracle {of_pool}")
        adaptive_fee = _adaptive_fee(_ORACLE.open(oracle), pool)
    ticks, known_ticks = _ticks(pool, accounts)
    spec = OrcaWhirlpoolSpec(
        address=account.address,
        token_a=token_a,
        token_b=token_b,
        tick_spacing=pool.u16(41),
        fee_rate=pool.u16(45),
        protocol_fee_rate=pool.u16(47),
        tick_current=pool.i32(81),
        sqrt_price_x64=pool.u128(65),
        liquidity=pool.u128(49),
        ticks=ticks,
        known_ticks=known_ticks,
        adaptive_fee=adaptive_fee,
        accrued_fee_a=pool.u64(85),
        accrued_fee_b=pool.u64(93),
        vault_a=token_amount(vault_a, token_a, "vault A"),
        vault_b=token_amount(vault_b, token_b, "vault B"),
    )
    time_s = pool.u64(261)
    if adaptive_fee is not None:
        time_s = max(
            time_s,
            adaptive_fee.last_reference_update_timestamp,
            adaptive_fee.last_major_swap_timestamp,
        )
    return Decoded(OrcaWhirlpoolPool.from_spec(spec), time_s)


def _adaptive_fee(oracle: Fields, pool: Fields) -> WhirlpoolAdaptiveFee:
    if oracle.key(8) != pool.address:
        raise oracle.refusal("whirlpool", oracle.key(8), f"whirlpool {pool.address}")
    return WhirlpoolAdaptiveFee(
        filter_period=oracle.u16(48),
        decay_period=oracle.u16(50),
        reduction_factor=oracle.u16(52),
        adaptive_fee_control_factor=oracle.u32(54),
        max_volatility_accumulator=oracle.u32(58),
        tick_group_size=oracle.u16(62),
        major_swap_threshold_ticks=oracle.u16(64),
        last_reference_update_timestamp=oracle.u64(82),
        last_major_swap_timestamp=oracle.u64(90),
        volatility_reference=oracle.u32(98),
        tick_group_index_reference=oracle.i32(102),
        volatility_accumulator=oracle.u32(106),
        trade_enable_timestamp=oracle.u64(40),
    )


def _ticks(pool: Fields, accounts: Accounts) -> tuple[tuple[WhirlpoolTick, ...], tuple[int, int]]:
    """Return the initialised ticks, and the first and last tick that are known.

    From the array that holds the price outwards, up to the first that was not read. One that is
    known to be absent was never made, so nothing is initialised in it.
    """
    spacing, tick = pool.u16(41), pool.i32(81)
    size, current = ARRAY_TICKS * spacing, array_start(tick, spacing)
    address = _array_address(pool, current)
    if not accounts.is_absent(address):
        accounts.require(address, f"tick array from {current} of {_POOL.what} {pool.address}")
    ticks: list[WhirlpoolTick] = []
    first = last = current
    lowest, highest = array_start(TICK_MIN, spacing), array_start(TICK_MAX, spacing)
    for starts in (range(current, lowest - 1, -size), range(current + size, highest + 1, size)):
        for start in starts:
            address = _array_address(pool, start)
            array = accounts.find(address)
            if array is not None:
                ticks.extend(_ticks_of(array, pool.address, start, spacing))
            elif not accounts.is_absent(address):
                break
            first, last = min(first, start), max(last, start)
    return tuple(ticks), (max(first, TICK_MIN), min(last + size - 1, TICK_MAX))


def _ticks_of(account: Account, pool: str, start: int, spacing: int) -> Iterator[WhirlpoolTick]:
    """Yield the initialised ticks of an array of either kind.

    A fixed array gives each tick its place. In a dynamic one, a tick that is not initialised takes
    one byte, the 0 that says so.
    """
    is_fixed = account.data.startswith(_FIXED_ARRAY.discriminator)
    array = (_FIXED_ARRAY if is_fixed else _DYNAMIC_ARRAY).open(account)
    found_pool = array.key(9_956 if is_fixed else 12)
    if found_pool != pool:
        raise array.refusal("whirlpool", found_pool, f"whirlpool {pool}")
    if array.i32(8) != start:
        raise array.refusal("start_tick_index", array.i32(8), f"start_tick_index {start}")
    offset = 12 if is_fixed else 60
    bitmap = 0 if is_fixed else array.u128(44)
    for index in range(ARRAY_TICKS):
        tick, is_set = start + index * spacing, array.u8(offset)
        if is_set > 1:
            raise array.refusal(f"initialized of tick {tick}", is_set, "0 or 1")
        if not is_fixed and is_set != bitmap >> index & 1:
            raise array.refusal(f"initialized of tick {tick}", is_set, "what tick_bitmap says")
        size = _TICK_SIZE if is_set or is_fixed else 1
        # A byte at least for each tick that follows.
        least = offset + size + ARRAY_TICKS - 1 - index
        if len(array.data) < least:
            raise array.refusal("length", len(array.data), f"at least {least} bytes")
        if is_set:
            yield WhirlpoolTick(tick, array.i128(offset + 1), array.u128(offset + 17))
        offset += size


ORCA_WHIRLPOOL = Program(
    venue="orca_whirlpool",
    program_id=_ID,
    is_pool=_POOL.fits,
    addresses=_addresses,
    decode=_decode,
)
