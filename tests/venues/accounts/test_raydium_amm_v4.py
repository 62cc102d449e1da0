"""Check the reading of Raydium AMM v4 accounts: made ones, and recorded ones where at hand."""

from __future__ import annotations

import base64
import json
import re

import pytest

from orderengine.pools import Direction, RaydiumAmmV4Pool
from orderengine.solana.accounts import Account, Accounts, address_of, key_bytes
from orderengine.venues.accounts.raydium_amm_v4 import RAYDIUM_AMM_V4
from tests.shared import shared_path
from tests.venues.accounts.made import TOKEN_PROGRAM, token_account, u64
from tests.venues.accounts.recorded import (
    refusal,
    refusal_of_changed,
    require_golden_quotes,
)

POOL, VAULT_A, VAULT_B, MINT_A, MINT_B = (
    address_of(bytes([number]) * 32) for number in range(1, 6)
)


def made_accounts(status: int = 6) -> list[Account]:
    """Return a pool's accounts: vaults of 1,000,000 A and 2,000,000 B, 63 and 630 of them pnl."""
    pool = bytearray(752)
    for offset, value in (
        (0, status),
        (144, 26),
        (152, 10_001),
        (176, 25),
        (184, 10_000),
        (192, 63),
        (200, 630),
        (224, 1_700_000_000),
    ):
        pool[offset : offset + 8] = u64(value)
    for offset, key in ((336, VAULT_A), (368, VAULT_B), (400, MINT_A), (432, MINT_B)):
        pool[offset : offset + 32] = key_bytes(key)
    return [
        Account(POOL, RAYDIUM_AMM_V4.program_id, bytes(pool)),
        token_account(VAULT_A, MINT_A, 1_000_000),
        token_account(VAULT_B, MINT_B, 2_000_000),
    ]


@pytest.mark.parametrize(("status", "open_time_s"), [(6, 0), (7, 1_700_000_000)])
def test_reserves_are_the_vaults_less_what_the_protocol_may_collect(
    status: int, open_time_s: int
) -> None:
    """The fee is the swap fee, not the orders' beside it; only status 7 waits for its time."""
    accounts = made_accounts(status)
    decoded = RAYDIUM_AMM_V4.decode(accounts[0], Accounts(accounts))
    assert decoded.pool == RaydiumAmmV4Pool(
        address=POOL,
        token_a=MINT_A,
        token_b=MINT_B,
        reserve_a=1_000_000 - 63,
        reserve_b=2_000_000 - 630,
        fee_numerator=25,
        fee_denominator=10_000,
        accrued_a=63,
        accrued_b=630,
        open_time_s=open_time_s,
    )
    assert (decoded.pool.vault_a, decoded.pool.vault_b) == (1_000_000, 2_000_000)
    assert (decoded.time_s, decoded.opening_s) == (0, 1_700_000_000)
    assert RAYDIUM_AMM_V4.addresses(accounts[0], 5) == (VAULT_A, VAULT_B)


@pytest.mark.parametrize("status", [0, 2, 3, 4, 5, 8])
def test_a_status_without_swaps_is_refused(status: int) -> None:
    """Only 6 and 7 swap for sure."""
    pool, *others = made_accounts(status)
    said = refusal(RAYDIUM_AMM_V4, pool, others)
    assert f"status that allows swaps, 6 or 7, found status {status}" in said


def test_a_pool_with_an_order_book_is_refused() -> None:
    """Status 1 may count open orders as reserves, which are not read."""
    pool, *others = made_accounts(1)
    assert "without an order book" in refusal(RAYDIUM_AMM_V4, pool, others)


@pytest.mark.parametrize(
    ("index", "offset", "new", "said"),
    [
        (0, 184, u64(25), "a fraction from 0 to below 1"),
        (0, 192, u64(1_000_001), "balances of 0 or more"),
        (1, 0, b"\0", "vault A.*mint"),
        (2, 0, b"\0", "vault B.*mint"),
        (2, 64, bytes(8), "balances of 0 or more"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    index: int, offset: int, new: bytes, said: str
) -> None:
    """Account, field and expectation."""
    assert re.search(said, refusal_of_changed(RAYDIUM_AMM_V4, made_accounts(), index, offset, new))


def test_a_pool_is_known_by_owner_and_size_alone() -> None:
    """There is no discriminator; a missing vault is named."""
    pool, *others = made_accounts()
    assert RAYDIUM_AMM_V4.is_pool(pool)
    shortened = Account(pool.address, pool.owner, pool.data[:-1])
    foreign = Account(pool.address, TOKEN_PROGRAM, pool.data)
    assert not RAYDIUM_AMM_V4.is_pool(shortened)
    assert not RAYDIUM_AMM_V4.is_pool(foreign)
    assert "752 bytes, found 751 bytes" in refusal(RAYDIUM_AMM_V4, shortened, others)
    assert "expected owner 675k" in refusal(RAYDIUM_AMM_V4, foreign, others)
    assert "vault B" in refusal(RAYDIUM_AMM_V4, pool, others[:-1])


@pytest.mark.needs_shared_data
def test_recorded_accounts_give_the_golden_quote() -> None:
    """The pool's quote of 2026-07-04, to the unit."""
    require_golden_quotes(RAYDIUM_AMM_V4, "raydium-amm-v4", 1)


@pytest.mark.needs_shared_data
def test_a_recorded_pool_account_is_read_as_its_source_reads_it() -> None:
    """The same pool 16 days later: all fields that a swap needs, with vaults of its own tokens."""
    folder = shared_path("pools/single_accounts")
    name = "raydium_amm_v4_58oQ_slot433179580.json"
    raw = json.loads((folder / "raw" / name).read_text())
    told = json.loads((folder / "decoded" / name).read_text())
    data = raw["data"] if isinstance(raw["data"], str) else raw["data"][0]
    account = Account(raw["pubkey"], raw["owner"], base64.b64decode(data), raw["slot"])
    assert RAYDIUM_AMM_V4.is_pool(account)
    vaults = RAYDIUM_AMM_V4.addresses(account, 0)
    assert vaults == (told["coin_vault"], told["pc_vault"])
    accounts = [
        account,
        token_account(vaults[0], told["coin_mint"], 10**12),
        token_account(vaults[1], told["pc_mint"], 10**11),
    ]
    pool = RAYDIUM_AMM_V4.decode(account, Accounts(accounts)).pool
    assert isinstance(pool, RaydiumAmmV4Pool)
    assert (pool.accrued_a, pool.accrued_b) == (
        int(told["need_take_pnl_coin"]),
        int(told["need_take_pnl_pc"]),
    )
    assert (pool.fee_numerator, pool.fee_denominator) == (
        int(told["swap_fee_numerator"]),
        int(told["swap_fee_denominator"]),
    )
    assert pool.swap_exact_in(Direction.A_TO_B, 10**9, 0).amount_out > 0
