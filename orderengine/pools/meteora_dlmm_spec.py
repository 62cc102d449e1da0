"""Describe a Meteora DLMM pool as its accounts do, to build one from a file or an account.

The attributes carry our names and the encoded keys the program's, so that a JSON object with
``amount_x`` and ``v_parameters`` converts directly.
"""

from __future__ import annotations

from msgspec import Struct, field

from orderengine.pools.meteora_dlmm_bin import DlmmBin
from orderengine.pools.meteora_dlmm_fee import DlmmFeeParameters, DlmmVolatility

__all__ = ["DlmmBinSpec", "MeteoraDlmmSpec"]


class DlmmBinSpec(Struct, frozen=True, kw_only=True):
    """Describe one bin under the program's names; ``limit_order_ask_side`` 1 = orders sell A."""

    id: int
    amount_a: int = field(name="amount_x")
    amount_b: int = field(name="amount_y")
    open_order_amount: int = 0
    processed_order_remaining: int = 0
    limit_order_ask_side: int = 0

    def held(self, supports_limit_order: bool) -> DlmmBin:
        """Return what the bin can sell."""
        if not supports_limit_order:
            return DlmmBin(self.amount_a, self.amount_b)
        return DlmmBin(
            self.amount_a,
            self.amount_b,
            self.processed_order_remaining,
            self.open_order_amount,
            self.limit_order_ask_side == 1,
        )


class MeteoraDlmmSpec(Struct, frozen=True, kw_only=True):
    """Describe a pool by what its accounts hold; bins may come in any order, empty ones absent.

    ``collect_fee_mode`` 0 charges fees in the input token, 1 in token B. Order amounts count only
    if ``supports_limit_order``. Prices are not given: they follow from the ids and ``bin_step``
    (basis points). ``accrued_fee_a`` and ``_b`` are fees, ``order_proceeds_a`` and ``_b`` earnings
    of filled orders that still lie in the vaults.
    """

    address: str
    token_a: str
    token_b: str
    bin_step: int
    active_id: int
    parameters: DlmmFeeParameters
    volatility: DlmmVolatility = field(name="v_parameters", default_factory=DlmmVolatility)
    collect_fee_mode: int = 0
    supports_limit_order: bool = False
    bins: tuple[DlmmBinSpec, ...]
    accrued_fee_a: int = 0
    accrued_fee_b: int = 0
    order_proceeds_a: int = 0
    order_proceeds_b: int = 0
