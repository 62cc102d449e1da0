"""Check the reading of Meteora DAMM v2 accounts: made ones, and recorded ones where at hand."""

from __future__ import annotations

import re
from struct import pack

import pytest

from orderengine.pools import (
    DammBaseFee,
    DammDynamicFee,
    Direction,
    MeteoraDammV2Pool,
    MeteoraDammV2Spec,
)
from orderengine.pools.fixed_point import Q64, U128_MAX
from orderengine.solana.accounts import Account, Accounts, address_of, key_bytes
from orderengine.venues.accounts.meteora_damm_v2 import METEORA_DAMM_V2
from tests.venues.accounts.made import token_account, u64, u128
from tests.venues.accounts.recorded import (
    SIX,
    accounts_in,
    changed,
    refusal,
    refusal_of_changed,
    require_golden_quotes,
)

POOL, VAULT_A, VAULT_B, MINT_A, MINT_B = (
    address_of(bytes([number]) * 32) for number in range(1, 6)
)
ACTIVATION, NOW_S = 1_700_000_000, 1_700_000_900
STEP_X64 = Q64 // 10_000
SCHEDULE = DammBaseFee(
    mode=1,
    cliff_fee_numerator=50_000_000,
    number_of_period=144,
    period_frequency=600,
    reduction_factor=50,
)
DYNAMIC = DammDynamicFee(
    bin_step=1,
    variable_fee_control=956,
    max_volatility_accumulator=14_460_000,
    filter_period=10,
    decay_period=120,
    reduction_factor=5_000,
    last_update_timestamp=NOW_S,
    sqrt_price_reference=Q64 + 1,
    volatility_accumulator=80_000,
    volatility_reference=40_000,
)


