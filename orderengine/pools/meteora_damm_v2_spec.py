"""Describe a Meteora DAMM v2 pool as its account does, to build one from a file or an account."""

from __future__ import annotations

from msgspec import Struct, field

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import U64_MAX, U128_MAX
from orderengine.pools.meteora_damm_v2_curve import amount_a_ceil, amount_b_ceil
from orderengine.pools.meteora_damm_v2_fees import (
    FEE_RATE_MAX,
    DammBaseFee,
    DammDynamicFee,
    DammFeeShares,
)

__all__ = ["MeteoraDammV2Spec"]

_COMPOUNDING = 2


class MeteoraDammV2Spec(Struct, frozen=True, kw_only=True):
    """Describe a pool under the program's names; prices are square roots, Q64.64, B per A.

    ``collect_fee_mode`` 0 charges fees in the output token, 1 in token B, 2 in token B on a
    constant product, which needs ``token_a_amount`` and ``token_b_amount`` and no range. Without
    those amounts a pool holds what its range needs, as the program counts for an account of layout
    version 0. ``activation_point`` is in Unix seconds. Protocol and claimable fees still lie in the
    vaults.
    """

    address: str
    token_a: str
    token_b: str
    collect_fee_mode: int = 0
    fee_version: int = 1
    activation_point: int = 0
    sqrt_price: int = field(name="sqrt_price_x64", default=0)
    sqrt_min_price: int = field(name="sqrt_min_price_x64", default=0)
    sqrt_max_price: int = field(name="sqrt_max_price_x64", default=0)
    liquidity: int = 0
    base_fee: DammBaseFee
    dynamic_fee: DammDynamicFee | None = None
    protocol_fee_percent: int = 0
    referral_fee_percent: int = 0
    compounding_fee_bps: int = 0
    token_a_amount: int | None = None
    token_b_amount: int | None = None
    protocol_fee_a: int = 0
    protocol_fee_b: int = 0
    claimable_fee_a: int = 0
    claimable_fee_b: int = 0

    @property
    def is_compounding(self) -> bool:
        """Whether the pool is a constant product."""
        return self.collect_fee_mode == _COMPOUNDING

    def shares(self) -> DammFeeShares:
        """Return how a fee is shared."""
        return DammFeeShares(
            protocol_fee_percent=self.protocol_fee_percent,
            referral_fee_percent=self.referral_fee_percent,
            compounding_fee_bps=self.compounding_fee_bps,
        )

    def require_valid(self) -> None:
        """Refuse what a swap could not rely on.

        Raises:
            InvalidData: a mode or version is unknown or not covered, or an amount, a fee setting or
                a price is out of range.
        """
        source = f"pool {self.address}"
        if self.collect_fee_mode not in (0, 1, _COMPOUNDING):
            raise InvalidData(source, f"collect_fee_mode {self.collect_fee_mode}", "0, 1 or 2")
        if not 0 <= self.fee_version < len(FEE_RATE_MAX):
            raise InvalidData(source, f"fee_version {self.fee_version}", "0 or 1")
        self.shares().require_valid(source)
        if self.compounding_fee_bps and not self.is_compounding:
            found = f"compounding_fee_bps {self.compounding_fee_bps}"
            raise InvalidData(source, found, "0, as the pool does not compound")
        self.base_fee.require_valid(source)
        if self.dynamic_fee is not None:
            self.dynamic_fee.require_valid(source)
        self._require_range(source)
        for name in (
            "activation_point",
            "protocol_fee_a",
            "protocol_fee_b",
            "claimable_fee_a",
            "claimable_fee_b",
        ):
            if getattr(self, name) < 0:
                raise InvalidData(source, f"{name} {getattr(self, name)}", "0 or more")

    def reserves(self) -> tuple[int, int]:
        """Return the reserves of tokens A and B; of a valid spec.

        Raises:
            InvalidData: a reserve is negative, or a compounding pool lacks one or holds more than
                u64.
        """
        amount_a, amount_b = self.token_a_amount, self.token_b_amount
        if not self.is_compounding:
            if amount_a is None:
                lower, upper = self.sqrt_price, self.sqrt_max_price
                amount_a = amount_a_ceil(self.liquidity, lower, upper)
            if amount_b is None:
                lower, upper = self.sqrt_min_price, self.sqrt_price
                amount_b = amount_b_ceil(self.liquidity, lower, upper)
        found = f"token_a_amount {amount_a}, token_b_amount {amount_b}"
        if amount_a is None or amount_b is None or min(amount_a, amount_b) < 0:
            raise InvalidData(f"pool {self.address}", found, "reserves of 0 or more")
        if self.is_compounding and max(amount_a, amount_b) > U64_MAX:
            raise InvalidData(f"pool {self.address}", found, "reserves up to 2^64 - 1")
        return amount_a, amount_b

    def _require_range(self, source: str) -> None:
        lowest, price, highest = self.sqrt_min_price, self.sqrt_price, self.sqrt_max_price
        if self.is_compounding:
            # Its range is all prices, and its price matters to the dynamic fee alone.
            is_valid = int(self.dynamic_fee is not None) <= price <= U128_MAX
        else:
            is_valid = 0 < lowest <= price <= highest <= U128_MAX
        if not is_valid:
            found = f"square-root price {price} in {lowest} to {highest}"
            raise InvalidData(source, found, "a price above 0 within its range")
        if not 0 <= self.liquidity <= U128_MAX:
            raise InvalidData(source, f"liquidity {self.liquidity}", "from 0 to 2^128 - 1")
