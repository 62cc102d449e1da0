"""Check that no token is ever made or lost, whatever is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvariantViolated, OrderEngineError
from orderengine.market.ledger import Ledger
from orderengine.pools import Direction, Pool, RaydiumCpmmPool, tokens_of
from tests.pools.strategies import NOW_S, SOL, USDC, cpmm_pools, dlmm_pools

OWNERS, TOKENS = ("ann", "bob", "pool"), ("SOL", "USDC")

owners, tokens, amounts = st.sampled_from(OWNERS), st.sampled_from(TOKENS), st.integers(0, 2**64)
issues = st.tuples(st.just("issue"), owners, tokens, amounts)
payments = st.tuples(st.just("pay"), owners, owners, tokens, amounts)
swaps = st.tuples(st.just("swap"), owners, st.sampled_from(Direction), st.integers(1, 10**12))


@given(cpmm_pools() | dlmm_pools(), st.lists(issues | payments | swaps, max_size=40))
def test_tokens_are_conserved(pool: Pool, operations: list[tuple[object, ...]]) -> None:
    """Any run of issues, payments and swaps keeps every token, and no account falls below 0."""
    ledger = Ledger()
    ledger.issue_to_pool(pool)
    supply = {"SOL": pool.vault_a, "USDC": pool.vault_b}
    for operation in operations:
        before = {(owner, name): ledger.balance(owner, name) for owner in OWNERS for name in TOKENS}
        try:
            match operation:
                case ("issue", str(owner), str(name), int(amount)):
                    ledger.issue(owner, name, amount)
                    supply[name] += amount
                case ("pay", str(payer), str(payee), str(name), int(amount)):
                    ledger.pay(payer, payee, name, amount)
                case ("swap", str(owner), Direction() as direction, int(amount)):
                    sell, buy = tokens_of(pool, direction)
                    swap = pool.swap_exact_in(direction, amount, NOW_S)
                    ledger.swap(owner, sell, swap.amount_in, buy, swap.amount_out)
                    pool = swap.pool
        except OrderEngineError:  # a refusal of the pool or the ledger: nothing has moved
            after = {key: ledger.balance(*key) for key in before}
            assert after == before
        assert all(ledger.balance(owner, name) >= 0 for owner in OWNERS for name in TOKENS)
        assert ledger.require_conserved([pool]) == supply


def test_account_cannot_fall_below_zero() -> None:
    """Who has 5 cannot pay 6, and the payee gets nothing."""
    ledger = Ledger()
    ledger.issue("ann", "SOL", 5)
    with pytest.raises(InvariantViolated, match="ann would hold -1 base units of SOL"):
        ledger.pay("ann", "bob", "SOL", 6)
    with pytest.raises(InvariantViolated, match="ann would hold -1 base units of USDC"):
        ledger.swap("ann", "USDC", 1, "SOL", 1)
    assert (ledger.balance("ann", "SOL"), ledger.balance("bob", "SOL")) == (5, 0)
    ledger.pay("ann", "bob", "SOL", 5)
    assert (ledger.balance("ann", "SOL"), ledger.balance("bob", "SOL")) == (0, 5)


def test_missing_tokens_are_noticed() -> None:
    """A swap that the pool did not see breaks the balance by one unit, and is found."""
    pool = RaydiumCpmmPool(
        address="p",
        token_a=SOL,
        token_b=USDC,
        reserve_a=100,
        reserve_b=100,
        trade_fee_rate=0,
        protocol_fee_rate=0,
        fund_fee_rate=0,
    )
    ledger = Ledger()
    ledger.issue_to_pool(pool)
    ledger.issue("ann", "SOL", 1)
    assert ledger.require_conserved([pool]) == {"SOL": 101, "USDC": 100}
    ledger.swap("ann", "SOL", 1, "USDC", 0)
    with pytest.raises(InvariantViolated, match="101 base units of SOL were issued, 100 are held"):
        ledger.require_conserved([pool])


def test_a_copy_lives_on_its_own() -> None:
    """What is moved in a copy is not moved in the ledger, and both still add up."""
    ledger = Ledger()
    ledger.issue("ann", "SOL", 5)
    copy = ledger.copy()
    copy.issue("bob", "SOL", 2)
    copy.pay("ann", "bob", "SOL", 3)
    assert (ledger.balance("ann", "SOL"), ledger.balance("bob", "SOL")) == (5, 0)
    assert (copy.balance("ann", "SOL"), copy.balance("bob", "SOL")) == (2, 5)
    assert ledger.require_conserved([]) == {"SOL": 5}
    assert copy.require_conserved([]) == {"SOL": 7}
