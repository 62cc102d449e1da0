"""Read Raydium CLMM pools.

Initialised ticks lie in accounts of 60 tick spacings each, which bitmaps list: 512 on each side of
tick 0 in the pool itself, those further out in an account beside it. An array that the bitmaps do
not list holds nothing. One that they list and that was not read ends what is known of the pool, as
does an unread bitmap, and a tick with limit orders, which the pools here do not fill.

The dynamic fee is read where the program at 03b44b7 has it, in bytes that were padding before. All
of them zero means that the pool has none; so it is in every recorded account, none of which has
one.

Source of the layouts: raydium-io/raydium-clmm programs/amm/src/states/{pool,pool_fee,config,
tick_array,tickarray_bitmap_extension}.rs at 03b44b7, and the accounts of pool
3ucNos4NbumPLZNWztqGHNFFgkHeRMBQAVemeeomsUxv on mainnet, 2026-07-06.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct as Packed

from msgspec import Struct

from orderengine.pools import ClmmDynamicFee, ClmmTickSpec, RaydiumClmmPool, RaydiumClmmSpec
from orderengine.pools.raydium_clmm_ticks import TICK_MAX
from orderengine.solana.accounts import Account, Accounts, key_bytes, program_address
from orderengine.venues.accounts.layout import Fields, Layout, token_amount
from orderengine.venues.accounts.program import Decoded, Program

__all__ = ["RAYDIUM_CLMM"]

_ID = "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK"
_POOL = Layout(
    what="Raydium CLMM pool",
    owner=_ID,
    size=1544,
    discriminator=bytes.fromhex("f7ede3f5d7c3de46"),
)
_CONFIG = Layout(
    what="Raydium CLMM fee configuration",
    owner=_ID,
    size=117,
    discriminator=bytes.fromhex("daf42168cbcb2b6f"),
)
_TICK_ARRAY = Layout(
    what="Raydium CLMM tick array",
    owner=_ID,
    size=10240,
    discriminator=bytes.fromhex("c09b55cd31f9812a"),
)
_EXTENSION = Layout(
    what="Raydium CLMM bitmap extension",
    owner=_ID,
    size=1832,
    discriminator=bytes.fromhex("3c9624db61808b99"),
)
_TICKS_IN_ARRAY = 60
_ARRAYS_IN_HALF = 512
"""Arrays that the pool's bitmap lists on each side of tick 0, and each bitmap of the extension."""
_EXTENSION_BITMAPS = 14
"""On each side."""
_SWAP_DISABLED = 1 << 4
"""A bit of the pool's status."""

_FIRST_TICK, _TICK_SIZE = 44, 168
_TICK = Packed("<i16s16s")
"""The tick, its liquidity net and its liquidity gross; two integers of 128 bits."""
_NOTHING = bytes(16)

_FIRST_REWARD, _REWARD_SIZE, _REWARDS = 397, 169, 3
_DYNAMIC_FEE, _DYNAMIC_FEE_SIZE = 1096, 80


class _Known(Struct):
    """Gather initialised ticks, and between which bounds they are all there are."""

    ticks: list[ClmmTickSpec]
    known_from: int | None
    known_to: int | None


def _addresses(account: Account, reach: int) -> tuple[str, ...]:
    pool = _POOL.open(account)
    found = [pool.key(9), pool.key(137), pool.key(169)]
    span = _array_span(pool)
    if _has_extension(span):
        found.append(_extension_address(account))
    here = pool.i32(269) // span * span
    starts = list(_starts_in(pool.data[904:1032], -_ARRAYS_IN_HALF * span, span))
    below = [start for start in starts if start < here]
    above = [start for start in starts if start > here]
    wanted = [here, *above[: max(reach, 0)]]
    if reach > 0:
        wanted += below[-reach:]
    found += (_array_address(account, start) for start in wanted)
    return tuple(found)


