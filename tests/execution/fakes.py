"""Stand in for the outside: scripted venues, a cluster that judges, a store that can be killed.

They implement the ports and keep books of what was asked of them. ``Cluster`` is the adversary: it
alone knows what becomes of a signature, and it raises ``AssertionError`` the moment a second
signature of an order is out while the first can still land.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct

from orderengine.errors import Unavailable
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.engine import Engine
from orderengine.execution.executor import Executor
from orderengine.execution.journal import Journal
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.policy import ExecutionPolicy, backoff
from orderengine.execution.ports import (
    Clock,
    Landed,
    Lapsed,
    Outcome,
    Reading,
    Reverted,
    Settlement,
    Signed,
    SwapPlan,
    Venue,
)
from orderengine.execution.punctual import PunctualSettlement, PunctualVenue
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.workers import Workers
from orderengine.model.events import Event, Submitted
from orderengine.model.lifecycle import OrderState, fold
from orderengine.model.order import Declined, Order, Quote
from orderengine.routing.choose import best
from tests.strategies import tag_of

MS = 1_000_000
SECOND = 1_000 * MS
START_NS = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
LEASE_NS = 3 * SECOND

ORDER = Order(order_id="o-1", sell="SOL", buy="USDC", amount=1_000_000_000, slippage_bps=100)
PRICE_X64 = 3 * 2**62

Point = Callable[[], Awaitable[None]]
"""A place where a test may stop the executor."""


async def _no_point() -> None:
    return


def elapsed_ns() -> int:
    """Return the time of anyio's clock, which is virtual time where that is running."""
    return round(anyio.current_time() * 1e9)


class VirtualClock:
    """Implement the ``Clock`` port: anyio's clock, from a known date on."""

    def now_ns(self) -> int:
        """Return the date."""
        return START_NS + elapsed_ns()

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until a date."""
        await anyio.sleep(max(at_ns - self.now_ns(), 0) / 1e9)


def next_event(state: OrderState, kind: type[Event], **fields: Any) -> Event:
    """Return the order's next event, of now."""
    return kind(order_id=state.order_id, seq=state.seq + 1, at_ns=VirtualClock().now_ns(), **fields)


class Prices:
    """Implement the ``PriceFeed`` port: one price for ever."""

    def reference_price_x64(self, sell: str, buy: str) -> int:
        """Return the price."""
        del sell, buy
        return PRICE_X64


Answer = Sequence[Quote | Declined] | Exception | Reading


class ScriptedVenue:
    """Implement the ``Venue`` port: answer each question from a script, after a wait.

    Args:
        name: the venue.
        answers: one an attempt, the last for all further ones; errors are raised.
        latency_ns: how long each answer takes.
    """

    def __init__(self, name: str, *answers: Answer, latency_ns: int = 0) -> None:
        self._name = name
        self._answers = answers or ((quote(name),),)
        self.latency_ns = latency_ns
        self.asked: list[int] = []
        self.point: Point = _no_point

    @property
    def name(self) -> str:
        """The venue."""
        return self._name

    @property
    def is_immediate(self) -> bool:
        """Whether it answers without waiting: each may be told to wait."""
        return False

    async def quote(self, order: Order, attempt: int, until_ns: int) -> Sequence[Quote | Declined]:
        """Answer as the script says, however late."""
        del order, until_ns
        answer = await self._answer(attempt)
        assert not isinstance(answer, Reading)
        return answer

    async def read(self, order: Order, attempt: int, until_ns: int) -> Reading:
        """Answer as the script says, however late."""
        del order, until_ns
        answer = await self._answer(attempt)
        assert isinstance(answer, Reading)
        return answer

    async def _answer(self, attempt: int) -> Sequence[Quote | Declined] | Reading:
        self.asked.append(attempt)
        await self.point()
        await anyio.sleep(self.latency_ns / 1e9)
        await self.point()
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def quote(venue: str, amount_out: int = 150_000_000) -> Quote:
    """Return a venue's quote for ``ORDER``."""
    return Quote(
        venue=venue,
        pool=f"{venue}-pool",
        amount_in=ORDER.amount,
        amount_out=amount_out,
        fee_in=7,
        network_cost=1,
        slot=9,
    )


class Fate(StrEnum):
    """Say what the cluster does with a signature."""

    LANDS = "lands"
    REVERTS = "reverts"
    LAPSES = "lapses"
    """It never lands, and that is proven at its last valid height."""


class Script(Struct, frozen=True):
    """Say what becomes of one signature, counted from when it is first sent."""

    fate: Fate = Fate.LANDS
    after_ns: int = 400 * MS
    """From the first sending that arrives to the end of it."""
    is_heard_after: int = 1
    """How many sendings it takes until one arrives; the earlier ones are lost."""
    send_errors: int = 0
    """How many sendings raise ``Unavailable``, whether or not they arrive."""
    outcome_errors: int = 0
    """How many questions for the outcome raise ``Unavailable`` first."""


