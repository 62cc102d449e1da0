"""Settle swaps in the simulated world: sign, send, and tell what became of it.

A route's legs become one transaction, in their order (``market.transactions`` has the rule by which
legs of several hops share what comes in). Signatures are mock: ``sim`` and a hash of the signed
bytes. Each sending of the same bytes draws anew whether it is lost and when it lands; the world
executes a signature at most once. All luck is drawn by order, attempt and sending, so two policies
that send different bytes, or the same by another path, meet the same.

A fate is told at the commitment asked for, and only once it is final: a signature that is reported
dead can land no more, and one that is reported landed cannot disappear.
"""

from __future__ import annotations

from hashlib import blake2b

from orderengine.errors import InvalidAmount, InvalidRequest, WrongPair
from orderengine.execution.ports import Clock, Landed, Lapsed, Outcome, Reverted, Signed, SwapPlan
from orderengine.market.chain.commitment import Commitment
from orderengine.market.config import LandingConfig, MarketConfig
from orderengine.market.draws import Draws, key_of
from orderengine.market.fees import COMPUTE_UNITS, Fees
from orderengine.market.fields import duration_ns
from orderengine.market.latency import LatencyModel, LatencyOf
from orderengine.market.transactions import SwapLeg, Transaction, encode_transaction
from orderengine.market.world import Execution, World
from orderengine.model.amounts import U64_MAX
from orderengine.model.order import Leg, Mode, Order
from orderengine.pools import Pool, direction_of
from orderengine.settlement.ways import Ways

__all__ = ["SimulatedSettlement"]

_SENDINGS = 2**20
"""Draws of an attempt stand this far from those of the next: nobody sends the same bytes so often.
"""


def _signed_leg(order: Order, leg: Leg, pool: Pool) -> SwapLeg:
    """Return what is signed for a leg; routers and strategies are also written by users."""
    exact_in = order.mode is Mode.EXACT_IN
    amount = leg.amount_in if exact_in else leg.amount_out
    if not 1 <= amount <= U64_MAX:
        raise InvalidAmount(f"the leg on {leg.pool}", amount, "from 1 to 2^64 - 1 base units")
    return SwapLeg(leg.pool, direction_of(pool, leg.sell, leg.buy), exact_in, amount)


class _Sent:
    """Hold what became of the sendings of one signature."""

    __slots__ = ("count", "dead_at_ns", "lands_at_slot")

    def __init__(self) -> None:
        self.count = 0
        self.lands_at_slot: int | None = None
        self.dead_at_ns: int | None = None


