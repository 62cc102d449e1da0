"""Stand in for venue and chain: what becomes of each order's signatures is decided beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from orderengine.errors import Unavailable
from orderengine.execution.ports import (
    Clock,
    Landed,
    Lapsed,
    Outcome,
    Reading,
    Reverted,
    Signed,
    SwapPlan,
)
from orderengine.model.order import Declined, Order, Quote
from tests.execution.fakes import PRICE_X64

__all__ = ["Chain", "End", "Fate", "OneVenue"]

VALID_UNITS = 4
"""How long a signature can land."""


class End(StrEnum):
    """Say how a signature ends."""

    LANDS = "lands"
    REVERTS = "reverts"
    LAPSES = "lapses"


class Fate(Struct, frozen=True):
    """Say what becomes of one signature."""

    end: End = End.LANDS
    after_units: int = 1
    """From the sending that arrives; less than it is valid."""
    sends_lost: int = 0
    """How many sendings raise an error and do not arrive."""


class OneVenue:
    """Implement the ``Venue`` port: pay the same price always, after a while."""

    name = "venue"
    is_immediate = False

    def __init__(self, clock: Clock, latency_ns: int) -> None:
        self._clock = clock
        self._latency_ns = latency_ns

    async def quote(self, order: Order, attempt: int, until_ns: int) -> Sequence[Quote | Declined]:
        """Answer."""
        del attempt, until_ns
        await self._clock.sleep_until(self._clock.now_ns() + self._latency_ns)
        price = Quote(
            venue=self.name, pool="pool", amount_in=order.amount, amount_out=order.amount * 2
        )
        return (price,)

    async def read(self, order: Order, attempt: int, until_ns: int) -> Reading:
        """Refuse: no strategy is used here."""
        raise AssertionError("a router of quotes asked for pools")


class Chain:
    """Implement the ``Settlement`` port, and judge.

    A signature is out from its first sending, heard or not, until it has landed or can land no
    more. ``fates`` says what becomes of an order's first, second and further signatures; one more
    than are said ends as the last, and those of an order without fates land.
    """

    def __init__(self, clock: Clock, unit_ns: int) -> None:
        self.fates: dict[str, tuple[Fate, ...]] = {}
        self.landed: dict[str, list[str]] = {}
        """By order, the signatures that landed."""
        self.fills: dict[str, Landed] = {}
        """By signature."""
        self._clock = clock
        self._unit_ns = unit_ns
        self._signed: dict[str, tuple[Signed, SwapPlan]] = {}
        self._out: dict[str, dict[str, Fate]] = {}
        """By order, the signatures that were sent, with their fates."""
        self._sendings: dict[str, int] = {}
        self._valid_until_ns: dict[str, int] = {}
        self._ends_at_ns: dict[str, int] = {}

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed:
        """Sign; nothing is out by that."""
        del until_ns
        order_id = plan.order.order_id
        number = len(self._signed)
        signed = Signed(
            order_id=order_id,
            attempt=plan.attempt,
            signature=f"{order_id}/{number}",
            payload=f"bytes {number}".encode(),
            last_valid_height=number,
            network_fee=5_000,
        )
        self._signed[signed.signature] = signed, plan
        return signed

    async def send(self, signed: Signed, until_ns: int) -> None:
        """Take the bytes that were signed."""
        del until_ns
        signature, order_id = signed.signature, signed.order_id
        assert signed == self._signed[signature][0], "other bytes were sent than were signed"
        now_ns, out = self._clock.now_ns(), self._out.setdefault(order_id, {})
        if signature not in out:
            assert not self._is_out(order_id), f"{signature} was sent while another can land"
            fates = self.fates.get(order_id, (Fate(),))
            out[signature] = fates[min(len(out), len(fates) - 1)]
            self._valid_until_ns[signature] = now_ns + VALID_UNITS * self._unit_ns
        fate = out[signature]
        self._sendings[signature] = count = self._sendings.get(signature, 0) + 1
        if count <= fate.sends_lost:
            raise Unavailable("the node did not answer")
        if fate.end is not End.LAPSES and now_ns < self._valid_until_ns[signature]:
            self._hear(signature, fate, now_ns)

    def _hear(self, signature: str, fate: Fate, now_ns: int) -> None:
        if signature in self._ends_at_ns:
            return
        self._ends_at_ns[signature] = now_ns + fate.after_units * self._unit_ns
        if fate.end is End.LANDS:
            plan = self._signed[signature][1]
            self.landed.setdefault(plan.order.order_id, []).append(signature)
            self.fills[signature] = Landed(
                slot=1,
                landed_at_ns=self._ends_at_ns[signature],
                amount_in=plan.order.amount,
                amount_out=plan.amount_out_min,
                fee_in=0,
                fee_out=0,
                network_fee=5_000,
                reference_price_x64=PRICE_X64,
            )

    def _is_out(self, order_id: str) -> bool:
        """Return whether a signature of the order has landed, or still can."""
        if order_id in self.landed:
            return True
        now_ns = self._clock.now_ns()
        return any(now_ns < self._over_at_ns(name) for name in self._out.get(order_id, {}))

    def _over_at_ns(self, signature: str) -> int:
        return self._ends_at_ns.get(signature, self._valid_until_ns[signature])

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        """Wait for the end of the signature, or until the caller has had enough."""
        signature = signed.signature
        await self._clock.sleep_until(min(self._over_at_ns(signature), until_ns))
        if self._clock.now_ns() < self._over_at_ns(signature):
            return None
        if signature in self.fills:
            return self.fills[signature]
        if signature in self._ends_at_ns:
            return Reverted(code="SLIPPAGE", reason="paid too little", network_fee=5_000)
        return Lapsed(code="BLOCKHASH_EXPIRED", reason="never landed")
