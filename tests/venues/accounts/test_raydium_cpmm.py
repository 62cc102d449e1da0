"""Check the reading of Raydium CPMM accounts: made ones, and recorded ones where at hand."""

from __future__ import annotations

import re

import pytest

from orderengine.pools import CreatorFeeOn, RaydiumCpmmPool
from orderengine.solana.accounts import Account, Accounts, address_of, key_bytes
from orderengine.venues.accounts.raydium_cpmm import RAYDIUM_CPMM
from tests.venues.accounts.made import token_account, u64
from tests.venues.accounts.recorded import (
    refusal,
    refusal_of_changed,
    require_golden_quotes,
)

POOL, CONFIG, VAULT_A, VAULT_B, MINT_A, MINT_B = (
    address_of(bytes([number]) * 32) for number in range(1, 7)
)


def made_accounts() -> list[Account]:
    """Return a pool's accounts: vaults of 1,000,000 A and 2,000,000 B, 63 and 630 accrued."""
    pool = bytearray(637)
    pool[:8] = bytes.fromhex("f7ede3f5d7c3de46")
    for offset, key in ((8, CONFIG), (72, VAULT_A), (104, VAULT_B), (168, MINT_A), (200, MINT_B)):
        pool[offset : offset + 32] = key_bytes(key)
    for offset, value in ((341, 20), (349, 200), (357, 40), (365, 400), (373, 1_700_000_000)):
        pool[offset : offset + 8] = u64(value)
    pool[389], pool[390] = 1, 1
    pool[397:405], pool[405:413] = u64(3), u64(30)
    config = bytearray(236)
    config[:8] = bytes.fromhex("daf42168cbcb2b6f")
    for offset, value in ((12, 2_500), (20, 120_000), (28, 40_000), (108, 500)):
        config[offset : offset + 8] = u64(value)
    return [
        Account(POOL, RAYDIUM_CPMM.program_id, bytes(pool)),
        Account(CONFIG, RAYDIUM_CPMM.program_id, bytes(config)),
        token_account(VAULT_A, MINT_A, 1_000_000),
        token_account(VAULT_B, MINT_B, 2_000_000),
    ]


def test_reserves_are_the_vaults_less_what_others_may_collect() -> None:
    """Protocol, fund and creator fees stay out of the price; rates come from the configuration."""
    accounts = made_accounts()
    decoded = RAYDIUM_CPMM.decode(accounts[0], Accounts(accounts))
    assert decoded.pool == RaydiumCpmmPool(
        address=POOL,
        token_a=MINT_A,
        token_b=MINT_B,
        reserve_a=1_000_000 - 63,
        reserve_b=2_000_000 - 630,
        trade_fee_rate=2_500,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
        creator_fee_rate=500,
        creator_fee_on=CreatorFeeOn.ONLY_A,
        accrued_fee_a=63,
        accrued_fee_b=630,
        open_time_s=1_700_000_000,
    )
    assert (decoded.time_s, decoded.opening_s) == (0, 1_700_000_000)
    assert RAYDIUM_CPMM.addresses(accounts[0], 5) == (CONFIG, VAULT_A, VAULT_B)


@pytest.mark.parametrize(
    ("index", "offset", "new", "said"),
    [
        (0, 0, b"\0", "Raydium CPMM pool.*discriminator f7ede3f5d7c3de46, found.*00ede3"),
        (0, 329, b"\x04", "status that allows swaps, found status 4"),
        (0, 389, b"\x03", "0, 1 or 2, found creator_fee_on 3"),
        (1, 7, b"\0", "fee configuration.*discriminator"),
        (2, 0, b"\0", "vault A.*mint"),
        (3, 64, bytes(8), "balances of 0 or more"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    index: int, offset: int, new: bytes, said: str
) -> None:
    """Account, field and expectation."""
    assert re.search(said, refusal_of_changed(RAYDIUM_CPMM, made_accounts(), index, offset, new))


def test_a_missing_account_is_named() -> None:
    """The vault that a dump lacks."""
    pool, *others = made_accounts()
    assert "vault B" in refusal(RAYDIUM_CPMM, pool, others[:-1])
    shortened = Account(pool.address, pool.owner, pool.data[:-1])
    assert not RAYDIUM_CPMM.is_pool(shortened)
    assert "637 bytes, found 636 bytes" in refusal(RAYDIUM_CPMM, shortened, others)


@pytest.mark.needs_shared_data
def test_recorded_accounts_give_the_golden_quote() -> None:
    """The pool's quote of 2026-07-04, to the unit."""
    require_golden_quotes(RAYDIUM_CPMM, "raydium-cp-swap", 1)
