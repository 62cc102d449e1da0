"""Race cancellations against all else, as FIX's order state matrices do, at every interleaving.

The cases are those of "Order State Change Matrices", appendix D of the FIX protocol, by their
numbers in version 4.2. A swap is filled whole or not at all and cannot be changed, so the cases of
partial fills and of replacing have no counterpart. FIX answers a cancellation with "pending
cancel", then "cancelled" or "reject: too late". Here the answer is the order's state: ``cancelled``
at once, or ``cancel_requested`` while a transaction is out, or the end that it came too late for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import anyio
import pytest
from msgspec import Struct
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import DuplicateOrder, KeyReused, NoRoute, UnknownOrder
from orderengine.execution.ports import IdempotencyKey
from orderengine.model.events import Status
from orderengine.model.lifecycle import OrderState, fold
from orderengine.model.order import Declined, Priority
from tests.execution.fakes import (
    MS,
    ORDER,
    PRICE_X64,
    ROUTE_BEST,
    SECOND,
    START_NS,
    Cluster,
    Desk,
    Fate,
    Point,
    Script,
    ScriptedVenue,
)

Deed = Callable[[Desk], Awaitable[None]]

LANDS = Script(Fate.LANDS, after_ns=SECOND)
REVERTS = Script(Fate.REVERTS, after_ns=SECOND)
LAPSES = Script(Fate.LAPSES)
SELDOM = replace(ROUTE_BEST, resend_ns=25 * SECOND)
"""Few sendings make few places to stop at."""
KEY = IdempotencyKey(user=ORDER.user, key="k", request_sha256="body")


class Race(Struct):
    """Hold one run: what the order had come to when something was done, and what followed."""

    desk: Desk
    before: list[str]
    """The types of the events that were stored then."""
    answer: OrderState
    end: OrderState

    @property
    def was_out(self) -> bool:
        """Whether a transaction could land when the user asked."""
        return self.before[-1] == "submitted"

    @property
    def was_over(self) -> bool:
        """Whether the order had ended when the user asked."""
        return self.before[-1] in {"confirmed", "failed"}


def _desk(*scripts: Script) -> Desk:
    venue = ScriptedVenue("raydium", latency_ns=100 * MS)
    return Desk(venue, cluster=Cluster(*scripts, sign_ns=50 * MS), policy=SELDOM)


def _stand_everywhere(desk: Desk, point: Point) -> None:
    """Have this awaited before and after everything that the executor waits for."""
    desk.store.point = desk.cluster.point = point
    for venue in desk.venues:
        assert isinstance(venue, ScriptedVenue)
        venue.point = point


async def _nothing() -> None:
    return


async def _execute(desk: Desk, deeds: dict[int, Deed]) -> int:
    """Execute the order, do each deed at its place, then all whose place never came."""
    passed = 0
    is_busy = False

    async def point() -> None:
        nonlocal passed, is_busy
        if is_busy:
            return  # a deed reads and writes too
        passed += 1
        if passed in deeds:
            is_busy = True
            await deeds.pop(passed)(desk)
            is_busy = False

    if not desk.log():
        await desk.journal.open(ORDER, PRICE_X64)
    _stand_everywhere(desk, point)
    await desk.execute()
    _stand_everywhere(desk, _nothing)
    for deed in deeds.values():
        await deed(desk)
    return passed


def _cancelled_everywhere(*scripts: Script) -> Iterator[Race]:
    """Cancel at every place of an order's life, and once after it, in a run of its own each."""
    for k in count(1):
        desk = _desk(*scripts)
        before: list[str] = []
        answers: list[OrderState] = []

        async def cancel(
            desk: Desk, before: list[str] = before, answers: list[OrderState] = answers
        ) -> None:
            before += desk.tags()
            answers.append(await desk.engine.cancel(ORDER.order_id))

        passed = virtualtime.run(_execute, desk, {k: cancel})
        desk.require_sound()
        yield Race(desk, before, answers[0], desk.state())
        if passed < k:
            return


@pytest.mark.parametrize("script", [LANDS, REVERTS, LAPSES], ids=lambda script: script.fate)
def test_cancel_of_an_order_without_a_fill(script: Script) -> None:
    """D3: cancelled before anything was out. It wins at once, and nothing is ever sent."""
    races = [race for race in _cancelled_everywhere(script) if "submitted" not in race.before]
    assert len(races) >= 8
    for race in races:
        assert race.answer.status is Status.CANCELLED
        assert race.end == race.answer
        assert race.desk.cluster.sent == []
        assert race.desk.tags() == [*race.before, "cancelled"]


