"""Check what an order may be, how many may be open, and what a repeated request gets."""

from __future__ import annotations

import anyio
import pytest

from orderengine import virtualtime
from orderengine.errors import OrderTooLarge, QueueFull, TooManyOpenOrders, Unavailable
from orderengine.execution.ports import IdempotencyKey
from orderengine.model.api_key import Role
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Mode, Order
from orderengine.service.access.admission import Admission, OpenOrders
from orderengine.service.access.identity import Identity
from tests.service.access.fakes import VirtualClock

ALICE = Identity(user="alice", key_id="k1", role=Role.USER)


class _Book:
    """Take orders as an engine does, slowly, and count them as a database does."""

    def __init__(self, takes_s: float = 0.01, answers_s: float = 0.005) -> None:
        self.takes_s = takes_s
        self.answers_s = answers_s
        self.open: list[Order] = []
        self.by_key: dict[str, OrderState] = {}
        self.asked = 0
        self.is_away = False

    async def submit(self, order: Order, key: IdempotencyKey | None) -> OrderState:
        """Store an order; what is returned is not looked at."""
        await anyio.sleep(self.takes_s / 2)
        self.open.append(order)
        await anyio.sleep(self.takes_s / 2)
        state: OrderState = order  # type: ignore[assignment]
        if key is not None:
            self.by_key[key.key] = state
        return state

    async def answered(self, key: IdempotencyKey) -> OrderState | None:
        """Return what a key made."""
        return self.by_key.get(key.key)

    async def count(self, user: str) -> int:
        """Return how many orders of a user are open."""
        self.asked += 1
        if self.is_away:
            raise Unavailable("the database is away")
        found = sum(order.user == user for order in self.open)
        await anyio.sleep(self.answers_s)
        return found


def admitting(
    book: _Book, *, user_max: int = 10, order_max: dict[str, int] | None = None, held: int = 0
) -> Admission:
    """Return what stands before a book."""
    clock = VirtualClock()
    counted = OpenOrders(
        clock, user_max=user_max, total_max=100, of_user=book.count, of_all=lambda: held
    )
    return Admission(book, counted, order_max or {})  # type: ignore[arg-type]


def order(
    number: int = 0, user: str = "alice", amount: int = 1, mode: Mode = Mode.EXACT_IN
) -> Order:
    """Return an order."""
    return Order(order_id=f"o{number}", sell="SOL", buy="USDC", amount=amount, mode=mode, user=user)


