"""Be what one process sees of venues and of the chain: late, behind, wrong, or not there.

``NodeSettlement`` follows the rule that keeps an order safe: landed is what is final on the node
that is asked; dead is what that same node does not know though its own final block is past the
transaction's last valid height. Anything else is no news.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from orderengine import virtualtime
from orderengine.errors import Rejected, Unavailable
from orderengine.execution.ports import Lapsed, Outcome, Reading, Signed, SwapPlan
from orderengine.model.order import Declined, Order, Quote
from tests.chaos.virtual.chain import FINAL_SLOTS, PRICE_X64, Chain, order_number
from tests.chaos.virtual.host import MS, Host
from tests.chaos.virtual.items import SignError, VenueFault

__all__ = ["NodeSettlement", "OnePrice", "RemoteVenue"]

_POLL_NS = 300 * MS
_HANGS_S = 60.0


class OnePrice:
    """Implement the ``PriceFeed`` port: one price for ever."""

    def reference_price_x64(self, sell: str, buy: str) -> int:
        """Return the price."""
        del sell, buy
        return PRICE_X64


class RemoteVenue:
    """Implement the ``Venue`` port: one pool, which pays the price."""

    is_immediate = False

    def __init__(self, name: str, host: Host, faults: Sequence[VenueFault]) -> None:
        self.name = name
        self._host = host
        self._faults = faults

    async def quote(self, order: Order, attempt: int, until_ns: int) -> Sequence[Quote | Declined]:
        """Answer, unless something is wrong just now."""
        del attempt, until_ns
        await self._host.travel("venue.quote>")
        now_ms = virtualtime.now_ns() // MS
        for fault in self._faults:
            if fault.at_ms <= now_ms < fault.at_ms + fault.for_ms:
                self._host.process.struck[f"venue {fault.kind}"] += 1
                if fault.kind == "hangs":
                    await anyio.sleep(_HANGS_S)
                if fault.kind == "errs":
                    raise Unavailable("the venue is away")
                raise Rejected("the pool is paused")
        await self._host.travel("venue.quote<")
        return (
            Quote(
                venue=self.name,
                pool=f"{self.name}-pool",
                amount_in=order.amount,
                amount_out=order.amount * PRICE_X64 >> 64,
                fee_in=7,
                slot=1,
            ),
        )

    async def read(self, order: Order, attempt: int, until_ns: int) -> Reading:
        """Have no pools to hand out: the orders here are routed by quotes."""
        raise AssertionError("a router of quotes asked for pools")


class NodeSettlement:
    """Implement the ``Settlement`` port over one node of the chain."""

    def __init__(self, chain: Chain, host: Host, sign_errors: Sequence[SignError]) -> None:
        self._chain = chain
        self._host = host
        self._sign_errors = sign_errors

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed:
        """Sign over the newest block that the node knows."""
        del until_ns
        await self._go("chain.sign>")
        order = order_number(plan.order.order_id)
        nth = self._chain.signings[order] = self._chain.signings.get(order, -1) + 1
        for error in self._sign_errors:
            if (error.order, error.nth) == (order, nth):
                self._host.process.struck["sign error"] += 1
                raise Rejected("too large") if error.is_rejected else Unavailable("no blockhash")
        signed = self._chain.sign(plan, self._chain.height - self._host.process.slots_behind)
        await self._host.travel("chain.sign<")
        return signed

    async def send(self, signed: Signed, until_ns: int) -> None:
        """Hand the bytes to the node."""
        del until_ns
        await self._go("chain.send>")
        is_error = self._chain.receive(signed)
        await self._host.travel("chain.send<")
        if is_error:
            self._host.process.struck["send error"] += 1
            raise Rejected("blockhash not found")

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        """Ask the node again and again until it proves a fate."""
        clock = self._host.clock
        while True:
            await self._go("chain.look>")
            height = self._chain.height - self._host.process.slots_behind
            fate = self._fate(signed, height)
            await self._host.travel("chain.look<")
            if fate is not None:
                return fate
            now_ns = clock.now_ns()
            if now_ns >= until_ns:
                return None
            await clock.sleep_until(min(now_ns + _POLL_NS, until_ns))

    def _fate(self, signed: Signed, height: int) -> Outcome | None:
        """Return what a node that stands at a height proves."""
        shown = self._chain.show(signed.signature, height)
        if shown == "seen":
            self._host.process.struck["seen, not final"] += 1
        if shown == "final":
            return self._chain.outcome(signed.signature)
        if shown == "unknown" and height - FINAL_SLOTS > signed.last_valid_height:
            return Lapsed(code="BLOCKHASH_EXPIRED", reason="it never landed")
        return None

    async def _go(self, place: str) -> None:
        """Travel to the node, which may hang or err."""
        await self._host.travel(place)
        mute = self._host.process.muted()
        if mute is not None:
            self._host.process.struck["node errs" if mute.is_error else "node hangs"] += 1
            if mute.is_error:
                raise Unavailable("the node errs")
            await anyio.sleep(_HANGS_S)