def test_cancel_too_late() -> None:
    """D5, D1: it was filled before the request came. The answer is the fill, and it stays."""
    races = [race for race in _cancelled_everywhere(LANDS) if race.was_over]
    assert races
    for race in races:
        assert race.answer.status is Status.CONFIRMED
        assert race.answer == race.end
        assert race.desk.tags() == race.before


def test_cancel_while_the_transaction_is_out_and_lands() -> None:
    """D5: the fill passes the request on its way. It is noted, promised nothing, and the fill wins.

    What is out cannot be called back, so to answer "cancelled" would be a lie.
    """
    races = [race for race in _cancelled_everywhere(LANDS) if race.was_out]
    assert len(races) >= 4
    for race in races:
        assert race.answer.status is Status.SUBMITTED
        assert race.answer.cancel_requested
        assert race.end.status is Status.CONFIRMED
        assert race.desk.tags() == [*race.before, "cancel_requested", "confirmed"]


@pytest.mark.parametrize("script", [REVERTS, LAPSES], ids=lambda script: script.fate)
def test_cancel_while_the_transaction_is_out_and_does_not_land(script: Script) -> None:
    """D3 with "pending cancel": once it is proven that nothing can land, the order is cancelled."""
    races = [race for race in _cancelled_everywhere(script, LANDS) if race.was_out]
    first = [race for race in races if race.before.count("submitted") == 1]
    assert len(first) >= 4
    for race in first:
        assert race.answer.cancel_requested
        tail = ["cancel_requested", "attempt_failed", "cancelled"]
        assert race.desk.tags() == [*race.before, *tail]
        assert len(race.desk.cluster.signed) == 1, "another attempt was begun"


def test_cancel_between_two_attempts() -> None:
    """D3: one transaction is proven dead and the next is not out: it is cancelled at once."""
    races = [
        race
        for race in _cancelled_everywhere(LAPSES, LANDS)
        if "attempt_failed" in race.before and not race.was_out and not race.was_over
    ]
    assert len(races) >= 4
    for race in races:
        assert race.answer.status is Status.CANCELLED
        assert race.desk.cluster.landed == []


def test_cancel_of_an_order_that_was_rejected() -> None:
    """D5 of a failure: no transaction landed and none will; the answer is ``failed``."""
    races = [race for race in _cancelled_everywhere(REVERTS) if race.was_over]
    assert races
    for race in races:
        assert race.answer.status is Status.FAILED
        assert race.answer == race.end


@pytest.mark.parametrize("script", [LANDS, LAPSES], ids=lambda script: script.fate)
def test_second_cancel_while_the_first_is_pending_or_done(script: Script) -> None:
    """D16, D17: sent again at any later place. It is no error and writes nothing.

    FIX lets a broker refuse the second one. A client whose connection broke must be able to ask
    again, so it gets the state: that of the first answer, or the end that has come since.
    """
    places = virtualtime.run(_execute, _desk(script, LANDS), {})
    for first in range(1, places + 1):
        for second in range(first, places + 2):
            desk = _desk(script, LANDS)
            answers: list[OrderState] = []

            async def cancel(desk: Desk, answers: list[OrderState] = answers) -> None:
                answers.append(await desk.engine.cancel(ORDER.order_id))

            async def twice(desk: Desk, cancel: Deed = cancel) -> None:
                await cancel(desk)
                await cancel(desk)

            deeds = {first: twice} if first == second else {first: cancel, second: cancel}
            virtualtime.run(_execute, desk, deeds)
            desk.require_sound()
            tags = desk.tags()
            assert tags.count("cancelled") <= 1
            assert tags.count("cancel_requested") <= 1
            assert answers[0].is_terminal or answers[0].cancel_requested
            if first == second or answers[0].is_terminal:
                assert answers[1] == answers[0]
            assert answers[1].seq >= answers[0].seq
            assert answers[1].is_terminal or answers[1].cancel_requested


def test_cancel_of_an_unknown_order() -> None:
    """A cancel reject, "unknown order": it says so and makes no order."""
    desk = _desk()

    async def main() -> None:
        with pytest.raises(UnknownOrder, match="o-9"):
            await desk.engine.cancel("o-9")

    virtualtime.run(main)
    assert desk.store.logs == []


