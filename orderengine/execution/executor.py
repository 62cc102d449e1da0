"""Carry one order from its state to its end: ask ``next_step``, do it, write it down, repeat.

The order of writing and doing is what keeps an order safe. A transaction is signed, stored with its
``submitted`` event, and only then sent; while it may land, nothing but its proven fate moves the
order on. Every write names the sequence number it expects, so a user's cancellation and the
executor's next write cannot both win: the loser reads the log again and decides anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from orderengine.errors import (
    InvalidRequest,
    Rejected,
    SequenceConflict,
    Unavailable,
    UnknownOrder,
)
from orderengine.execution.halt import TradingHalt
from orderengine.execution.inquiry import Answer, Inquiry
from orderengine.execution.journal import Journal
from orderengine.execution.policy import ExecutionPolicy, checked_limits, checked_wait
from orderengine.execution.ports import (
    Clock,
    EventStore,
    Landed,
    Outcome,
    PriceFeed,
    Reverted,
    Settlement,
    Signed,
    SwapPlan,
    Venue,
)
from orderengine.execution.step import (
    AskQuotes,
    Build,
    Claim,
    End,
    Pause,
    Requote,
    Settle,
    Step,
    next_step,
)
from orderengine.model.events import (
    AttemptFailed,
    Claimed,
    Confirmed,
    Event,
    Failed,
    Requoting,
    Routed,
    Submitted,
)
from orderengine.model.lifecycle import OrderState, fold
from orderengine.model.order import Order
from orderengine.model.wire import decode_event

__all__ = ["Executor"]


_NOTES = frozenset({Claimed, Requoting, Routed})
"""Events that nobody acts on: what is done next, until a transaction is stored, can be done again.
So nothing waits until they are stored; as a rule they share a commit with that transaction."""


class _Rest(Struct, frozen=True):
    """Begin no attempt before the halt has changed."""

    halt: TradingHalt


class Executor:
    """Execute orders over the ports it is given; holds no state of its own about any order."""

    def __init__(  # noqa: PLR0913  (one argument a port)
        self,
        *,
        clock: Clock,
        venues: Sequence[Venue],
        settlement: Settlement,
        prices: PriceFeed,
        store: EventStore,
        journal: Journal,
        policy: ExecutionPolicy,
        halt: TradingHalt | None = None,
    ) -> None:
        self._clock = clock
        self._halt = halt
        self._venues = frozenset(venue.name for venue in venues)
        self._inquiry = Inquiry(venues, clock, policy, halt)
        self._settlement = settlement
        self._prices = prices
        self._store = store
        self._journal = journal
        self._policy = policy

    async def execute(  # noqa: PLR0912  (a branch a step)
        self, order_id: str, worker: str, fence: int, log: Sequence[str] = ()
    ) -> OrderState:
        """Carry the order to its end and return its last state.

        Args:
            order_id: the order.
            worker: who carries it.
            fence: of the worker's lease.
            log: the order's events as they were when it was claimed, as the lease holds them;
                empty if it does not, and then they are read.

        Raises:
            LeaseLost: another worker holds the order now; it goes on there.
        """
        if log:
            state = fold([decode_event(body) for body in log])
        else:
            state = await self._journal.load(order_id)
        signed: Signed | None = None
        noted: object = None
        while not state.status.is_terminal:
            step: Step | _Rest
            step = next_step(state, self._clock.now_ns(), self._policy.route_age_ns_max)
            if self._halt is not None:
                step = _allowed(step, self._halt, self._venues)
            event: Event | None = None
            try:
                match step:
                    case AskQuotes():
                        attempt = step.attempt
                        answers = await self._inquiry.ask(state.order, attempt)
                        event = self._routed(state, attempt, answers)
                    case Build():
                        event, signed = await self._build(state, step)
                    case Settle():
                        if signed is None or signed.signature != step.submitted.signature:
                            signed = await self._store.signed(order_id, step.submitted.signature)
                            await self._send(signed)  # whoever held the order may not have
                        until_ns = self._clock.now_ns() + self._policy.resend_ns
                        outcome = await self._settlement.outcome(signed, until_ns)
                        if outcome is None:
                            await self._send(signed)
                        else:
                            event = self._settled(state, signed, outcome)
                    case Pause():
                        await self._clock.sleep_until(step.until_ns)
                    case _Rest():
                        await step.halt.wait()
                        # It may have ended meanwhile.
                        state, noted = await self._journal.load(order_id), None
                    case _:
                        event = self._noted(state, step, worker)
                kind = type(event)
                if kind is Submitted and event is not None and signed is not None:
                    state = await self._journal.record(
                        state, event, fence=fence, signed=signed, after=noted
                    )
                    noted = None
                    await self._send(signed)
                elif kind in _NOTES and event is not None:
                    state, noted = await self._journal.note(state, event, fence=fence, after=noted)
                elif event is not None:
                    state = await self._journal.record(state, event, fence=fence, after=noted)
                    noted = None
            except (SequenceConflict, UnknownOrder) as error:
                state, noted = await self._reread(state, error), None
        return state

    async def give_up(self, order_id: str, fence: int) -> OrderState:
        """End an order that no worker can carry, and return its state.

        An order whose transaction is out is left as it is: only that one's fate may end it.

        Raises:
            LeaseLost: another worker holds the order now.
        """
        state = await self._journal.load(order_id)
        while not state.is_terminal and state.submitted is None:
            try:
                state = await self._journal.record(state, self._given_up(state), fence=fence)
            except SequenceConflict as error:
                state = await self._reread(state, error)
        return state

    async def _reread(self, state: OrderState, error: Exception) -> OrderState:
        """Return the state after what somebody else wrote: a user, or another worker.

        A fate that is known by now is met again, with that state. Where another worker has ended
        the order, its signed bytes are gone.
        """
        latest = await self._journal.load(state.order_id)
        if latest.seq == state.seq and not isinstance(error, SequenceConflict):
            raise error
        return latest

    # What the waiting coroutines call to make an event are plain methods, so that one that waits
    # does not hold room for it: a hundred thousand of them may.

    def _noted(self, state: OrderState, step: Step, worker: str) -> Event | None:
        """Return the event of a step that takes no time."""
        order_id, seq, now_ns = state.order.order_id, state.seq + 1, self._clock.now_ns()
        match step:
            case Claim():
                return Claimed(order_id=order_id, seq=seq, at_ns=now_ns, worker=worker)
            case Requote():
                return Requoting(order_id=order_id, seq=seq, at_ns=now_ns, reason=step.reason)
            case End():
                price = self._price(state.order)
                return step.event(
                    order_id=order_id, seq=seq, at_ns=now_ns, reference_price_x64=price
                )
        return None

    def _routed(self, state: OrderState, attempt: int, answers: Sequence[Answer]) -> Event:
        """Choose a route, and return what was said and chosen."""
        order = state.order
        try:
            choice = self._inquiry.choose(order, answers, attempt)
        except Rejected as error:
            return self._failed(state, error.code, str(error))
        return Routed(
            order_id=order.order_id,
            seq=state.seq + 1,
            at_ns=self._clock.now_ns(),
            attempt=attempt,
            route=choice.route,
            quotes=choice.quotes,
            declined=choice.declined,
            reference_price_x64=self._price(order),
        )

    async def _build(self, state: OrderState, step: Build) -> tuple[Event | None, Signed | None]:
        """Sign the route; return no event if the deadline passed meanwhile."""
        plan = self._plan(state.order, step)
        until_ns = state.routed_at_ns + self._policy.route_age_ns_max  # later it would not be sent
        if plan.order.deadline_ns is not None:
            until_ns = min(until_ns, plan.order.deadline_ns)
        try:
            signed = await self._settlement.sign(plan, until_ns)
        except (Unavailable, Rejected, InvalidRequest) as error:
            return self._failed(state, error.code, str(error)), None
        return self._submitted(state, plan, signed), signed

    def _plan(self, order: Order, step: Build) -> SwapPlan:
        policy = self._policy
        limits = checked_limits(order, step.route, policy.slippage)
        return SwapPlan(
            order=order,
            route=step.route,
            attempt=step.attempt,
            amount_in_max=limits[0],
            amount_out_min=limits[1],
            unit_price=policy.unit_price and policy.unit_price(order, step.attempt),
        )

    def _submitted(self, state: OrderState, plan: SwapPlan, signed: Signed | None) -> Event | None:
        order, now_ns, age_ns_max = plan.order, self._clock.now_ns(), self._policy.route_age_ns_max
        if order.deadline_ns is not None and now_ns >= order.deadline_ns:
            return None  # nothing was sent, so it may expire
        if signed is None or now_ns - state.routed_at_ns > age_ns_max:
            said = f"the route was not signed before it was {age_ns_max / 1e6:g} ms old"
            return self._failed(state, "STALE_ROUTE", said)
        return Submitted(
            order_id=order.order_id,
            seq=state.seq + 1,
            at_ns=now_ns,
            attempt=plan.attempt,
            signature=signed.signature,
            last_valid_height=signed.last_valid_height,
            amount_in_max=plan.amount_in_max,
            amount_out_min=plan.amount_out_min,
            network_fee=signed.network_fee,
        )

    async def _send(self, signed: Signed) -> None:
        try:
            await self._settlement.send(signed, self._clock.now_ns() + self._policy.resend_ns)
        except (Unavailable, Rejected):
            return  # the bytes may have arrived all the same: only the outcome tells

    def _settled(self, state: OrderState, signed: Signed, outcome: Outcome) -> Event:
        if not isinstance(outcome, Landed):
            paid = outcome.network_fee if isinstance(outcome, Reverted) else 0
            return self._failed(state, outcome.code, outcome.reason, paid)
        return Confirmed(
            order_id=state.order.order_id,
            seq=state.seq + 1,
            at_ns=self._clock.now_ns(),
            attempt=signed.attempt,
            signature=signed.signature,
            slot=outcome.slot,
            landed_at_ns=outcome.landed_at_ns,
            amount_in=outcome.amount_in,
            amount_out=outcome.amount_out,
            fee_in=outcome.fee_in,
            fee_out=outcome.fee_out,
            network_fee=outcome.network_fee,
            reference_price_x64=outcome.reference_price_x64,
        )

    def _failed(self, state: OrderState, code: str, reason: str, network_fee: int = 0) -> Event:
        """Return the end of the attempt: another one follows, or the order has failed."""
        order, now_ns = state.order, self._clock.now_ns()
        wait_ns: int | None = 0  # nothing is out: the next step cancels or expires the order
        if not state.cancel_requested and (order.deadline_ns is None or now_ns < order.deadline_ns):
            wait_ns = checked_wait(state, code, self._policy.retry)
        if wait_ns is None:
            return Failed(
                order_id=order.order_id,
                seq=state.seq + 1,
                at_ns=now_ns,
                code=code,
                reason=reason,
                network_fee=network_fee,
                reference_price_x64=self._price(order),
            )
        return AttemptFailed(
            order_id=order.order_id,
            seq=state.seq + 1,
            at_ns=now_ns,
            attempt=state.attempts + 1,
            code=code,
            reason=reason,
            retry_at_ns=now_ns + wait_ns,
            network_fee=network_fee,
        )

    def _given_up(self, state: OrderState) -> Event:
        return Failed(
            order_id=state.order_id,
            seq=state.seq + 1,
            at_ns=self._clock.now_ns(),
            code="GIVEN_UP",
            reason="every worker that took the order up stopped before its end",
            reference_price_x64=self._price(state.order),
        )

    def _price(self, order: Order) -> int:
        return self._prices.reference_price_x64(order.sell, order.buy)


def _allowed(step: Step, halt: TradingHalt, venues: frozenset[str]) -> Step | _Rest:
    """Return the step, or what an operator's pause makes of it: a wait, or another route.

    With every venue paused there is nobody to ask, and an attempt would only fail.
    """
    is_paused = halt.is_paused or venues <= halt.paused_venues
    if is_paused and isinstance(step, AskQuotes | Build):
        return _Rest(halt)
    if isinstance(step, Build):
        for leg in step.route.legs:
            if leg.venue in halt.paused_venues:
                return Requote(f"an operator has paused {leg.venue}")
    return step
