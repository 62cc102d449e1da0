"""Settle swaps in the simulated world: sign, send, and tell what became of it.

Signatures are mock: ``sim`` and a hash of the signed bytes. Each sending of the same bytes draws
anew whether it is lost and when it lands; the world executes a signature at most once.
"""

from __future__ import annotations

from hashlib import blake2b

import anyio
import msgspec
from msgspec.structs import replace

from orderengine.errors import InvalidAmount, InvalidRequest
from orderengine.execution.ports import Clock, Landed, Lapsed, Outcome, Reverted, Signed, SwapPlan
from orderengine.market.config import LandingConfig
from orderengine.market.draws import Draws, key_of
from orderengine.market.fees import COMPUTE_UNITS, Fees
from orderengine.market.fields import duration_ns
from orderengine.market.latency import LatencyModel
from orderengine.market.world import Execution, SwapLeg, Transaction, World
from orderengine.model.amounts import U64_MAX
from orderengine.model.order import Leg, Mode, Order
from orderengine.pools import direction_of, tokens_of

__all__ = ["SimulatedSettlement"]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Transaction).decode


class SimulatedSettlement:
    """Implement the ``Settlement`` port over the simulated world.

    Args:
        world: the world.
        clock: the date.
        seed: what this adapter's draws derive from.
        landing: how transactions reach a block.
        fees: what they cost.
        build: how long building and signing takes, by order key and attempt.
        delay: of landing model ``delay``: from sending to reaching a leader.
        confirm: from landing to knowing it.
    """

    def __init__(  # noqa: PLR0913  (wired once, by name)
        self,
        *,
        world: World,
        clock: Clock,
        seed: int,
        landing: LandingConfig,
        fees: Fees,
        build: LatencyModel,
        delay: LatencyModel,
        confirm: LatencyModel,
    ) -> None:
        self._world = world
        self._clock = clock
        self._landing = landing
        self._drop_notice_ns = duration_ns("drop_notice", landing.drop_notice)
        self._fees = fees
        self._build = build
        self._delay = delay
        self._confirm = confirm
        self._draw_drop = Draws(seed, "landing/drop")
        self._draw_slots = Draws(seed, "landing/slots")
        self._sendings: dict[str, int] = {}
        self._lands_at_slot: dict[str, int] = {}
        self._dead_at_ns: dict[str, int] = {}

    async def sign(self, plan: SwapPlan) -> Signed:
        """Build and sign a transaction that is valid for the next blocks.

        Raises:
            InvalidRequest: the route has a leg that no pool of the world can do.
        """
        order, attempt = plan.order, plan.attempt
        key = key_of(order.order_id)
        await anyio.sleep(self._build(key, attempt) / 1e9)
        world = self._world
        world.advance(self._clock.now_ns())
        legs = tuple(self._leg(order, leg) for leg in plan.route.legs)
        units = sum(COMPUTE_UNITS[world.pools[leg.pool].venue] for leg in legs)
        unsigned = Transaction(
            signature="",
            memo=f"{order.order_id}:{attempt}",
            user=order.user,
            legs=legs,
            amount_in_max=plan.amount_in_max,
            amount_out_min=plan.amount_out_min,
            network_fee=self._fees.network_fee(order.priority, units),
            unit_price=self._fees.unit_price(order.priority),
            last_valid_height=world.height + self._landing.blockhash_blocks,
        )
        signature = f"sim{blake2b(_encode(unsigned), digest_size=16).hexdigest()}"
        transaction = replace(unsigned, signature=signature)
        return Signed(
            order_id=order.order_id,
            attempt=attempt,
            signature=signature,
            payload=_encode(transaction),
            last_valid_height=transaction.last_valid_height,
            network_fee=transaction.network_fee,
        )

    def _leg(self, order: Order, leg: Leg) -> SwapLeg:
        """Return what is signed for a leg; routers are also written by users."""
        pool = self._world.pools.get(leg.pool)
        if pool is None:
            raise InvalidRequest(f"the route names the pool {leg.pool!r}, which does not exist")
        direction = direction_of(pool, order.sell, order.buy)
        exact_in = order.mode is Mode.EXACT_IN
        amount = leg.amount_in if exact_in else leg.amount_out
        if not 1 <= amount <= U64_MAX:
            raise InvalidAmount(f"the leg on {leg.pool}", amount, "from 1 to 2^64 - 1 base units")
        return SwapLeg(leg.pool, direction, exact_in, amount)

    async def send(self, signed: Signed) -> None:
        """Send the bytes: they are lost, or reach the leader of a later slot."""
        now_ns, signature = self._clock.now_ns(), signed.signature
        if signature in self._dead_at_ns:
            return
        world = self._world
        world.advance(now_ns)
        sending = self._sendings.get(signature, 0)
        self._sendings[signature] = sending + 1
        key = key_of(signature)
        if self._draw_drop.uniform(key, sending) < self._landing.drop_rate:
            if self._drop_notice_ns > 0 and signature not in self._lands_at_slot:
                self._dead_at_ns[signature] = now_ns + self._drop_notice_ns
            return
        if self._landing.model == "slots":
            slot = world.slot + self._draw_slots.geometric(self._landing.slots_p, key, sending)
        else:
            arrival_ns = now_ns + self._delay(key, sending)
            slot = world.slot_at(arrival_ns) + 1
        self._lands_at_slot[signature] = min(slot, self._lands_at_slot.get(signature, slot))
        world.deliver(_decode(signed.payload), slot)

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        """Wait until the transaction landed and is confirmed, or can land no more."""
        world, signature = self._world, signed.signature
        while True:
            now_ns = self._clock.now_ns()
            world.advance(now_ns)
            execution = world.executions.get(signature)
            if execution is not None:
                wake_ns = execution.landed_at_ns + self._confirm(key_of(signature), 0)
                if now_ns >= wake_ns:
                    return self._fate(signed, execution)
            else:
                dead_at_ns = self._dead_at_ns.get(signature)
                if dead_at_ns is not None and now_ns >= dead_at_ns:
                    return Lapsed(code="DROPPED", reason="the transaction was lost on its way")
                if world.is_expired(signed.last_valid_height):
                    limit = signed.last_valid_height
                    return Lapsed(
                        code="BLOCKHASH_EXPIRED", reason=f"did not land up to block height {limit}"
                    )
                wake_ns = self._next_look_ns(signed, dead_at_ns)
            if now_ns >= until_ns:
                return None
            await anyio.sleep((min(wake_ns, until_ns) - now_ns) / 1e9)

    def _next_look_ns(self, signed: Signed, dead_at_ns: int | None) -> int:
        """Return the next instant at which the fate can be known: no look in between can tell."""
        world = self._world
        slot = world.expiry_slot(signed.last_valid_height)
        lands_at_slot = self._lands_at_slot.get(signed.signature)
        if lands_at_slot is not None:
            slot = min(slot, max(lands_at_slot, world.slot + 1))
        wake_ns = world.slot_start_ns(slot)
        return wake_ns if dead_at_ns is None else min(wake_ns, dead_at_ns)

    def _fate(self, signed: Signed, execution: Execution) -> Outcome:
        if execution.code:
            return Reverted(
                code=execution.code, reason=execution.reason, network_fee=signed.network_fee
            )
        leg = _decode(signed.payload).legs[0]
        price_x64 = execution.price_x64
        if tokens_of(self._world.pools[leg.pool], leg.direction)[0] != self._world.base:
            price_x64 = (1 << 128) // price_x64
        return Landed(
            slot=execution.slot,
            landed_at_ns=execution.landed_at_ns,
            amount_in=execution.amount_in,
            amount_out=execution.amount_out,
            fee_in=execution.fee_in,
            fee_out=execution.fee_out,
            network_fee=signed.network_fee,
            reference_price_x64=price_x64,
        )
