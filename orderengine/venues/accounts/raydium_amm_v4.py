"""Read Raydium AMM v4 pools.

Its accounts carry no discriminator, so a pool is known by owner and size.

A pool of status 1 also kept an order book, whose open orders counted as its reserves until the
program dropped them in July 2026. Whether the deployed program counts them still cannot be read
from the accounts, so such a pool is refused; every other status never counted them.

Source of the layout: raydium-io/raydium-amm program/src/state.rs at 27f461d, and the accounts of
pool 58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2 on mainnet, 2026-07-04.
"""

from __future__ import annotations

from orderengine.pools import RaydiumAmmV4Pool
from orderengine.solana.accounts import Account, Accounts
from orderengine.venues.accounts.layout import Layout, token_amount
from orderengine.venues.accounts.program import Decoded, Program

__all__ = ["RAYDIUM_AMM_V4"]

_ID = "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8"
_POOL = Layout(what="Raydium AMM v4 pool", owner=_ID, size=752)

_STATUS_WITH_ORDER_BOOK = 1
_STATUS_SWAPS = 6
_STATUS_WAITS = 7
"""Swaps begin at the pool's opening time."""


def _addresses(account: Account, reach: int) -> tuple[str, ...]:
    fields = _POOL.open(account)
    return fields.key(336), fields.key(368)


def _decode(account: Account, accounts: Accounts) -> Decoded:
    pool, of_pool = _POOL.open(account), f"of {_POOL.what} {account.address}"
    vault_a, vault_b = _addresses(account, 0)
    status, open_time_s = pool.u64(0), pool.u64(224)
    if status == _STATUS_WITH_ORDER_BOOK:
        raise pool.refusal("status", status, "a status without an order book, which is not read")
    if status not in (_STATUS_SWAPS, _STATUS_WAITS):
        raise pool.refusal("status", status, "a status that allows swaps, 6 or 7")
    token_a, token_b = pool.key(400), pool.key(432)
    accrued_a, accrued_b = pool.u64(192), pool.u64(200)
    held_a = token_amount(accounts.require(vault_a, f"vault A {of_pool}"), token_a, "vault A")
    held_b = token_amount(accounts.require(vault_b, f"vault B {of_pool}"), token_b, "vault B")
    return Decoded(
        RaydiumAmmV4Pool(
            address=account.address,
            token_a=token_a,
            token_b=token_b,
            reserve_a=held_a - accrued_a,
            reserve_b=held_b - accrued_b,
            fee_numerator=pool.u64(176),
            fee_denominator=pool.u64(184),
            accrued_a=accrued_a,
            accrued_b=accrued_b,
            open_time_s=open_time_s if status == _STATUS_WAITS else 0,
        ),
        opening_s=open_time_s,
    )


RAYDIUM_AMM_V4 = Program(
    venue="raydium_amm_v4",
    program_id=_ID,
    is_pool=_POOL.fits,
    addresses=_addresses,
    decode=_decode,
)