_UNSENT = _Sent()


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
        confirm: of the commitment's latency, by order key and attempt.
        commitment: what a fate waits for; as ``confirm`` after a slot's start if it is not given.
        ways: of landing model ``network``: to a leader.
    """

    @classmethod
    def of(
        cls, market: MarketConfig, *, world: World, clock: Clock, seed: int, latency: LatencyOf
    ) -> SimulatedSettlement:
        """Return the settlement that a market's description asks for."""
        landing = market.landing
        commitment = Commitment.of(
            market.consensus, landing.commitment, landing.confirm, world.slot_ns
        )
        return cls(
            world=world,
            clock=clock,
            seed=seed,
            landing=landing,
            fees=Fees(market.fees),
            build=latency(market.build_latency, "latency/build"),
            delay=latency(landing.delay, "latency/landing"),
            confirm=latency(commitment.latency, "latency/confirm"),
            commitment=commitment,
            ways=Ways(landing, latency) if landing.model == "network" else None,
        )

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
        commitment: Commitment | None = None,
        ways: Ways | None = None,
    ) -> None:
        self._world = world
        self._clock = clock
        self._landing = landing
        self._drop_notice_ns = duration_ns("drop_notice", landing.drop_notice)
        self._fees = fees
        self._build = build
        self._delay = delay
        self._confirm = confirm
        self._commitment = commitment or Commitment(latency=landing.confirm)
        self._ways = ways
        self._draw_drop = Draws(seed, "landing/drop")
        self._draw_slots = Draws(seed, "landing/slots")
        self._sent: dict[str, _Sent] = {}

    def forget(self, signature: str) -> None:
        """Drop what is kept of a transaction; ask it only where no copy of it can land any more."""
        self._sent.pop(signature, None)
        self._world.executions.pop(signature, None)  # an attack on it stays, for the result

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed | None:
        """Build and sign a transaction that is valid for the next blocks; None at ``until_ns``.

        Raises:
            InvalidRequest: the route has a leg that no pool of the world can do.
        """
        built_ns = self._clock.now_ns() + self._build(key_of(plan.order.order_id), plan.attempt)
        await self._clock.sleep_until(min(built_ns, until_ns))
        return self._signed(plan, built_ns) if built_ns <= until_ns else None

    def _signed(self, plan: SwapPlan, now_ns: int) -> Signed:
        order, world = plan.order, self._world
        world.advance(now_ns)
        legs, units = [], 0
        for leg in plan.route.legs:
            pool = world.pools.get(leg.pool)
            if pool is None:
                raise InvalidRequest(f"the route names the pool {leg.pool!r}, which does not exist")
            legs.append(_signed_leg(order, leg, pool))
            units += COMPUTE_UNITS[pool.venue]
        ends = plan.route.legs[0].sell, plan.route.legs[-1].buy
        if ends != (order.sell, order.buy):
            raise WrongPair("the route", "/".join(ends), order.sell, order.buy)
        unit_price = plan.unit_price
        if unit_price is None:
            unit_price = self._fees.unit_price(order.priority)
        path, tip = self._ways.chosen(order.priority) if self._ways else ("", 0)
        transaction = Transaction(
            memo=f"{order.order_id}:{plan.attempt}",
            user=order.user,
            legs=tuple(legs),
            amount_in_max=plan.amount_in_max,
            amount_out_min=plan.amount_out_min,
            network_fee=self._fees.fee_at(unit_price, units) + tip,
            unit_price=unit_price,
            last_valid_height=world.height + self._landing.blockhash_blocks,
            tip=tip,
            path=path,
        )
        payload = encode_transaction(transaction)
        return Signed(
            order_id=order.order_id,
            attempt=plan.attempt,
            signature=f"sim{blake2b(payload, digest_size=16).hexdigest()}",
            payload=payload,
            last_valid_height=transaction.last_valid_height,
            network_fee=transaction.network_fee,
        )

    async def send(self, signed: Signed, until_ns: int) -> None:
        """Send the bytes, at once: they are lost, or reach the leader of a later slot."""
        del until_ns
        now_ns, signature = self._clock.now_ns(), signed.signature
        sent = self._sent.get(signature)
        if sent is None:
            sent = self._sent[signature] = _Sent()
        if sent.dead_at_ns is not None:
            return
        world = self._world
        world.advance(now_ns)
        key, k = key_of(signed.order_id), signed.attempt * _SENDINGS + sent.count
        sent.count += 1
        way, strain, drop_rate = None, 1.0, self._landing.drop_rate
        if self._ways is not None:
            way, strain = self._ways.of_signed(signed.payload), world.production.congestion.strain
            drop_rate = way.drop_chance(strain)
        if self._draw_drop.happens(drop_rate, key, k):
            if self._drop_notice_ns > 0 and sent.lands_at_slot is None:
                sent.dead_at_ns = now_ns + self._drop_notice_ns
            return
        if self._landing.model == "instant":
            world.land(signature, signed.payload, now_ns)
            return
        if self._landing.model == "slots":
            slot = world.slot + self._draw_slots.geometric(self._landing.slots_p, key, k)
        elif way is not None:
            slot = world.slot_at(now_ns + way.delay_ns(strain, key, k)) + 1
        else:
            slot = world.slot_at(now_ns + self._delay(key, k)) + 1
        if sent.lands_at_slot is None or slot < sent.lands_at_slot:
            sent.lands_at_slot = slot
        world.deliver(signature, signed.payload, slot)

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        """Wait until the transaction landed and is confirmed, or can land no more."""
        clock, world, signature = self._clock, self._world, signed.signature
        confirm_ns = self._confirm(key_of(signed.order_id), signed.attempt)
        while True:
            now_ns = clock.now_ns()
            world.advance(now_ns)
            execution = world.executions.get(signature)
            if execution is not None:
                look_ns = self._told_ns(execution, confirm_ns)
                if now_ns >= look_ns:
                    self._sent.pop(signature, None)  # the world knows its fate now
                    return _fate(signed, execution)
            else:
                sent = self._sent.get(signature, _UNSENT)
                if sent.dead_at_ns is not None and now_ns >= sent.dead_at_ns:
                    return Lapsed(code="DROPPED", reason="the transaction was lost on its way")
                limit = signed.last_valid_height
                if world.is_expired(limit + self._commitment.lapsed_blocks):
                    return Lapsed(
                        code="BLOCKHASH_EXPIRED", reason=f"did not land up to block height {limit}"
                    )
                look_ns = self._next_look_ns(signed, sent, confirm_ns)
            if now_ns >= until_ns:
                return None
            await clock.sleep_until(min(look_ns, until_ns))

    def _told_ns(self, execution: Execution, confirm_ns: int) -> int:
        """Return when a landing is told, or, while blocks must follow it, the earliest instant."""
        world, commitment = self._world, self._commitment
        if not commitment.from_end:
            return execution.landed_at_ns + confirm_ns
        told_ns = world.slot_start_ns(execution.slot + 1) + confirm_ns
        missing = commitment.landed_blocks - (world.height - execution.height)
        if commitment.landed_blocks and missing > 0:
            told_ns = max(told_ns, world.slot_start_ns(world.slot + missing))
        return told_ns

    def _next_look_ns(self, signed: Signed, sent: _Sent, confirm_ns: int) -> int:
        """Return the next instant at which the fate can be known: no look in between can tell."""
        world, commitment = self._world, self._commitment
        limit = signed.last_valid_height + commitment.lapsed_blocks
        look_ns = world.slot_start_ns(world.expiry_slot(limit))
        if sent.lands_at_slot is not None:
            slot = max(sent.lands_at_slot, world.slot + 1)
            if commitment.from_end:
                slot += max(commitment.landed_blocks, 1)
            look_ns = min(look_ns, world.slot_start_ns(slot) + confirm_ns)
        return look_ns if sent.dead_at_ns is None else min(look_ns, sent.dead_at_ns)


def _fate(signed: Signed, execution: Execution) -> Landed | Reverted:
    if execution.code:
        return Reverted(
            code=execution.code, reason=execution.reason, network_fee=signed.network_fee
        )
    return Landed(
        slot=execution.slot,
        landed_at_ns=execution.landed_at_ns,
        amount_in=execution.amount_in,
        amount_out=execution.amount_out,
        fee_in=execution.fee_in,
        fee_out=execution.fee_out,
        network_fee=signed.network_fee,
        reference_price_x64=execution.reference_price_x64,
    )