def _decode(account: Account, accounts: Accounts) -> Decoded:
    pool, of_pool = _POOL.open(account), f"of {_POOL.what} {account.address}"
    if pool.u8(389) & _SWAP_DISABLED:
        raise pool.refusal("status", pool.u8(389), "a status that allows swaps")
    if pool.u8(390) > 2:
        raise pool.refusal("fee_on", pool.u8(390), "0, 1 or 2")
    config = _CONFIG.open(accounts.require(pool.key(9), f"fee configuration {of_pool}"))
    token_a, token_b = pool.key(73), pool.key(105)
    vault_a = accounts.require(pool.key(137), f"vault A {of_pool}")
    vault_b = accounts.require(pool.key(169), f"vault B {of_pool}")
    known = _known_ticks(account, pool, accounts)
    dynamic_fee = _dynamic_fee(pool)
    spec = RaydiumClmmSpec(
        address=account.address,
        token_a=token_a,
        token_b=token_b,
        tick_spacing=pool.u16(235),
        trade_fee_rate=config.u32(47),
        protocol_fee_rate=config.u32(43),
        fund_fee_rate=config.u32(53),
        fee_on=pool.u8(390),
        tick_current=pool.i32(269),
        sqrt_price_x64=pool.u128(253),
        liquidity=pool.u128(237),
        ticks=tuple(known.ticks),
        dynamic_fee=dynamic_fee,
        known_from=known.known_from,
        known_to=known.known_to,
        vault_a=token_amount(vault_a, token_a, "vault A"),
        vault_b=token_amount(vault_b, token_b, "vault B"),
        protocol_fee_a=pool.u64(309),
        protocol_fee_b=pool.u64(317),
        fund_fee_a=pool.u64(1064),
        fund_fee_b=pool.u64(1072),
    )
    times = [0 if dynamic_fee is None else dynamic_fee.last_update_timestamp]
    times += (pool.u64(_FIRST_REWARD + _REWARD_SIZE * index + 17) for index in range(_REWARDS))
    return Decoded(RaydiumClmmPool.from_spec(spec), max(times), pool.u64(1080))


def _known_ticks(account: Account, pool: Fields, accounts: Accounts) -> _Known:
    """Read the arrays around the price until one is missing or holds limit orders."""
    span, tick = _array_span(pool), pool.i32(269)
    half = _ARRAYS_IN_HALF * span
    starts = list(_starts_in(pool.data[904:1032], -half, span))
    known = _Known([], None, None)
    if _has_extension(span):
        address = _extension_address(account)
        extension = accounts.find(address)
        if extension is None and not -half <= tick < half:
            what = f"bitmap extension of {_POOL.what} {account.address}"
            accounts.require(address, what)
        if extension is not None:
            starts += _extension_starts(account, _EXTENSION.open(extension), span)
            starts.sort()
        elif not accounts.is_absent(address):
            known.known_from, known.known_to = -half, half
    here = tick // span * span
    for start in reversed([start for start in starts if start <= here]):
        array = _array(account, accounts, start, is_required=start == here)
        if array is None:
            known.known_from = start + span
            break
        bound = _read_ticks(array, pool, start, tick, known.ticks, is_upward=False)
        if bound is not None:
            known.known_from = bound + 1
            break
    for start in starts:
        if start < here:
            continue
        array = _array(account, accounts, start, is_required=False)
        if array is None:
            known.known_to = start
            break
        bound = _read_ticks(array, pool, start, tick, known.ticks, is_upward=True)
        if bound is not None:
            known.known_to = bound
            break
    return known