def test_cancel_crosses_the_acceptance() -> None:
    """D3 before the acknowledgement: unknown before the order is stored, cancelled after it.

    Nothing is kept for an order to come. Who sent it is told that it was accepted all the same, for
    it was, and its wake-up finds it over.
    """
    answers: list[Status | None] = []
    for k in count(1):
        desk = _desk()
        passed = 0

        async def main(desk: Desk = desk, k: int = k) -> OrderState:
            async def point() -> None:
                nonlocal passed
                passed += 1
                if passed == k:
                    _stand_everywhere(desk, _nothing)
                    await cancel(desk)

            _stand_everywhere(desk, point)
            put = desk.queue.put

            async def put_later(priority: Priority, order_id: str) -> None:
                await point()
                await put(priority, order_id)

            desk.queue.put = put_later  # type: ignore[method-assign]  # one more place to stop at
            create = desk.store.create

            async def create_later(*arguments: object) -> str:
                await point()
                return await create(*arguments)  # type: ignore[arg-type]  # as it was called

            desk.store.create = create_later  # type: ignore[method-assign,assignment]  # same
            state = await desk.engine.submit(ORDER)
            async with anyio.create_task_group() as group:
                group.start_soon(desk.workers.run)
                await anyio.sleep(10)
                await desk.workers.drain(grace_s=0)
            return state

        async def cancel(desk: Desk) -> None:
            try:
                answers.append((await desk.engine.cancel(ORDER.order_id)).status)
            except UnknownOrder:
                answers.append(None)

        told = virtualtime.run(main)
        assert (told.status, told.seq) == (Status.PENDING, 1)
        if passed < k:
            break
        if answers[-1] is None:
            assert desk.tags()[-1] == "confirmed"
        if answers[-1] is Status.CANCELLED:
            assert desk.tags()[-1] == "cancelled"
        desk.require_sound()
    assert answers[:2] == [None, Status.CANCELLED]


def test_duplicate_order_id() -> None:
    """D22: refused at every place of the first one's life, and the first goes on as it was."""
    places = virtualtime.run(_execute, _desk(LANDS), {})
    for k in range(1, places + 2):
        desk = _desk(LANDS)

        async def submit_again(desk: Desk) -> None:
            for order in (ORDER, replace(ORDER, amount=5)):
                with pytest.raises(DuplicateOrder):
                    await desk.engine.submit(order)

        virtualtime.run(_execute, desk, {k: submit_again})
        assert desk.state().order == ORDER
        assert desk.state().status is Status.CONFIRMED
        assert len(desk.store.logs) == 1
        desk.require_sound()


def test_same_client_id_with_the_same_contents() -> None:
    """D31, a possible resend: at every place the state of the first is told; there is one order."""
    for k in count(1):
        desk = _desk(LANDS)
        told: list[OrderState] = []

        async def main(desk: Desk = desk, told: list[OrderState] = told, k: int = k) -> int:
            async def resend(desk: Desk) -> None:
                again = replace(ORDER, order_id="o-2")
                told.append(await desk.engine.submit(again, KEY))
                assert told[-1] == desk.state()

            await desk.engine.submit(ORDER, KEY)
            return await _execute(desk, {k: resend})

        passed = virtualtime.run(main)
        assert [state.order_id for state in told] == [ORDER.order_id]
        assert [log[0].order_id for log in desk.store.logs] == [ORDER.order_id]
        if passed < k:
            return


def test_same_client_id_with_other_contents() -> None:
    """D22 by the client's own id: refused, whatever became of the first, and nothing is stored."""
    desk = _desk(LANDS)
    other = replace(KEY, request_sha256="another body")

    async def main() -> None:
        await desk.engine.submit(ORDER, KEY)
        for _ in range(2):
            with pytest.raises(KeyReused):
                await desk.engine.submit(replace(ORDER, order_id="o-2", amount=5), other)
            await desk.engine.cancel(ORDER.order_id)
        theirs = replace(ORDER, order_id="o-3", user="another")
        made = await desk.engine.submit(theirs, replace(other, user="another"))
        assert made.order_id == "o-3"

    virtualtime.run(main)
    assert [log[0].order_id for log in desk.store.logs] == [ORDER.order_id, "o-3"]


def test_status_of_an_unknown_order() -> None:
    """D24: the request is rejected; asking makes no order."""
    desk = _desk()

    async def main() -> None:
        with pytest.raises(UnknownOrder, match="o-9"):
            await desk.engine.status("o-9")

    virtualtime.run(main)
    assert desk.store.logs == []


