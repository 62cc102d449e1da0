"""Read Meteora DLMM pairs.

A pair that was never active is refused, for what it does depends on a slot or a time to come. So
is one whose vault holds less than its bins: its accounts were not read together.

Not certain: that a pair with an activation point which has traded, and lets nobody trade before
that point, is active (no recorded pair has one that passed); and that no bin in an array of version
0 or 1 has orders (the recorded ones have volumes of the past there, more than their vaults hold).

Source of the layouts: LbPair in MeteoraAg/dlmm-sdk idls/dlmm.json (0.12.0), its
``is_support_limit_order`` and ``validate_swap_activation`` in commons/src at fb02e51, and the
accounts of pair 5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6 on mainnet, 2026-07-06.
"""

from __future__ import annotations

from msgspec.structs import replace

from orderengine.errors import InvalidData
from orderengine.pools import DlmmFeeParameters, DlmmVolatility, MeteoraDlmmPool, MeteoraDlmmSpec
from orderengine.pools.meteora_dlmm_price import BIN_ID_MAX
from orderengine.solana.accounts import Account, Accounts
from orderengine.venues.accounts.layout import Fields, Layout, token_amount
from orderengine.venues.accounts.meteora_dlmm_arrays import (
    BINS_OF_ARRAY,
    METEORA_DLMM_ID,
    BinArray,
    BinArrayMarks,
    array_address,
)
from orderengine.venues.accounts.program import Decoded, Program

__all__ = ["METEORA_DLMM"]

_PAIR = Layout(
    what="Meteora DLMM pair",
    owner=METEORA_DLMM_ID,
    size=904,
    discriminator=bytes.fromhex("210b3162b565b10d"),
)
_NOBODY = "11111111111111111111111111111111"
_PAIR_TYPES_WITH_ACTIVATION = {1, 2}
_PAIR_TYPE_MAX = 3
_ACTIVATION_BY_SLOT, _ACTIVATION_BY_TIME = 0, 1
_REWARD_MINTS_AT = (264, 408)
_PAYS_REWARDS, _TAKES_ORDERS = 1, 2


def _addresses(account: Account, reach: int) -> tuple[str, ...]:
    pair = _PAIR.open(account)
    marks = BinArrayMarks(pair)
    addresses = [pair.key(152), pair.key(184)]
    if marks.needs_extension:
        addresses.append(marks.extension_address)
    active = pair.i32(76) // BINS_OF_ARRAY
    indices = [active]
    for direction in (-1, 1):
        index, left = active + direction, reach
        while left > 0 and marks.lowest <= index <= marks.highest:
            is_marked = marks.is_marked(index)
            if is_marked is None and marks.is_in_bitmap(active):
                # Few pairs have arrays out there. The extension will tell of them.
                break
            if is_marked is not False:
                indices.append(index)
                left -= 1
            index += direction
    addresses += [array_address(account.address, index) for index in sorted(indices)]
    return tuple(addresses)


def _decode(account: Account, accounts: Accounts) -> Decoded:
    pair, of_pair = _PAIR.open(account), f"of {_PAIR.what} {account.address}"
    _require_tradable(pair, account.slot)
    marks = BinArrayMarks(pair)
    if not marks.lowest <= pair.i32(76) // BINS_OF_ARRAY <= marks.highest:
        expected = f"an id from {pair.i32(24)} to {pair.i32(28)}, the pair's own range"
        raise pair.refusal("active_id", pair.i32(76), expected)
    if marks.needs_extension:
        extension = accounts.find(marks.extension_address)
        if extension is not None:
            marks.read_extension(extension)
        elif accounts.is_absent(marks.extension_address):
            marks.set_no_extension()
    arrays, known_bin_ids = _read_arrays(pair, marks, accounts)
    token_a, token_b = pair.key(88), pair.key(120)
    vaults = [
        token_amount(accounts.require(pair.key(at), f"{name} {of_pair}"), mint, name)
        for at, mint, name in ((152, token_a, "vault A"), (184, token_b, "vault B"))
    ]
    spec = MeteoraDlmmSpec(
        address=account.address,
        token_a=token_a,
        token_b=token_b,
        bin_step=pair.u16(80),
        active_id=pair.i32(76),
        parameters=DlmmFeeParameters(
            base_factor=pair.u16(8),
            filter_period=pair.u16(10),
            decay_period=pair.u16(12),
            reduction_factor=pair.u16(14),
            variable_fee_control=pair.u32(16),
            max_volatility_accumulator=pair.u32(20),
            protocol_share=pair.u16(32),
            base_fee_power_factor=pair.u8(34),
        ),
        volatility=DlmmVolatility(
            volatility_accumulator=pair.u32(40),
            volatility_reference=pair.u32(44),
            index_reference=pair.i32(48),
            last_update_timestamp=pair.i64(56),
        ),
        collect_fee_mode=pair.u8(36),
        supports_limit_order=_supports_orders(pair),
        bins=tuple(bin_spec for array in arrays for bin_spec in array.bins),
        known_bin_ids=known_bin_ids,
    )
    pool = _with_vaults(MeteoraDlmmPool.from_spec(spec), vaults, pair)
    stored = [price_x64 for array in arrays for price_x64 in array.prices_x64]
    for bin_id, ours, theirs in zip(pool.bin_ids, pool.bin_prices_x64, stored, strict=True):
        if theirs not in {0, ours}:
            raise pair.refusal(f"price of bin {bin_id}", theirs, f"0 or {ours}")
    return Decoded(pool, pair.i64(56))