@pytest.mark.parametrize("answers_s", [0.0, 0.005, 0.4])
def test_one_process_never_exceeds_the_limit(answers_s: float) -> None:
    """However many ask at once, before anything was counted, and over many counts."""
    book, refused = _Book(answers_s=answers_s), 0
    admission = admitting(book)

    async def ask(number: int) -> None:
        nonlocal refused
        await anyio.sleep(number * 0.003)
        try:
            await admission.submit(ALICE, order(number), None)
        except TooManyOpenOrders:
            refused += 1
        assert len(book.open) <= 10

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(500):
                group.start_soon(ask, number // 5)

    virtualtime.run(main)
    assert (len(book.open), refused) == (10, 490)


def test_there_is_room_again_soon_after_orders_have_ended() -> None:
    """A count by which somebody is refused is asked for anew after 50 ms."""
    book = _Book()
    admission = admitting(book)

    async def main() -> None:
        for number in range(10):
            await admission.submit(ALICE, order(number), None)
        with pytest.raises(TooManyOpenOrders):
            await admission.submit(ALICE, order(11), None)
        book.open.clear()
        await anyio.sleep(0.051)
        await admission.submit(ALICE, order(12), None)

    virtualtime.run(main)


def test_the_database_is_asked_seldom() -> None:
    """Every half second while there is room."""
    book = _Book(takes_s=0.0)
    admission = admitting(book, user_max=10_000)

    async def main() -> None:
        for number in range(1_000):
            await admission.submit(ALICE, order(number), None)
            await anyio.sleep(0.001)

    virtualtime.run(main)
    assert book.asked <= 3


def test_users_do_not_take_room_from_one_another() -> None:
    """One that is full lets another in."""
    book = _Book()
    admission = admitting(book, user_max=1)
    bob = Identity(user="bob", key_id="k2", role=Role.USER)

    async def main() -> None:
        await admission.submit(ALICE, order(1), None)
        with pytest.raises(TooManyOpenOrders):
            await admission.submit(ALICE, order(2), None)
        await admission.submit(bob, order(3, user="bob"), None)

    virtualtime.run(main)


def test_who_cannot_be_counted_is_told_to_come_again() -> None:
    """Nothing is accepted on trust."""
    book = _Book()
    book.is_away = True

    async def main() -> None:
        with pytest.raises(Unavailable):
            await admitting(book).submit(ALICE, order(), None)

    virtualtime.run(main)
    assert not book.open


def test_the_whole_service_has_a_limit_too() -> None:
    """Whoever asks."""
    book = _Book()

    async def main() -> None:
        await admitting(book, held=99).submit(ALICE, order(1), None)
        with pytest.raises(QueueFull):
            await admitting(book, held=100).submit(ALICE, order(2), None)

    virtualtime.run(main)


def test_a_repeated_request_gets_its_answer_at_the_limit() -> None:
    """Under the same key; another one does not."""
    book = _Book()
    keys = [IdempotencyKey(user="alice", key=name, request_sha256="") for name in ("a", "b")]

    async def main() -> None:
        first = await admitting(book, user_max=1).submit(ALICE, order(1), keys[0])
        for full in (
            admitting(book, user_max=1),
            admitting(book, held=100),
            admitting(book, order_max={"USDC": 1}),
        ):
            assert await full.submit(ALICE, order(2), keys[0]) is first
            with pytest.raises((TooManyOpenOrders, QueueFull, OrderTooLarge)):
                await full.submit(ALICE, order(2), keys[1])

    virtualtime.run(main)
    assert len(book.open) == 1


@pytest.mark.parametrize(
    ("limits", "own", "asked", "mode", "most"),
    [
        ({}, None, 2**64 - 1, Mode.EXACT_IN, None),
        ({"SOL": 5}, None, 5, Mode.EXACT_IN, None),
        ({"SOL": 5}, None, 6, Mode.EXACT_IN, 5),
        ({"USDC": 5}, None, 1, Mode.EXACT_IN, 0),
        ({"USDC": 5}, None, 5, Mode.EXACT_OUT, None),
        ({"USDC": 5}, None, 6, Mode.EXACT_OUT, 5),
        ({"SOL": 5}, None, 1, Mode.EXACT_OUT, 0),
        ({"SOL": 5}, {"SOL": 7}, 7, Mode.EXACT_IN, None),
        ({"SOL": 5}, {"SOL": 3}, 4, Mode.EXACT_IN, 3),
        ({"SOL": 5}, {"USDC": 9}, 1, Mode.EXACT_IN, 0),
        ({}, {"SOL": 3}, 4, Mode.EXACT_IN, 3),
    ],
)
def test_an_order_is_as_large_as_is_allowed(
    limits: dict[str, int], own: dict[str, int] | None, asked: int, mode: Mode, most: int | None
) -> None:
    """By the key's own limits or the service's; a token that is not listed has none."""
    identity = Identity(user="alice", key_id="k1", role=Role.USER, order_max=own)
    admission = admitting(_Book(), order_max=limits)

    async def main() -> None:
        asking = order(amount=asked, mode=mode)
        if most is None:
            await admission.submit(identity, asking, None)
            return
        with pytest.raises(OrderTooLarge) as raised:
            await admission.submit(identity, asking, None)
        assert (raised.value.amount, raised.value.limit) == (asked, most)

    virtualtime.run(main)