def _read_ticks(
    array: Fields,
    pool: Fields,
    start: int,
    tick_current: int,
    ticks: list[ClmmTickSpec],
    *,
    is_upward: bool,
) -> int | None:
    """Add an array's ticks on one side of the price; return the first with limit orders, if any."""
    if array.data[8:40] != key_bytes(pool.address):
        raise array.refusal("pool", array.key(8), f"pool {pool.address}")
    if array.i32(40) != start:
        raise array.refusal("start_tick_index", array.i32(40), f"start_tick_index {start}")
    data, spacing = array.data, pool.u16(235)
    indices = range(_TICKS_IN_ARRAY) if is_upward else range(_TICKS_IN_ARRAY - 1, -1, -1)
    for index in indices:
        offset = _FIRST_TICK + _TICK_SIZE * index
        tick = start + index * spacing
        if (tick > tick_current) is not is_upward:
            continue
        if data[offset + 124 : offset + 140] != _NOTHING:
            return tick
        stated, net, gross = _TICK.unpack_from(data, offset)
        if gross != _NOTHING:
            if stated != tick:
                raise array.refusal(f"tick {index}", stated, f"tick {tick}")
            ticks.append(
                ClmmTickSpec(tick=tick, liquidity_net=int.from_bytes(net, "little", signed=True))
            )
    return None


def _dynamic_fee(pool: Fields) -> ClmmDynamicFee | None:
    at = _DYNAMIC_FEE
    if not any(pool.data[at : at + _DYNAMIC_FEE_SIZE]):
        return None
    return ClmmDynamicFee(
        filter_period=pool.u16(at),
        decay_period=pool.u16(at + 2),
        reduction_factor=pool.u16(at + 4),
        dynamic_fee_control=pool.u32(at + 6),
        max_volatility_accumulator=pool.u32(at + 10),
        tick_spacing_index_reference=pool.i32(at + 14),
        volatility_reference=pool.u32(at + 18),
        volatility_accumulator=pool.u32(at + 22),
        last_update_timestamp=pool.u64(at + 26),
    )


def _array_span(pool: Fields) -> int:
    """Return how many ticks one array spans."""
    spacing = pool.u16(235)
    if not spacing:
        raise pool.refusal("tick_spacing", spacing, "a tick_spacing above 0")
    return spacing * _TICKS_IN_ARRAY


def _has_extension(span: int) -> bool:
    """Return whether the pool's own bitmap leaves out some ticks."""
    return _ARRAYS_IN_HALF * span <= TICK_MAX


def _array(account: Account, accounts: Accounts, start: int, *, is_required: bool) -> Fields | None:
    """Return an array that a bitmap lists, or None if it was not read."""
    address = _array_address(account, start)
    found = accounts.find(address)
    if found is None and (is_required or accounts.is_absent(address)):
        what = f"tick array from {start} of {_POOL.what} {account.address}"
        found = accounts.require(address, what)
    return None if found is None else _TICK_ARRAY.open(found)


def _array_address(account: Account, start: int) -> str:
    seed = start.to_bytes(4, "big", signed=True)
    return program_address(_ID, b"tick_array", key_bytes(account.address), seed)


def _extension_address(account: Account) -> str:
    return program_address(_ID, b"pool_tick_array_bitmap_extension", key_bytes(account.address))


def _extension_starts(account: Account, extension: Fields, span: int) -> Iterator[int]:
    if extension.key(8) != account.address:
        raise extension.refusal("pool", extension.key(8), f"pool {account.address}")
    half = _ARRAYS_IN_HALF * span
    size = _ARRAYS_IN_HALF // 8
    for index in range(_EXTENSION_BITMAPS):
        above = 40 + size * index
        below = above + size * _EXTENSION_BITMAPS
        yield from _starts_in(extension.data[above : above + size], half * (index + 1), span)
        yield from _starts_in(extension.data[below : below + size], -half * (index + 2), span)


def _starts_in(bitmap: bytes, first: int, span: int) -> Iterator[int]:
    """Yield the first ticks of the arrays that a bitmap lists, ascending."""
    bits = int.from_bytes(bitmap, "little")
    while bits:
        lowest = bits & -bits
        yield first + (lowest.bit_length() - 1) * span
        bits ^= lowest


RAYDIUM_CLMM = Program(
    venue="raydium_clmm",
    program_id=_ID,
    is_pool=_POOL.fits,
    addresses=_addresses,
    decode=_decode,
)
