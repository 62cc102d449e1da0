"""Check the queue of one sequence: its disciplines, its bound, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidAmount, QueueFull
from orderengine.execution.ordered_queue import DISCIPLINES, OrderedQueue
from orderengine.model.order import Order, Priority
from tests.execution.conftest import Run
from tests.execution.fakes import soon

drawn_orders = st.lists(
    st.tuples(st.sampled_from(Priority), st.none() | st.integers(1, 9), st.integers(1, 5)),
    max_size=30,
)


def orders_of(drawn: list[tuple[Priority, int | None, int]]) -> dict[str, Order]:
    """Return orders numbered as they come."""
    return {
        f"{number}": Order(
            order_id=f"{number}",
            sell="SOL",
            buy="USDC",
            amount=amount,
            priority=priority,
            deadline_ns=deadline_ns,
        )
        for number, (priority, deadline_ns, amount) in enumerate(drawn)
    }


def queue_of(
    orders: dict[str, Order],
    discipline: str | Callable[[Order], Any] = "fifo",
    capacity: int = 100,
) -> OrderedQueue:
    """Return an empty queue that knows these orders."""
    function = DISCIPLINES[discipline] if isinstance(discipline, str) else discipline
    last = discipline == "lifo"
    return OrderedQueue(function, orders.__getitem__, capacity=capacity, is_last_first=last)


EXPECTED: dict[str, Callable[[Order], tuple[float, ...]]] = {
    "fifo": lambda order: (int(order.order_id),),
    "lifo": lambda order: (-int(order.order_id),),
    "priority": lambda order: (list(Priority).index(order.priority), int(order.order_id)),
    "edf": lambda order: (
        order.deadline_ns is None,
        order.deadline_ns or 0,
        int(order.order_id),
    ),
}


@pytest.mark.parametrize("name", DISCIPLINES)
@given(drawn=drawn_orders)
def test_orders_leave_as_the_discipline_says(
    run: Run, name: str, drawn: list[tuple[Priority, int | None, int]]
) -> None:
    """Whatever came in, what comes out is sorted, ties in the order of coming; none is lost."""
    orders = orders_of(drawn)

    async def main() -> list[str | None]:
        queue = queue_of(orders, name)
        for order_id, order in orders.items():
            await queue.put(order.priority, order_id)
        return [await queue.get() for _ in orders]

    expected = sorted(orders.values(), key=EXPECTED[name])
    assert run(main) == [order.order_id for order in expected]


@given(drawn=drawn_orders, keys=st.lists(st.integers(-3, 3), min_size=30, max_size=30))
def test_a_function_gives_the_sequence(
    run: Run, drawn: list[tuple[Priority, int | None, int]], keys: list[int]
) -> None:
    """A user's key may be a number or a tuple; equal keys keep the order of coming."""
    orders = orders_of(drawn)

    def by_size(order: Order) -> tuple[int, int]:
        return (-order.amount, keys[int(order.order_id)])

    async def main() -> list[str | None]:
        queue = queue_of(orders, by_size)
        for order_id, order in orders.items():
            await queue.put(order.priority, order_id)
        return [await queue.get() for _ in orders]

    expected = sorted(orders.values(), key=by_size)  # stable
    assert run(main) == [order.order_id for order in expected]


def test_whoever_comes_later_may_go_first(run: Run) -> None:
    """What is taken is the least of what waits then, not of all that ever come."""
    orders = orders_of([(Priority.NORMAL, at, 1) for at in (5, 9, 1)])

    async def main() -> list[str | None]:
        queue = queue_of(orders, "edf")
        await queue.put(Priority.NORMAL, "0")
        await queue.put(Priority.NORMAL, "1")
        first = await queue.get()
        await queue.put(Priority.NORMAL, "2")
        return [first, await queue.get(), await queue.get()]

    assert run(main) == ["0", "2", "1"]


def test_the_bound_is_of_all_together(run: Run) -> None:
    """A full queue refuses each priority; writers wait for room, and come through in turn."""
    orders = orders_of([(Priority.URGENT, None, 1), *[(Priority.BULK, None, 1)] * 3])

    async def main() -> list[str | None]:
        queue = queue_of(orders, capacity=2)
        for order_id in ("0", "1"):
            queue.require_room(Priority.BULK)
            await queue.put(Priority.BULK, order_id)
        with pytest.raises(QueueFull):
            queue.require_room(Priority.URGENT)
        async with anyio.create_task_group() as group:
            for order_id in ("2", "3"):
                group.start_soon(queue.put, Priority.BULK, order_id)
            await soon()
            assert queue.depth() == 2
            taken = [await queue.get() for _ in range(2)]
        return [*taken, await queue.get(), await queue.get()]

    assert run(main) == ["0", "1", "2", "3"]


def test_an_id_that_waits_is_not_added_again(run: Run) -> None:
    """And its second wake-up takes no room."""
    orders = orders_of([(Priority.NORMAL, None, 1)] * 2)

    async def main() -> int:
        queue = queue_of(orders, capacity=2)
        for order_id in ("0", "0", "0", "1"):
            await queue.put(Priority.NORMAL, order_id)
        return queue.depth()

    assert run(main) == 2


def test_closing_wakes_everybody(run: Run) -> None:
    """Readers get None, writers return, and later ids are dropped."""
    orders = orders_of([(Priority.NORMAL, None, 1)] * 3)

    async def main() -> tuple[list[str | None], int]:
        empty, full = queue_of(orders), queue_of(orders, capacity=1)
        await full.put(Priority.NORMAL, "0")
        got: list[str | None] = []

        async def get() -> None:
            got.append(await empty.get())

        async with anyio.create_task_group() as group:
            group.start_soon(get)
            group.start_soon(get)
            group.start_soon(full.put, Priority.NORMAL, "1")
            group.start_soon(full.put, Priority.NORMAL, "2")
            await soon()
            empty.close()
            full.close()
            full.close()
        await empty.put(Priority.NORMAL, "0")
        got.append(await full.get())
        return got, empty.depth() + full.depth()

    assert run(main) == ([None, None, None], 1)


@pytest.mark.parametrize("key", [None, "urgent", float("nan"), (1, "a")], ids=str)
def test_a_key_that_cannot_be_sorted_is_refused(run: Run, key: object) -> None:
    """A mistake in a user's function is named, before the heap is wrong."""
    orders = orders_of([(Priority.NORMAL, None, 1)])

    async def main() -> None:
        with pytest.raises(InvalidAmount, match="discipline's key"):
            await queue_of(orders, lambda order: key).put(Priority.NORMAL, "0")

    run(main)