def made_accounts(slot: int = 0) -> list[Account]:
    """Return the accounts of a pool with every setting, read at a slot.

    Of 500000 each the range has need, 500010 and 500020 are counted as its reserves; 7 and 70 are
    the protocol's, and 3 and 30 its providers'.
    """
    pool = bytearray(1_112)
    base_fee = pack("<QB5xHQQ8x", 50_000_000, 1, 144, 600, 50)
    shares = pack("<BxB3xH", 20, 25, 0)
    dynamic = pack("<B7xIIHHHHQ", 1, 14_460_000, 956, 1, 10, 120, 5_000, NOW_S)
    dynamic += u128(STEP_X64) + u128(Q64 + 1) + u128(80_000) + u128(40_000)
    for offset, part in (
        (0, bytes.fromhex("f19a6d0411b16dbc")),
        (8, base_fee + shares + dynamic),
        (168, key_bytes(MINT_A) + key_bytes(MINT_B) + key_bytes(VAULT_A) + key_bytes(VAULT_B)),
        (360, u128(1_000_000 * Q64)),
        (392, u64(7) + u64(70)),
        (424, u128(Q64 // 2) + u128(Q64 * 2) + u128(Q64)),
        (472, pack("<QBBBBBBB", ACTIVATION, 1, 0, 0, 0, 1, 0, 1)),
        (680, u64(500_010) + u64(500_020) + b"\1"),
    ):
        pool[offset : offset + len(part)] = part
    return [
        Account(POOL, METEORA_DAMM_V2.program_id, bytes(pool), slot),
        token_account(VAULT_A, MINT_A, 500_020),
        token_account(VAULT_B, MINT_B, 500_120),
    ]


def pool_of(accounts: list[Account]) -> MeteoraDammV2Pool:
    """Return the decoded pool."""
    pool = METEORA_DAMM_V2.decode(accounts[0], Accounts(accounts)).pool
    assert isinstance(pool, MeteoraDammV2Pool)
    return pool


def test_every_field_is_read() -> None:
    """Fees, their schedule, the range, reserves, and what the vaults hold beside them."""
    accounts = made_accounts()
    decoded = METEORA_DAMM_V2.decode(accounts[0], Accounts(accounts))
    assert decoded.pool == MeteoraDammV2Pool.from_spec(
        MeteoraDammV2Spec(
            address=POOL,
            token_a=MINT_A,
            token_b=MINT_B,
            collect_fee_mode=1,
            fee_version=1,
            activation_point=ACTIVATION,
            sqrt_price=Q64,
            sqrt_min_price=Q64 // 2,
            sqrt_max_price=Q64 * 2,
            liquidity=1_000_000 * Q64,
            base_fee=SCHEDULE,
            dynamic_fee=DYNAMIC,
            protocol_fee_percent=20,
            referral_fee_percent=25,
            token_a_amount=500_010,
            token_b_amount=500_020,
            protocol_fee_a=7,
            protocol_fee_b=70,
            claimable_fee_a=3,
            claimable_fee_b=30,
        )
    )
    assert (decoded.pool.vault_a, decoded.pool.vault_b) == (500_020, 500_120)
    assert decoded.time_s == NOW_S
    assert METEORA_DAMM_V2.addresses(accounts[0], 5) == (VAULT_A, VAULT_B)


def test_layout_version_0_counts_what_the_range_needs() -> None:
    """Its fields of reserves are not kept."""
    pool, *others = made_accounts()
    read = pool_of([changed(pool, 696, b"\0"), *others])
    assert (read.reserve_a, read.reserve_b) == (500_000, 500_000)
    assert (read.vault_a, read.vault_b) == (500_020, 500_120)


def test_without_a_dynamic_fee_nothing_of_it_is_read() -> None:
    """A flag says whether there is one."""
    pool, *others = made_accounts()
    assert pool_of([changed(pool, 56, b"\0"), *others]).dynamic_fee is None


def test_a_compounding_pool_is_read() -> None:
    """Its range is all prices, and its share that compounds is of the fee."""
    pool, *others = made_accounts()
    pool = changed(changed(pool, 484, b"\2"), 54, pack("<H", 2_500))
    read = pool_of([changed(pool, 424, u128(0) + u128(U128_MAX)), *others])
    assert read.is_compounding
    assert read.shares.compounding_fee_bps == 2_500
    assert read.price_x64 == 500_020 * Q64 // 500_010


def test_by_slot_a_settled_fee_is_constant() -> None:
    """At its last slot the schedule has come to its end: the fee is the last one, at any time."""
    settled = ACTIVATION + 144 * 600
    pool, *others = made_accounts(slot=settled)
    read = pool_of([changed(pool, 480, b"\0"), *others])
    assert read.base_fee == DammBaseFee(
        cliff_fee_numerator=SCHEDULE.rate_at(settled, ACTIVATION),
    )
    assert read.activation_s == 0
    assert read.fee_rate_at(0) == read.fee_rate_at(NOW_S)


@pytest.mark.parametrize("slot", [0, ACTIVATION, ACTIVATION + 144 * 600 - 1])
def test_by_slot_a_fee_that_still_falls_is_refused(slot: int) -> None:
    """Also if nobody knows the slot: seconds cannot say how far the fee has fallen."""
    pool, *others = made_accounts(slot)
    said = refusal(METEORA_DAMM_V2, changed(pool, 480, b"\0"), others)
    assert f"slot {ACTIVATION + 144 * 600}; it was read at {slot}" in said


def test_by_slot_a_fee_that_never_falls_needs_no_slot() -> None:
    """But a pool that is known not to be active yet is refused."""
    pool, *others = made_accounts()
    pool = changed(changed(pool, 480, b"\0"), 22, bytes(18))
    assert pool_of([pool, *others]).base_fee == DammBaseFee(cliff_fee_numerator=50_000_000)
    early = Account(pool.address, pool.owner, pool.data, ACTIVATION - 1)
    assert "activation slot" in refusal(METEORA_DAMM_V2, early, others)


@pytest.mark.parametrize(
    ("index", "offset", "new", "said"),
    [
        (0, 0, b"\0", "discriminator f19a6d0411b16dbc, found.*009a6d"),
        (0, 16, b"\2", "rate limiter.*found base fee mode 2"),
        (0, 16, b"\3", "market cap.*found base fee mode 3"),
        (0, 32, u64(10_001), "a schedule that ends at 0 or more"),
        (0, 88, b"\0", "1 basis points in Q64.64"),
        (0, 72, bytes(2) + b"\0" * 14 + u128(0), "bin_step 0"),
        (0, 48, b"\x65", "protocol_fee_percent 101"),
        (0, 456, u128(Q64 * 3), "a price above 0 within its range"),
        (0, 480, b"\2", "activation_type 2"),
        (0, 481, b"\1", "allows swaps, found pool_status 1"),
        (0, 484, b"\3", "collect_fee_mode 3"),
        (0, 486, b"\2", "fee_version 2"),
        (0, 392, u64(11), "vault A.*at least.*500021, found 500020"),
        (1, 0, b"\0", "vault A.*mint"),
        (2, 64, u64(500_089), "vault B.*at least.*500090, found 500089"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    index: int, offset: int, new: bytes, said: str
) -> None:
    """Account, field and expectation."""
    assert re.search(said, refusal_of_changed(METEORA_DAMM_V2, made_accounts(), index, offset, new))


def test_a_missing_account_is_named() -> None:
    """The vault that a dump lacks."""
    pool, *others = made_accounts()
    assert "vault B" in refusal(METEORA_DAMM_V2, pool, others[:-1])
    shortened = Account(pool.address, pool.owner, pool.data[:-1])
    assert not METEORA_DAMM_V2.is_pool(shortened)
    assert "1112 bytes, found 1111 bytes" in refusal(METEORA_DAMM_V2, shortened, others)


@pytest.mark.needs_shared_data
def test_recorded_accounts_give_the_golden_quote() -> None:
    """The pool's quote of 2026-07-04, to the unit."""
    require_golden_quotes(METEORA_DAMM_V2, "meteora-damm-v2", 1)


@pytest.mark.needs_shared_data
def test_a_recorded_compounding_pool_is_read() -> None:
    """Its vaults were not recorded, so it is refused; with made ones its price is its own."""
    (pool,) = (
        account
        for account in accounts_in(f"{SIX}/raw/meteora-damm-v2")
        if account.address.startswith("HybT")
    )
    assert "vault A" in refusal(METEORA_DAMM_V2, pool, [])
    mints = address_of(pool.data[168:200]), address_of(pool.data[200:232])
    vaults = METEORA_DAMM_V2.addresses(pool, 0)
    read = pool_of(
        [
            pool,
            token_account(vaults[0], mints[0], 2_301_262),
            token_account(vaults[1], mints[1], 189_346 + 359),
        ]
    )
    assert read.is_compounding
    assert (read.reserve_a, read.reserve_b, read.protocol_fee_b) == (2_301_262, 189_346, 359)
    # The program's own root of the price, kept since its last swap, is that of these reserves.
    assert abs((read.sqrt_price_x64 / Q64) ** 2 * Q64 / read.price_x64 - 1) < 1e-12
    assert read.dynamic_fee is not None
    assert read.fee_rate_at(1_783_355_400) > read.base_fee.cliff_fee_numerator
    assert read.swap_exact_in(Direction.A_TO_B, 1_000, 1_783_355_400).amount_out > 0
