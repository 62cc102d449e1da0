"""Draw what happens in one run: who places which orders, and everything that goes wrong.

A plan is a list of items. The world without them is a kind one: servers answer, transactions land.
So an item can be left out without changing what the others say, which is what shrinking needs.
Times are milliseconds from the start; all faults are over at ``HEALED_MS``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.model.order import Priority
from tests.chaos.virtual.items import (
    Again,
    Away,
    Cancel,
    Deliveries,
    Follow,
    Freeze,
    Item,
    Jump,
    Kill,
    Lag,
    LostAnswer,
    Luck,
    Mute,
    Pause,
    Place,
    SignError,
    Slow,
    Stop,
    VenueFault,
    Wipe,
)

__all__ = [
    "API_PLACES",
    "HEALED_MS",
    "RECORD_PLACES",
    "WORK_PLACES",
    "Dice",
    "Plan",
    "plan_of",
]

T = TypeVar("T")

HEALED_MS = 11_000
_STRUCK_MS = 7_000
"""Nothing new goes wrong after this."""

_STORE = ("create", "made_by", "append", "events", "claim", "renew", "release", "claimable")
_READS_STORE = ("signed", "due")
_CHAIN = ("venue.quote", "chain.sign", "chain.send", "chain.look")
_RECORD = ("store.execution", "store.record_execution")


def _both(places: Collection[str]) -> tuple[str, ...]:
    """Return both sides of awaits: before what is asked for is done, and after."""
    return tuple(place + side for place in places for side in "><")


API_PLACES = _both(
    ("store.create", "store.made_by", "store.append", "store.events", "store.due", "queue.put")
)
"""Where a process that answers requests waits for something outside."""
WORK_PLACES = (
    *_both((*(f"store.{name}" for name in (*_STORE[2:], *_READS_STORE)), *_CHAIN)),
    "queue.get<",
)
"""Where a process that executes orders does."""
RECORD_PLACES = _both(_RECORD)
"""Where one that trades in the simulated market does beside."""


class Plan(Struct, frozen=True):
    """Hold a world and what happens in it."""

    seed: int
    roles: tuple[str, ...]
    """A process each: ``api``, ``work`` or ``both``."""
    venues: int
    is_real: bool
    """Trade in the simulated market, with the chain's record in the store; else on the
    adversary's chain."""
    items: tuple[Item, ...]

    def kept(self, numbers: Collection[int]) -> Plan:
        """Return the plan with these items only; the others become nothing."""
        wanted = set(numbers)
        items = tuple(item for number, item in enumerate(self.items) if number in wanted)
        return Plan(self.seed, self.roles, self.venues, self.is_real, items)