def test_status_at_every_place_of_a_life() -> None:
    """D26: asked again and again. Each answer is what is stored then, and none goes back."""
    desk = _desk(LAPSES, LANDS)
    told: list[OrderState] = []

    async def ask(desk: Desk) -> None:
        state = await desk.engine.status(ORDER.order_id)
        assert state == fold(desk.log())
        told.append(state)

    places = virtualtime.run(_execute, _desk(LAPSES, LANDS), {})
    virtualtime.run(_execute, desk, dict.fromkeys(range(1, places + 2), ask))
    assert len(told) == places + 1
    assert [state.seq for state in told] == sorted(state.seq for state in told)
    assert (told[0].status, told[-1].status) == (Status.PENDING, Status.CONFIRMED)


def _due(desk: Desk, at_s: float) -> str:
    """Have an order ready whose deadline is then."""
    order = replace(ORDER, deadline_ns=START_NS + round(at_s * SECOND))
    desk.deadlines.watch(order)
    virtualtime.run(desk.journal.open, order, PRICE_X64)
    return order.order_id


def test_expired_while_the_cancel_is_on_its_way() -> None:
    """D3 for an order that is good until a time: whichever is written first is the answer."""
    ends: list[Status] = []
    for k in count(1):
        desk = _desk()
        order_id, passed = _due(desk, 1), 0

        async def main(desk: Desk = desk, order_id: str = order_id, k: int = k) -> OrderState:
            async def linger() -> None:
                nonlocal passed
                passed += 1
                if passed == k:
                    desk.store.point = _nothing
                    await anyio.sleep(2)

            async with anyio.create_task_group() as group:
                group.start_soon(desk.deadlines.run)
                desk.store.point = linger
                answer = await desk.engine.cancel(order_id)
                await anyio.sleep(5)
                group.cancel_scope.cancel()
            return answer

        answer = virtualtime.run(main)
        assert answer == desk.state()
        ends.append(answer.status)
        desk.require_sound()
        if passed < k:
            break
    assert set(ends) == {Status.EXPIRED, Status.CANCELLED}


@pytest.mark.parametrize("is_deadline_first", [True, False])
def test_cancel_at_the_instant_of_the_deadline(is_deadline_first: bool) -> None:
    """Both are due in the same nanosecond: one end is written, and the answer is that end."""
    desk = _desk()
    order_id = _due(desk, 1)
    answers: list[OrderState] = []

    async def cancel() -> None:
        await desk.clock.sleep_until(START_NS + SECOND)
        answers.append(await desk.engine.cancel(order_id))

    async def main() -> None:
        tasks = [desk.deadlines.run, cancel]
        async with anyio.create_task_group() as group:
            for task in tasks if is_deadline_first else reversed(tasks):
                group.start_soon(task)
            await anyio.sleep(3)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert answers == [desk.state()]
    assert desk.state().status in (Status.EXPIRED, Status.CANCELLED)
    assert len(desk.log()) == 2
    assert desk.log()[-1].at_ns == START_NS + SECOND


@pytest.mark.parametrize(
    ("script", "end"), [(LANDS, Status.CONFIRMED), (LAPSES, Status.CANCELLED)], ids=["lands", "not"]
)
def test_cancel_and_deadline_while_the_transaction_is_out(script: Script, end: Status) -> None:
    """Neither ends the order: what becomes of the transaction does, and the wish came first."""
    desk = _desk(script)

    async def main() -> None:
        order = replace(ORDER, deadline_ns=START_NS + SECOND)
        desk.deadlines.watch(order)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.deadlines.run)
            group.start_soon(desk.execute, order)
            await anyio.sleep(0.5)
            answer = await desk.engine.cancel(ORDER.order_id)
            assert (answer.status, answer.cancel_requested) == (Status.SUBMITTED, True)
            await anyio.sleep(1)
            late = await desk.engine.cancel(ORDER.order_id)
            assert late == answer or late.status is Status.CONFIRMED
            await anyio.sleep(100)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert desk.state().status is end
    desk.require_sound()


def test_an_order_that_cannot_be_filled_is_rejected() -> None:
    """D32, fill or kill: no venue takes all of it, so it ends without a fill, and says why."""
    declined = Declined(venue="raydium", pool="p", code="TOO_LARGE", reason="more than it holds")
    desk = Desk(ScriptedVenue("raydium", (declined,)))

    async def main() -> None:
        end = await desk.execute()
        assert end.status is Status.FAILED
        assert end.outcome is not None
        assert getattr(end.outcome, "code", "") == NoRoute.code
        assert await desk.engine.cancel(ORDER.order_id) == end

    virtualtime.run(main)
    assert desk.cluster.signed == []
    assert "routed" not in desk.tags()
