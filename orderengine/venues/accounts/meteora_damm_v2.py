"""Read Meteora DAMM v2 pools.

The program counts activation, and the periods of a falling base fee, in seconds or in slots, as the
pool was set up. Pools here know seconds only. So of a pool by slot, the slot at which its account
was read says whether it is active and its fee has stopped falling; one that is not yet so is
refused, and also one whose slot is not known, unless its fee never falls.

Source of the layout: MeteoraAg/damm-v2 programs/cp-amm/src/state/{pool,fee}.rs at a3d3827, and the
accounts of pool 8Pm2kZpnxD3hoMmt4bjStX2Pw2Z9abpbHzZxMPqxPmie on mainnet, 2026-07-04.
"""

from __future__ import annotations

from msgspec.structs import replace

from orderengine.errors import InvalidData
from orderengine.pools import DammBaseFee, DammDynamicFee, MeteoraDammV2Pool, MeteoraDammV2Spec
from orderengine.pools.fixed_point import Q64
from orderengine.solana.accounts import Account, Accounts
from orderengine.venues.accounts.layout import Fields, Layout, token_amount
from orderengine.venues.accounts.program import Decoded, Program

__all__ = ["METEORA_DAMM_V2"]

_ID = "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG"
_POOL = Layout(
    what="Meteora DAMM v2 pool",
    owner=_ID,
    size=1112,
    discriminator=bytes.fromhex("f19a6d0411b16dbc"),
)
_BY_SLOT, _BY_TIME = 0, 1
_BPS_ONE = 10_000


def _addresses(account: Account, reach: int) -> tuple[str, ...]:
    fields = _POOL.open(account)
    return fields.key(232), fields.key(264)


def _base_fee(pool: Fields) -> DammBaseFee:
    """Return a valid schedule; its fields lie elsewhere in modes that are not covered."""
    mode = pool.u8(16)
    if mode not in (0, 1):
        expected = "0 or 1: neither the rate limiter nor fees by market cap are covered"
        raise pool.refusal("base fee mode", mode, expected)
    base_fee = DammBaseFee(
        mode=mode,
        cliff_fee_numerator=pool.u64(8),
        number_of_period=pool.u16(22),
        period_frequency=pool.u64(24),
        reduction_factor=pool.u64(32),
    )
    base_fee.require_valid(f"{pool.what} {pool.address}")
    return base_fee


def _dynamic_fee(pool: Fields) -> DammDynamicFee | None:
    if not pool.u8(56):
        return None
    bin_step, step_x64 = pool.u16(72), pool.u128(88)
    if step_x64 != bin_step * Q64 // _BPS_ONE:
        expected = f"{bin_step} basis points in Q64.64, rounded down"
        raise pool.refusal("dynamic fee's bin step", step_x64, expected)
    return DammDynamicFee(
        bin_step=bin_step,
        variable_fee_control=pool.u32(68),
        max_volatility_accumulator=pool.u32(64),
        filter_period=pool.u16(74),
        decay_period=pool.u16(76),
        reduction_factor=pool.u16(78),
        last_update_timestamp=pool.u64(80),
        sqrt_price_reference=pool.u128(104),
        volatility_accumulator=pool.u128(120),
        volatility_reference=pool.u128(136),
    )


def _in_seconds(pool: Fields, base_fee: DammBaseFee, slot: int) -> tuple[DammBaseFee, int]:
    """Return the base fee, and the second from which the pool swaps; by slot it does already."""
    activation, kind = pool.u64(472), pool.u8(480)
    if kind == _BY_TIME:
        return base_fee, activation
    if kind != _BY_SLOT:
        raise pool.refusal("activation_type", kind, "0 (slot) or 1 (time)")
    settled_at = base_fee.end_s(activation)
    if slot < settled_at and (slot or base_fee.period_frequency):
        expected = f"a pool whose fee has settled, at slot {settled_at}; it was read at {slot}"
        raise pool.refusal("activation slot", activation, expected)
    return DammBaseFee(cliff_fee_numerator=base_fee.rate_at(settled_at, activation)), 0


def _decode(account: Account, accounts: Accounts) -> Decoded:
    pool, of_pool = _POOL.open(account), f"of {_POOL.what} {account.address}"
    vault_a, vault_b = _addresses(account, 0)
    if pool.u8(481):
        raise pool.refusal("pool_status", pool.u8(481), "0, which allows swaps")
    base_fee, activation_s = _in_seconds(pool, _base_fee(pool), account.slot)
    dynamic_fee = _dynamic_fee(pool)
    token_a, token_b = pool.key(168), pool.key(200)
    held_a = token_amount(accounts.require(vault_a, f"vault A {of_pool}"), token_a, "vault A")
    held_b = token_amount(accounts.require(vault_b, f"vault B {of_pool}"), token_b, "vault B")
    spec = MeteoraDammV2Spec(
        address=account.address,
        token_a=token_a,
        token_b=token_b,
        collect_fee_mode=pool.u8(484),
        fee_version=pool.u8(486),
        activation_point=activation_s,
        sqrt_price=pool.u128(456),
        sqrt_min_price=pool.u128(424),
        sqrt_max_price=pool.u128(440),
        liquidity=pool.u128(360),
        base_fee=base_fee,
        dynamic_fee=dynamic_fee,
        protocol_fee_percent=pool.u8(48),
        referral_fee_percent=pool.u8(50),
        compounding_fee_bps=pool.u16(54),
        # Layout version 0 does not count reserves: they follow from the range.
        token_a_amount=pool.u64(680) if pool.u8(696) else None,
        token_b_amount=pool.u64(688) if pool.u8(696) else None,
        protocol_fee_a=pool.u64(392),
        protocol_fee_b=pool.u64(400),
    )
    spec.require_valid()
    reserve_a, reserve_b = spec.reserves()
    booked_a, booked_b = reserve_a + spec.protocol_fee_a, reserve_b + spec.protocol_fee_b
    for name, held, booked in (("vault A", held_a, booked_a), ("vault B", held_b, booked_b)):
        if held < booked:
            expected = f"at least its reserve and the protocol's fees, {booked}"
            raise InvalidData(f"{name} {of_pool}", f"{held} base units", expected)
    # What is not booked is the liquidity providers' to claim: only their positions say whose.
    spec = replace(spec, claimable_fee_a=held_a - booked_a, claimable_fee_b=held_b - booked_b)
    last_update_s = dynamic_fee.last_update_timestamp if dynamic_fee else 0
    return Decoded(MeteoraDammV2Pool.from_spec(spec), last_update_s, activation_s)


METEORA_DAMM_V2 = Program(
    venue="meteora_damm_v2",
    program_id=_ID,
    is_pool=_POOL.fits,
    addresses=_addresses,
    decode=_decode,
)
