"""Describe a Meteora DLMM pool as its accounts do, to build one from a file or an account.

The attributes carry our names and the encoded keys the program's, so that a JSON object with
``amount_x`` and ``v_parameters`` converts directly.
"""

from __future__ import annotations

from msgspec import Struct, field

from orderengine.errors import InvalidData
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

    @classmethod
    def of(cls, bin_id: int, held: DlmmBin) -> DlmmBinSpec:
        """Describe a bin: the inverse of ``held`` where orders are supported."""
        return cls(
            id=bin_id,
            amount_a=held.amount_a,
            amount_b=held.amount_b,
            open_order_amount=held.open_order_amount,
            processed_order_remaining=held.processed_order_amount,
            limit_order_ask_side=int(held.orders_sell_a),
        )


class MeteoraDlmmSpec(Struct, frozen=True, kw_only=True):
    """Describe a pool by what its accounts hold; bins may come in any order, empty ones absent.

    ``collect_fee_mode`` 0 charges fees in the input token, 1 in token B. Order amounts count only
    if ``supports_limit_order``. Prices are not given: they follow from the ids and ``bin_step``
    (basis points). ``accrued_fee_a`` and ``_b`` are fees, ``order_proceeds_a`` and ``_b`` earnings
    of filled orders that still lie in the vaults; whatever else lies there (liquidity of bins that
    are not known) counts as accrued, so that the vaults hold what their accounts say.

    ``known_bin_ids`` are the lowest and the highest bin id whose contents are known: absent bins
    between them are empty, bins beyond them were not looked at. None if all are known.
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
    known_bin_ids: tuple[int, int] | None = None

    def require_valid(self) -> None:
        """Refuse what no account could hold, but for prices: those of the bins are not computed.

        Raises:
            InvalidData: a bin is given twice or lies outside the known ones, or an amount or a fee
                setting is out of range.
        """
        source = f"pool {self.address}"
        if self.collect_fee_mode not in {0, 1}:
            raise InvalidData(source, f"collect_fee_mode {self.collect_fee_mode}", "0 or 1")
        self.parameters.require_valid(source)
        bin_ids = [bin_spec.id for bin_spec in self.bins]
        if len(set(bin_ids)) != len(bin_ids):
            raise InvalidData(source, f"bin ids {bin_ids}", "each bin at most once")
        if self.known_bin_ids is not None:
            lowest, highest = self.known_bin_ids
            ids = [self.active_id, *bin_ids]
            if not lowest <= min(ids) <= max(ids) <= highest:
                found = f"known_bin_ids {self.known_bin_ids}, bins {min(ids)} to {max(ids)}"
                raise InvalidData(source, found, "a range that holds the active and all other bins")
        besides = "accrued_fee_a", "accrued_fee_b", "order_proceeds_a", "order_proceeds_b"
        for name in besides:
            if getattr(self, name) < 0:
                raise InvalidData(source, f"{name} {getattr(self, name)}", "0 or more")
