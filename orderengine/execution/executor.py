"""Carry one order from its state to its end: ask ``next_step``, do it, write it down, repeat.

The order of writing and doing is what keeps an order safe. A transaction is signed, stored with its
``submitted`` event, and only then sent; while it may land, nothing but its proven fate moves the
order on. Every write names the sequence number it expects, so a user's cancellation and the
executor's next write cannot both win: the loser reads the log again and decides anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from orderengine.errors import (
    InvalidRequest,
    NoRoute,
    QuoteTimeout,
    Rejected,
    SequenceConflict,
    Unavailable,
    UnknownOrder,
)
from orderengine.execution.journal import Journal
from orderengine.execution.policy import ExecutionPolicy, checked_limits, checked_wait
from orderengine.execution.ports import (
    Clock,
    EventStore,
    Landed,
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
    Done,
    End,
    Pause,
    Requote,
    Settle,
    next_step,
)
from orderengine.model.events import (
    AttemptFailed,
    Claimed,
    Confirmed,
    Failed,
    Requoting,
    Routed,
    Submitted,
)
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Declined, Order, Quote
from orderengine.routing.choose import choose, losers, usable

__all__ = ["Executor"]


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
    ) -> None:
        self._clock = clock
        self._venues = tuple(venues)
        self._settlement = settlement
        self._prices = prices
        self._store = store
        self._journal = journal
        self._policy = policy

    async def execute(self, order_id: str, worker: str, fence: int) -> OrderState:
        """Carry the order to its end and return its last state.

        Raises:
            LeaseLost: another worker holds the order now; it goes on there.
        """
        state = await self._journal.load(order_id)
        while not state.is_terminal:
            step = next_step(state, self._clock.now_ns(), self._policy.route_age_ns_max)
            state = await self._attempt(state, step, worker, fence)
        return state

    async def _attempt(
        self, state: OrderState, step: object, worker: str, fence: int
    ) -> OrderState:
        try:
            return await self._perform(state, step, worker, fence)
        except SequenceConflict:
            return await self._journal.load(state.order_id)

    async def _perform(
        self, state: OrderState, step: object, worker: str, fence: int
    ) -> OrderState:
        journal = self._journal
        match step:
            case Claim():
                return await journal.record(state, Claimed, fence=fence, worker=worker)
            case AskQuotes():
                return await self._route(state, step.attempt, fence)
            case Build():
                return await self._submit(state, step, fence)
            case Settle():
                return await self._settle(state, step.submitted, fence)
            case Pause():
                await self._sleep_until(step.until_ns)
                return state
            case Requote():
                return await journal.record(state, Requoting, fence=fence, reason=step.reason)
            case End():
                return await journal.record(
                    state, step.event, fence=fence, reference_price_x64=self._price(state.order)
                )
            case Done() | _:
                return state

    async def _route(self, state: OrderState, attempt: int, fence: int) -> OrderState:
        order = state.order
        answers = await self._ask(order, attempt)
        quotes = tuple(answer for answer in answers if isinstance(answer, Quote))
        declined = tuple(answer for answer in answers if isinstance(answer, Declined))
        try:
            route = choose(order, quotes, declined, self._policy.router)
        except NoRoute as error:
            return await self._fail(state, error.code, str(error), fence)
        return await self._journal.record(
            state,
            Routed,
            fence=fence,
            attempt=attempt,
            route=route,
            quotes=usable(quotes),
            declined=declined + losers(order, quotes, route),
            reference_price_x64=self._price(order),
        )

    async def _ask(self, order: Order, attempt: int) -> list[Quote | Declined]:
        """Ask all venues at once under one deadline; the answers stand in the venues' order."""
        budget_ns, left_ns = self._policy.quote_deadline_ns, self._left_ns(order)
        if left_ns is not None:
            budget_ns = min(budget_ns, left_ns)
        heard: list[Sequence[Quote | Declined] | None] = [None] * len(self._venues)

        async def ask(index: int, venue: Venue) -> None:
            try:
                heard[index] = await venue.quote(order, attempt)
            except (Unavailable, Rejected) as error:
                heard[index] = (
                    Declined(venue=venue.name, pool="", code=error.code, reason=str(error)),
                )

        with anyio.move_on_after(budget_ns / 1e9):
            if len(self._venues) == 1:
                await ask(0, self._venues[0])
            else:
                async with anyio.create_task_group() as group:
                    for index, venue in enumerate(self._venues):
                        group.start_soon(ask, index, venue)
        answers: list[Quote | Declined] = []
        for venue, said in zip(self._venues, heard, strict=True):
            if said is None:
                late = QuoteTimeout(venue.name, budget_ns)
                answers.append(
                    Declined(venue=venue.name, pool="", code=late.code, reason=str(late))
                )
            else:
                answers.extend(said)
        return answers

    async def _submit(self, state: OrderState, step: Build, fence: int) -> OrderState:
        order, route = state.order, step.route
        amount_in_max, amount_out_min = checked_limits(order, route, self._policy.slippage)
        plan = SwapPlan(
            order=order,
            route=route,
            attempt=step.attempt,
            amount_in_max=amount_in_max,
            amount_out_min=amount_out_min,
        )
        signed = None
        left_ns = self._left_ns(order)
        age_ns_max = self._policy.route_age_ns_max  # signed later it would not be sent
        try:
            budget_ns = age_ns_max if left_ns is None else min(left_ns, age_ns_max)
            with anyio.move_on_after(budget_ns / 1e9):
                signed = await self._settlement.sign(plan)
        except (Unavailable, Rejected, InvalidRequest) as error:
            return await self._fail(state, error.code, str(error), fence)
        if self._left_ns(order) == 0:
            return state  # the deadline passed while signing: nothing was sent, so it may expire
        age_ns = self._clock.now_ns() - state.routed_at_ns
        if signed is None or age_ns > age_ns_max:
            said = f"the route was not signed before it was {age_ns_max / 1e6:g} ms old"
            return await self._fail(state, "STALE_ROUTE", said, fence)
        state = await self._journal.record(
            state,
            Submitted,
            fence=fence,
            signed=signed,
            attempt=step.attempt,
            signature=signed.signature,
            last_valid_height=signed.last_valid_height,
            amount_in_max=amount_in_max,
            amount_out_min=amount_out_min,
            network_fee=signed.network_fee,
        )
        await self._send(signed)
        return state

    async def _send(self, signed: Signed) -> None:
        with anyio.move_on_after(self._policy.resend_ns / 1e9):
            try:
                await self._settlement.send(signed)
            except (Unavailable, Rejected):
                return  # the bytes may have arrived all the same: only the outcome tells

    async def _settle(self, state: OrderState, submitted: Submitted, fence: int) -> OrderState:
        try:
            signed = await self._store.signed(state.order_id, submitted.signature)
        except UnknownOrder:
            latest = await self._journal.load(state.order_id)
            if latest.seq == state.seq:
                raise
            return latest  # another worker ended the order meanwhile, and its bytes are gone
        while True:
            try:
                outcome = await self._settlement.outcome(
                    signed, self._clock.now_ns() + self._policy.resend_ns
                )
            except Unavailable:
                await anyio.sleep(self._policy.resend_ns / 1e9)
                outcome = None
            if outcome is not None:
                break
            await self._send(signed)
        # A cancellation noted meanwhile makes the write below conflict: the log is read again, and
        # the outcome, which is known now, is met with that state.
        if isinstance(outcome, Landed):
            return await self._journal.record(
                state,
                Confirmed,
                fence=fence,
                attempt=submitted.attempt,
                signature=submitted.signature,
                slot=outcome.slot,
                landed_at_ns=outcome.landed_at_ns,
                amount_in=outcome.amount_in,
                amount_out=outcome.amount_out,
                fee_in=outcome.fee_in,
                fee_out=outcome.fee_out,
                network_fee=outcome.network_fee,
                reference_price_x64=outcome.reference_price_x64,
            )
        paid = outcome.network_fee if isinstance(outcome, Reverted) else 0
        return await self._fail(state, outcome.code, outcome.reason, fence, paid)

    async def _fail(
        self, state: OrderState, code: str, reason: str, fence: int, network_fee: int = 0
    ) -> OrderState:
        """End the attempt: another one follows, or the order has failed."""
        now_ns = self._clock.now_ns()
        if state.cancel_requested or self._left_ns(state.order) == 0:
            wait_ns: int | None = 0  # nothing is out: the next step cancels or expires the order
        else:
            wait_ns = checked_wait(state, code, self._policy.retry)
        if wait_ns is None:
            return await self._journal.record(
                state,
                Failed,
                fence=fence,
                code=code,
                reason=reason,
                network_fee=network_fee,
                reference_price_x64=self._price(state.order),
            )
        return await self._journal.record(
            state,
            AttemptFailed,
            fence=fence,
            attempt=state.attempts + 1,
            code=code,
            reason=reason,
            retry_at_ns=now_ns + wait_ns,
            network_fee=network_fee,
        )

    def _left_ns(self, order: Order) -> int | None:
        """Return the time to the order's deadline, 0 from then on, None if it has none."""
        if order.deadline_ns is None:
            return None
        return max(order.deadline_ns - self._clock.now_ns(), 0)

    async def _sleep_until(self, until_ns: int) -> None:
        await anyio.sleep(max(until_ns - self._clock.now_ns(), 0) / 1e9)

    def _price(self, order: Order) -> int:
        return self._prices.reference_price_x64(order.sell, order.buy)
