"""Price a transaction: a base fee a signature, and a price a compute unit on the limit it asks.

fee = signature_lamports + ceil(limit · price / 10^6), price in micro-lamports a unit; the whole
limit is billed, used or not (Raydium docs). ``orderengine.pools.footprint`` has the limits.
"""

from __future__ import annotations

from orderengine.market.config import FeeConfig
from orderengine.model.order import Priority
from orderengine.pools.footprint import COMPUTE_UNITS

__all__ = ["COMPUTE_UNITS", "Fees"]


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
        return self.fee_at(self._unit_price[priority], compute_units)

    def fee_at(self, unit_price: int, compute_units: int) -> int:
        """Return the lamports at a price of one's own, micro-lamports a unit, rounded up."""
        return self._signature + -(-compute_units * unit_price // 1_000_000)