VALID_NS = 60 * SECOND
"""How long a signature that nobody heard of stays able to land."""


class Cluster:
    """Implement the ``Settlement`` port, and judge.

    A signature is out from the moment that the store holds it (``announced``) until it landed or
    can land no more. What was signed but never stored nor sent does not count.
    """

    def __init__(
        self,
        *scripts: Script,
        sign_ns: int = 0,
        sign_errors: Sequence[Exception] = (),
        send_ns: int = 0,
    ) -> None:
        self._scripts = scripts or (Script(),)
        self._sign_ns = sign_ns
        self._sign_errors = list(sign_errors)
        self._send_ns = send_ns
        self.signed: list[Signed] = []
        self.sent: list[tuple[int, Signed]] = []
        self.ends_at_ns: dict[str, int] = {}
        self.script_of: dict[str, Script] = {}
        self.asked: dict[str, int] = {}
        self.valid_until_ns: dict[str, int] = {}
        self.landed: list[str] = []
        self.point: Point = _no_point

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed:
        """Sign anew, however late: the signature says how many there were before."""
        del until_ns
        await self.point()
        await anyio.sleep(self._sign_ns / 1e9)
        await self.point()
        if self._sign_errors:
            raise self._sign_errors.pop(0)
        number = len(self.signed)
        signed = Signed(
            order_id=plan.order.order_id,
            attempt=plan.attempt,
            signature=f"sig-{number}",
            payload=f"{plan.order.order_id}/{number}/{plan.amount_out_min}".encode(),
            last_valid_height=100 + number,
            network_fee=5_000,
        )
        self.signed.append(signed)
        return signed

    def announced(self, signature: str, order_id: str) -> None:
        """Judge: called when a signature is stored, from when it may be out."""
        now_ns = elapsed_ns()
        for other in self.valid_until_ns:
            if self._signed(other).order_id == order_id:
                assert other != signature, f"{signature} was stored twice"
                assert not self.is_live(other), f"{signature} stored while {other} can land"
        self.valid_until_ns[signature] = now_ns + VALID_NS
        self.script_of[signature] = self._scripts[
            min(len(self.valid_until_ns), len(self._scripts)) - 1
        ]

    def is_live(self, signature: str) -> bool:
        """Whether the signature can still land, or has landed."""
        if signature in self.ends_at_ns:
            lands = self.script_of[signature].fate is Fate.LANDS
            return lands or elapsed_ns() < self.ends_at_ns[signature]
        return elapsed_ns() < self.valid_until_ns[signature]

    def _signed(self, signature: str) -> Signed:
        return next(signed for signed in self.signed if signed.signature == signature)

    def sendings(self, signature: str) -> list[int]:
        """Return when the signature was sent."""
        return [at_ns for at_ns, signed in self.sent if signed.signature == signature]

    async def send(self, signed: Signed, until_ns: int) -> None:
        """Take the bytes, which must be stored and be those that were signed."""
        del until_ns
        await self.point()
        signature = signed.signature
        assert signature in self.valid_until_ns, f"{signature} was sent before it was stored"
        assert signed == self._signed(signature), "other bytes were sent than were signed"
        now_ns = elapsed_ns()
        self.sent.append((now_ns, signed))
        script, count = self.script_of[signature], len(self.sendings(signature))
        if (
            count >= script.is_heard_after
            and script.fate is not Fate.LAPSES
            and signature not in self.ends_at_ns
            and now_ns < self.valid_until_ns[signature]
        ):
            self.ends_at_ns[signature] = now_ns + script.after_ns
            if script.fate is Fate.LANDS:
                self.landed.append(signature)
        await anyio.sleep(self._send_ns / 1e9)
        await self.point()
        if count <= script.send_errors:
            raise Unavailable("the node did not answer")

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        """Wait for the end of the signature, or until the caller has had enough."""
        await self.point()
        signature = signed.signature
        script = self.script_of[signature]
        self.asked[signature] = self.asked.get(signature, 0) + 1
        if self.asked[signature] <= script.outcome_errors:
            raise Unavailable("the node did not answer")
        end_ns = self.ends_at_ns.get(signature, self.valid_until_ns[signature])
        wait_ns = min(end_ns, until_ns - START_NS) - elapsed_ns()
        await anyio.sleep(max(wait_ns, 0) / 1e9)
        await self.point()
        if elapsed_ns() < end_ns:
            return None
        if signature not in self.ends_at_ns:
            return Lapsed(code="BLOCKHASH_EXPIRED", reason="never landed")
        if script.fate is Fate.REVERTS:
            return Reverted(code="SLIPPAGE", reason="paid too little", network_fee=5_000)
        return landed(START_NS + end_ns)


def landed(at_ns: int) -> Landed:
    """Return a fill of ``ORDER``."""
    return Landed(
        slot=12,
        landed_at_ns=at_ns,
        amount_in=ORDER.amount,
        amount_out=149_000_000,
        fee_in=7,
        fee_out=0,
        network_fee=5_000,
        reference_price_x64=PRICE_X64,
    )


