"""Price a transaction: a base fee a signature, and a price a compute unit on the limit it asks.

fee = signature_lamports + ceil(limit · price / 10^6), price in micro-lamports a unit; the whole
limit is billed, used or not (Raydium docs). Limits are the swap's usual cost and 15 %: 140,000
units for a constant-product swap, 170,000 for a concentrated one (Raydium docs). For other programs
than Raydium's these are assumptions: DAMM v2 as the first, DLMM and Whirlpool as the second; and so
is AMM v4 as the first, which the docs do not tell apart from CPMM.
"""

from __future__ import annotations

from orderengine.market.config import FeeConfig
from orderengine.model.order import Priority

__all__ = ["COMPUTE_UNITS", "Fees"]

COMPUTE_UNITS = {
    "raydium_amm_v4": 161_000,
    "raydium_cpmm": 161_000,
    "raydium_clmm": 195_500,
    "meteora_damm_v2": 161_000,
    "meteora_dlmm": 195_500,
    "orca_whirlpool": 195_500,
}
"""The compute-unit limit that a swap asks for, by venue."""


class Fees:
    """Compute fees under a description."""

    def __init__(self, config: FeeConfig) -> None:
        self._signature = config.signature_lamports
        self._unit_price = {
            Priority.URGENT: config.urgent_micro_lamports,
            Priority.NORMAL: config.normal_micro_lamports,
            Priority.BULK: config.bulk_micro_lamports,
        }

    def unit_price(self, priority: Priority) -> int:
        """Return micro-lamports a compute unit."""
        return self._unit_price[priority]

    def network_fee(self, priority: Priority, compute_units: int) -> int:
        """Return the lamports of a transaction with one signature, rounded up."""
        return self._signature + -(-compute_units * self._unit_price[priority] // 1_000_000)
