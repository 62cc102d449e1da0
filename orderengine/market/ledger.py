"""Keep who holds what, in base units, so that no token is ever made or lost.

Pools hold their own tokens in their vaults; everybody else has an account here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orderengine.errors import InvariantViolated
from orderengine.pools import Pool

__all__ = ["Ledger"]


class Ledger:
    """Hold accounts by (owner, token) and the supply that was issued of each token."""

    def __init__(self) -> None:
        self._balances: dict[tuple[str, str], int] = {}
        self._supply: dict[str, int] = {}

    def issue(self, owner: str, token: str, amount: int) -> None:
        """Give new tokens to an owner; the only way in which supply grows."""
        self._supply[token] = self._supply.get(token, 0) + amount
        self._add(owner, token, amount)

    def issue_to_pool(self, pool: Pool) -> None:
        """Count what a pool holds when it opens."""
        for token, amount in ((pool.token_a, pool.vault_a), (pool.token_b, pool.vault_b)):
            self._supply[token] = self._supply.get(token, 0) + amount

    def copy(self) -> Ledger:
        """Return a ledger of its own that holds the same."""
        other = Ledger()
        other._balances, other._supply = dict(self._balances), dict(self._supply)
        return other

    def balance(self, owner: str, token: str) -> int:
        """Return what an owner holds of a token."""
        return self._balances.get((owner, token), 0)

    def swap(self, owner: str, sell: str, amount_in: int, buy: str, amount_out: int) -> None:
        """Move ``amount_in`` from the owner into a pool and ``amount_out`` out of it."""
        self._add(owner, sell, -amount_in)
        self._add(owner, buy, amount_out)

    def settle(self, owner: str, changes: Mapping[str, int]) -> None:
        """Change what the owner holds, by token; pools hold the rest."""
        for token, change in changes.items():
            self._add(owner, token, change)

    def pay(self, payer: str, payee: str, token: str, amount: int) -> None:
        """Move tokens between two owners."""
        self._add(payer, token, -amount)
        self._add(payee, token, amount)

    def _add(self, owner: str, token: str, amount: int) -> None:
        account = (owner, token)
        after = self._balances.get(account, 0) + amount
        if after < 0:
            raise InvariantViolated(f"{owner} would hold {after} base units of {token}")
        self._balances[account] = after

    def require_conserved(self, pools: Iterable[Pool]) -> dict[str, int]:
        """Return the supply of each token after checking that it is all there, to the unit.

        Raises:
            InvariantViolated: accounts and vaults together differ from what was issued.
        """
        held = dict.fromkeys(self._supply, 0)
        for (_, token), amount in self._balances.items():
            held[token] += amount
        for pool in pools:
            held[pool.token_a] += pool.vault_a
            held[pool.token_b] += pool.vault_b
        for token, supply in self._supply.items():
            if held[token] != supply:
                raise InvariantViolated(
                    f"{supply} base units of {token} were issued, {held[token]} are held"
                )
        return held