def _require_tradable(pair: Fields, slot: int) -> None:
    """Refuse a pair that is switched off, or may be waiting for its activation."""
    if pair.u8(82):
        raise pair.refusal("status", pair.u8(82), "status 0, enabled")
    kind, activation = pair.u8(75), pair.u8(86)
    if kind > _PAIR_TYPE_MAX:
        raise pair.refusal("pair_type", kind, f"0 to {_PAIR_TYPE_MAX}")
    if kind not in _PAIR_TYPES_WITH_ACTIVATION:
        return
    point, traded_at_s = pair.u64(816), pair.i64(56)
    is_past = (
        not point
        or (activation == _ACTIVATION_BY_SLOT and slot >= point)
        or (activation == _ACTIVATION_BY_TIME and traded_at_s >= point)
        # It has traded, and nobody may trade before its activation.
        or (traded_at_s > 0 and pair.key(752) == _NOBODY)
    )
    if not is_past:
        unit = "slot" if activation == _ACTIVATION_BY_SLOT else "time"
        raise pair.refusal(f"activation {unit}", point, "a pair that is known to be active")


def _supports_orders(pair: Fields) -> bool:
    """Return whether limit orders of the pair trade: by its function, or if it has no rewards."""
    function = pair.u8(35)
    if function == 0:
        return all(pair.key(at) == _NOBODY for at in _REWARD_MINTS_AT)
    if function in {_PAYS_REWARDS, _TAKES_ORDERS}:
        return function == _TAKES_ORDERS
    raise pair.refusal("function_type", function, "0, 1 or 2")


def _read_arrays(
    pair: Fields, marks: BinArrayMarks, accounts: Accounts
) -> tuple[list[BinArray], tuple[int, int]]:
    """Return the arrays from the active one outwards to the first unread ones, and their range."""
    active = pair.i32(76) // BINS_OF_ARRAY
    arrays = {}
    account = accounts.find(array_address(pair.address, active))
    if account is None and marks.is_marked(active) is not False:
        address = array_address(pair.address, active)
        if not accounts.is_absent(address):
            accounts.require(address, f"active bin array of {pair.what} {pair.address}")
    if account is not None:
        arrays[active] = BinArray.read(account, pair.address, active)
    edges = []
    for direction, last in ((-1, marks.lowest), (1, marks.highest)):
        edge = direction * BIN_ID_MAX
        for index in range(active + direction, last + direction, direction):
            if marks.is_marked(index) is False:
                continue
            address = array_address(pair.address, index)
            account = accounts.find(address)
            if account is not None:
                arrays[index] = BinArray.read(account, pair.address, index)
            elif not accounts.is_absent(address):
                # The bins up to this array are known.
                edge = (index + (direction < 0)) * BINS_OF_ARRAY - (direction > 0)
                break
        edges.append(edge)
    return [arrays[index] for index in sorted(arrays)], (edges[0], edges[1])


def _with_vaults(pool: MeteoraDlmmPool, vaults: list[int], pair: Fields) -> MeteoraDlmmPool:
    """Return a pool whose vaults hold what their accounts say; all beyond the bins is accrued."""
    accrued_a, accrued_b = vaults[0] - pool.vault_a, vaults[1] - pool.vault_b
    if min(accrued_a, accrued_b) < 0:
        raise InvalidData(
            f"{pair.what} {pair.address}",
            f"bins that hold {pool.vault_a} and {pool.vault_b}, vaults {vaults[0]} and {vaults[1]}",
            "vaults that hold at least what the bins do",
        )
    return replace(
        pool,
        vault_a=vaults[0],
        vault_b=vaults[1],
        accrued_fee_a=accrued_a,
        accrued_fee_b=accrued_b,
    )


METEORA_DLMM = Program(
    venue="meteora_dlmm",
    program_id=METEORA_DLMM_ID,
    is_pool=_PAIR.fits,
    addresses=_addresses,
    decode=_decode,
)