class Dice:
    """Draw one number after another for one concern of a seed."""

    def __init__(self, seed: int, concern: str) -> None:
        self._draws = Draws(seed, concern)
        self._k = 0

    def below(self, limit: int) -> int:
        """Return an integer from 0 to below the limit."""
        self._k += 1
        return self._draws.u64(0, self._k) % limit

    def between(self, least: int, most: int) -> int:
        """Return an integer from the least to the most, inclusive."""
        return least + self.below(most - least + 1)

    def one_in(self, count: int) -> bool:
        """Return true once in so many."""
        return self.below(count) == 0

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of them; what stands there twice comes twice as often."""
        return choices[self.below(len(choices))]


_ROLES = (
    ("api", "work", "work"),
    ("api", "api", "work", "work"),
    ("api", "work", "work", "work"),
    ("both", "both"),
    ("both", "work"),
)
_FATES = ("lands", "lands", "last", "last", "reverts", "never", "never", "fork", "fork", "vanishes")
_SELDOM = ("store.release", "store.signed", "store.create", "store.made_by", "store.execution")
_LOST = ("done", "done", "undone", "late")


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    dice = Dice(seed, "chaos/plan")
    is_real = seed % 8 == 5
    roles = dice.pick(_ROLES)
    orders = dice.between(5, 12)
    items: list[Item] = []
    for order in range(orders):
        items += _life_of(dice, order)
    if not is_real:
        for order in range(orders):
            items += _luck_of(dice, order)
    if dice.one_in(10):
        # No process is disturbed, so that deadlines can be held to the moment.
        items.append(Pause(dice.below(3_000), dice.between(500, 4_000), ""))
    else:
        items += _strikes(dice, roles, is_real=is_real)
        items += _weather(dice, roles, is_real=is_real)
    return Plan(seed, roles, dice.between(1, 2), is_real, tuple(items))


def _life_of(dice: Dice, order: int) -> Iterator[Item]:
    """Yield what users do about one order."""
    at_ms = dice.between(10, 3_000)
    key = f"key-{dice.below(6)}" if dice.one_in(8) else f"key-{order}" if dice.below(3) else ""
    yield Place(
        order=order,
        at_ms=at_ms,
        priority=dice.pick(tuple(Priority)),
        user=f"user-{dice.below(2)}",
        key=key,
        due_ms=at_ms + dice.between(50, 6_000) if dice.one_in(3) else 0,
    )
    if key and dice.one_in(3):
        yield Again(order, at_ms + dice.below(2_000), dice.one_in(3))
    if dice.one_in(3):
        yield Cancel(order, at_ms + dice.pick((dice.below(60), dice.below(600), dice.below(4_000))))
    if dice.one_in(3):
        yield Follow(order, at_ms + dice.below(1_000), dice.between(1, 4))


def _luck_of(dice: Dice, order: int) -> Iterator[Item]:
    """Yield what the chain does with the transactions of one order."""
    for nth in range(3):
        if dice.below(5) < 3:
            yield Luck(
                order=order,
                nth=nth,
                kind=dice.pick(_FATES),
                lost=dice.pick((0, 0, 0, 1, 2)),
                send_errors=dice.pick((0, 0, 1, 2)),
                slots=dice.between(0, 20),
            )
    if dice.one_in(8):
        yield SignError(order, dice.below(2), dice.one_in(2))


def _place_at(dice: Dice, role: str, *, is_real: bool) -> str:
    if dice.one_in(8):
        return "any"
    if role == "api" or (role == "both" and dice.one_in(4)):
        return dice.pick(API_PLACES)
    if is_real and dice.one_in(3):
        return dice.pick(RECORD_PLACES)
    return dice.pick(WORK_PLACES)


def _nth_at(dice: Dice, place: str) -> int:
    """Return how often a place is passed before it is struck; some are passed seldom."""
    return 1 if place.startswith(_SELDOM) else dice.between(1, 5)


def _strikes(dice: Dice, roles: Sequence[str], *, is_real: bool) -> Iterator[Item]:
    """Yield what strikes processes at places."""
    for count, kind in ((dice.between(1, 6), "kill"), (dice.below(4), "freeze")):
        for _ in range(count):
            process = dice.below(len(roles))
            place = _place_at(dice, roles[process], is_real=is_real)
            nth, after_ms = _nth_at(dice, place), dice.below(5_000)
            if kind == "kill":
                yield Kill(process, place, nth, after_ms, dice.between(10, 2_500))
            else:
                yield Freeze(process, place, nth, after_ms, dice.between(300, 3_900))
    for _ in range(dice.below(7)):
        process = dice.below(len(roles))
        place = _place_at(dice, roles[process], is_real=is_real)
        if place.startswith("store."):
            nth, after_ms = _nth_at(dice, place), dice.below(5_000)
            yield LostAnswer(process, place[:-1], nth, after_ms, dice.pick(_LOST))


def _weather(dice: Dice, roles: Sequence[str], *, is_real: bool) -> Iterator[Item]:
    """Yield what lies over processes for a while."""
    count = len(roles)
    for _ in range(dice.below(8)):
        at_ms, for_ms = dice.below(_STRUCK_MS), dice.between(50, 3_500)
        match dice.below(13):
            case 0:
                yield Away(-1, at_ms, for_ms // 2)
            case 1:
                yield Away(dice.below(count), at_ms, for_ms)
            case 2:
                yield Slow(dice.below(count), at_ms, for_ms, dice.between(20, 700))
            case 3:
                yield Wipe(at_ms)
            case 4 | 5:
                yield Deliveries(at_ms, for_ms, dice.pick(("lost", "twice", "late")))
            case 6:
                yield Jump(dice.below(count), at_ms, for_ms, dice.between(-5_000, 5_000))
            case 11:
                process, grace_ms = dice.below(count), dice.pick((0, 200, 1_500))
                yield Stop(process, at_ms, grace_ms, dice.between(10, 1_500))
            case 12:
                yield Pause(at_ms, for_ms, dice.pick(("", "raydium")))
            case 7 | 8 if not is_real:
                yield Lag(dice.below(count), at_ms, for_ms, dice.between(1, 40))
            case 9 if not is_real:
                yield Mute(dice.below(count), at_ms, for_ms, dice.one_in(2))
            case 10 if not is_real:
                yield VenueFault(
                    dice.below(2), at_ms, for_ms, dice.pick(("errs", "refuses", "hangs"))
                )
