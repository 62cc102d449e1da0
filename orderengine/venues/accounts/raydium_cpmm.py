"""Read Raydium CPMM pools.

Source of the layouts: raydium-io/raydium-cp-swap programs/cp-swap/src/states/{pool,config}.rs, and
the accounts of pool 7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny on mainnet, 2026-07-04.
"""

from __future__ import annotations

from orderengine.pools import CreatorFeeOn, RaydiumCpmmPool
from orderengine.solana.accounts import Account, Accounts
from orderengine.venues.accounts.layout import Layout, token_amount
from orderengine.venues.accounts.program import Decoded, Program

__all__ = ["RAYDIUM_CPMM"]

_ID = "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C"
_POOL = Layout(
    what="Raydium CPMM pool",
    owner=_ID,
    size=637,
    discriminator=bytes.fromhex("f7ede3f5d7c3de46"),
)
_CONFIG = Layout(
    what="Raydium CPMM fee configuration",
    owner=_ID,
    size=236,
    discriminator=bytes.fromhex("daf42168cbcb2b6f"),
)
_SWAP_DISABLED = 1 << 2
"""A bit of the pool's status."""
_CREATOR_FEE_ON = (CreatorFeeOn.BOTH, CreatorFeeOn.ONLY_A, CreatorFeeOn.ONLY_B)


def _addresses(account: Account, reach: int) -> tuple[str, ...]:
    fields = _POOL.open(account)
    return fields.key(8), fields.key(72), fields.key(104)


def _decode(account: Account, accounts: Accounts) -> Decoded:
    pool, of_pool = _POOL.open(account), f"of {_POOL.what} {account.address}"
    config_address, vault_a, vault_b = _addresses(account, 0)
    if pool.u8(329) & _SWAP_DISABLED:
        raise pool.refusal("status", pool.u8(329), "a status that allows swaps")
    charged_on = pool.u8(389)
    if charged_on >= len(_CREATOR_FEE_ON):
        raise pool.refusal("creator_fee_on", charged_on, "0, 1 or 2")
    config = _CONFIG.open(accounts.require(config_address, f"fee configuration {of_pool}"))
    token_a, token_b = pool.key(168), pool.key(200)
    accrued_a = pool.u64(341) + pool.u64(357) + pool.u64(397)
    accrued_b = pool.u64(349) + pool.u64(365) + pool.u64(405)
    held_a = token_amount(accounts.require(vault_a, f"vault A {of_pool}"), token_a, "vault A")
    held_b = token_amount(accounts.require(vault_b, f"vault B {of_pool}"), token_b, "vault B")
    return Decoded(
        RaydiumCpmmPool(
            address=account.address,
            token_a=token_a,
            token_b=token_b,
            reserve_a=held_a - accrued_a,
            reserve_b=held_b - accrued_b,
            trade_fee_rate=config.u64(12),
            protocol_fee_rate=config.u64(20),
            fund_fee_rate=config.u64(28),
            creator_fee_rate=config.u64(108) if pool.u8(390) else 0,
            creator_fee_on=_CREATOR_FEE_ON[charged_on],
            accrued_fee_a=accrued_a,
            accrued_fee_b=accrued_b,
            open_time_s=pool.u64(373),
        ),
        opening_s=pool.u64(373),
    )


RAYDIUM_CPMM = Program(
    venue="raydium_cpmm",
    program_id=_ID,
    is_pool=_POOL.fits,
    addresses=_addresses,
    decode=_decode,
)