class WatchedStore(MemoryEventStore):
    """Be the store in memory, tell the cluster of signatures, and let a test stop at every step."""

    def __init__(self, clock: Clock, lease_ns: int | None, cluster: Cluster | None) -> None:
        super().__init__(clock, lease_ns)
        self._cluster = cluster
        self.point: Point = _no_point

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Append; a kill may come before it and after it."""
        await self.point()
        await super().append(event, fence=fence, signed=signed, after=after)
        if isinstance(event, Submitted) and self._cluster is not None:
            assert signed is not None, "submitted was stored without its bytes"
            assert signed.signature == event.signature
            self._cluster.announced(event.signature, event.order_id)
        await self.point()

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Return the log; a kill may come before it."""
        await self.point()
        return await super().events(order_id, from_seq)

    async def signed(self, order_id: str, signature: str) -> Signed:
        """Return the bytes; a kill may come before it."""
        await self.point()
        return await super().signed(order_id, signature)


ROUTE_BEST = ExecutionPolicy(router=best, retry=backoff(3, 200 * MS, 5 * SECOND))


class Desk:
    """Join everything that executes orders, over fakes, in virtual time."""

    def __init__(
        self,
        *venues: Venue,
        cluster: Cluster | None = None,
        settlement: Settlement | None = None,
        policy: ExecutionPolicy = ROUTE_BEST,
        lease_ns: int | None = LEASE_NS,
        capacity: int = 1_000,
        count: int = 2,
    ) -> None:
        self.clock = VirtualClock()
        self.cluster = cluster or Cluster()
        self.venues: tuple[Venue, ...] = venues or (ScriptedVenue("raydium"),)
        self.store = WatchedStore(
            self.clock, lease_ns, self.cluster if settlement is None else None
        )
        self.observed: list[Event] = []
        self.journal = Journal(self.store, self.clock, self.observed.append)
        self.queue = MemoryQueue(capacity)
        self.deadlines = Deadlines(journal=self.journal, clock=self.clock, prices=Prices())
        self.engine = self._engine()
        self.executor = Executor(
            clock=self.clock,
            venues=[PunctualVenue(venue, self.clock) for venue in self.venues],
            settlement=PunctualSettlement(settlement or self.cluster, self.clock),
            prices=Prices(),
            store=self.store,
            journal=self.journal,
            policy=policy,
        )
        self.count = count
        self.workers = self.hire("worker")

    def hire(self, name: str, **options: Any) -> Workers:
        """Return workers that have not begun."""
        return Workers(
            queue=self.queue,
            store=self.store,
            executor=self.executor,
            count=self.count,
            name=name,
            **options,
        )

    def reopen_queue(self) -> None:
        """Put a new, empty queue in the place of one that was closed, as a restart does."""
        self.queue = MemoryQueue(self.queue._capacity)
        self.engine = self._engine()

    def _engine(self) -> Engine:
        return Engine(
            clock=self.clock,
            journal=self.journal,
            queue=self.queue,
            prices=Prices(),
            deadlines=self.deadlines,
        )

    async def execute(self, order: Order = ORDER, worker: str = "w") -> OrderState:
        """Accept the order if it is new, claim it, and carry it to its end."""
        if not self.log(order.order_id):
            await self.journal.open(order, PRICE_X64)
        lease = await self.store.claim(order.order_id, worker)
        assert lease is not None
        return await self.executor.execute(order.order_id, worker, lease.fence)

    def log(self, order_id: str = ORDER.order_id) -> list[Event]:
        """Return the order's log, empty if there is none."""
        return next((log for log in self.store.logs if log[0].order_id == order_id), [])

    def tags(self, order_id: str = ORDER.order_id) -> list[str]:
        """Return the types of the order's events."""
        return [tag_of(type(event)) for event in self.log(order_id)]

    def state(self, order_id: str = ORDER.order_id) -> OrderState:
        """Return the fold of the order's log."""
        return fold(self.log(order_id))

    def require_sound(self, *, is_over: bool = True) -> None:
        """Check what must hold of every log, and between the logs and the cluster."""
        for log in self.store.logs:
            assert [event.seq for event in log] == list(range(1, len(log) + 1))
            ends = [event for event in log if event.status.is_terminal]
            assert len(ends) == 1 if is_over else len(ends) <= 1
            fold(log)
            assert [event.at_ns for event in log] == sorted(event.at_ns for event in log)
            mine = [
                signature
                for signature in self.cluster.landed
                if self.cluster._signed(signature).order_id == log[0].order_id
            ]
            assert len(mine) <= 1, "an order landed twice"
            if ends:
                confirmed = [tag_of(type(event)) for event in ends] == ["confirmed"]
                assert confirmed == bool(mine), "settled if and only if landed"


async def soon(moments: int = 5) -> None:
    """Let every task that can run have its turns."""
    for _ in range(moments):
        await checkpoint()
