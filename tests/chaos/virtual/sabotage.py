"""Break the engine in known ways, so that it can be shown that the judge notices.

Each sabotage is a mistake that somebody could make, put over the code for a while. ``SABOTAGES``
says which invariants it breaks; finding one of them is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import anyio
from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import Rejected, SequenceConflict, Unavailable
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.engine import Engine
from orderengine.execution.journal import Journal
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.ports import (
    IdempotencyKey,
    Landed,
    Lapsed,
    Lease,
    Signed,
    SwapPlan,
)
from orderengine.execution.punctual import PunctualSettlement
from orderengine.execution.reconciler import Reconciler
from orderengine.market.world import World
from orderengine.model.events import Accepted, Cancelled, Event, Expired, Status
from orderengine.model.lifecycle import TRANSITIONS, OrderState, apply
from orderengine.model.order import Order
from orderengine.service.clock import WallClock
from orderengine.service.live import RecordedSettlement
from tests.chaos.virtual.adapters import NodeSettlement
from tests.chaos.virtual.chain import FINAL_SLOTS, START_NS, Chain
from tests.chaos.virtual.host import MachineTime
from tests.chaos.virtual.store import SharedStore

__all__ = ["SABOTAGES", "Sabotage"]

_DEAD = Lapsed(code="GUESSED", reason="nobody knows")
_LANDED = Landed(
    slot=0,
    landed_at_ns=START_NS,
    amount_in=1,
    amount_out=1,
    fee_in=0,
    fee_out=0,
    network_fee=0,
    reference_price_x64=1,
)


class Sabotage(Struct, frozen=True):
    """Hold a mistake: what is put in whose place, and what that breaks."""

    over: tuple[tuple[Any, str, Any], ...]
    breaks: frozenset[str]
    transitions: Mapping[tuple[Status | None, str], Status] = {}
    """What the table must allow for the mistake to get that far."""

    @contextmanager
    def done(self) -> Iterator[None]:
        """Make the mistake for a while."""
        _refused.clear()
        with ExitStack() as stack:
            for owner, name, instead in self.over:
                stack.enter_context(patch.object(owner, name, instead))
            stack.enter_context(patch.dict(TRANSITIONS, self.transitions))
            yield


_append, _create, _claim = (
    MemoryEventStore.append,
    MemoryEventStore.create,
    MemoryEventStore.claim,
)
_outcome, _send = PunctualSettlement.outcome, PunctualSettlement.send
_submit, _sign, _follow = Engine.submit, PunctualSettlement.sign, Journal.follow
_cancel, _signed, _fate = Engine.cancel, MemoryEventStore.signed, NodeSettlement._fate
_land, _paid, _load = World._land, Chain._landed, Journal.load
_refused: set[str] = set()


async def _no_fence(
    self: MemoryEventStore, event: Event, *, fence: int | None = None, signed: Signed | None = None
) -> None:
    del fence
    await _append(self, event, signed=signed)


async def _no_seq(
    self: MemoryEventStore, event: Event, *, fence: int | None = None, signed: Signed | None = None
) -> None:
    entry = self._entry(event.order_id)
    await _append(self, replace(event, seq=len(entry.log) + 1), fence=fence, signed=signed)
    entry.log[-1] = event


async def _after_the_end(
    self: MemoryEventStore, event: Event, *, fence: int | None = None, signed: Signed | None = None
) -> None:
    entry = self._entry(event.order_id)
    if not entry.log[-1].status.is_terminal:
        await _append(self, event, fence=fence, signed=signed)
    elif event.seq != len(entry.log) + 1:
        entry.log.append(replace(event, seq=len(entry.log) + 1))


async def _resign_early(self: PunctualSettlement, signed: Signed, until_ns: int) -> Any:
    return await _outcome(self, signed, until_ns) or _DEAD


async def _note_send_error(self: PunctualSettlement, signed: Signed, until_ns: int) -> None:
    try:
        await _send(self, signed, until_ns)
    except (Unavailable, Rejected):
        _refused.add(signed.signature)


async def _trust_send_error(self: PunctualSettlement, signed: Signed, until_ns: int) -> Any:
    if signed.signature in _refused:
        _refused.discard(signed.signature)
        return _DEAD
    return await _outcome(self, signed, until_ns)


async def _send_first(self: PunctualSettlement, plan: SwapPlan, until_ns: int) -> Signed | None:
    signed = await _sign(self, plan, until_ns)
    if signed is not None:
        await _send(self, signed, until_ns)
    return signed


def _trust_seen(self: NodeSettlement, signed: Signed, height: int) -> Any:
    if self._chain.show(signed.signature, height) == "seen" and _is_fork(self._chain, signed):
        return replace(_LANDED, slot=height)
    return _fate(self, signed, height)


def _is_fork(chain: Chain, signed: Signed) -> bool:
    return chain._signed[signed.signature].forked is not None


def _two_nodes(self: NodeSettlement, signed: Signed, height: int) -> Any:
    """Ask one node for the height and another one, which may lag, for the signature."""
    shown = self._chain.show(signed.signature, height)
    if shown == "unknown" and self._chain.height - FINAL_SLOTS > signed.last_valid_height:
        return _DEAD
    return _fate(self, signed, height)


def _not_yet_final(self: NodeSettlement, signed: Signed, height: int) -> Any:
    """Count the last valid height in blocks that may still be undone, and one too few."""
    shown = self._chain.show(signed.signature, height)
    if shown == "unknown" and height >= signed.last_valid_height:
        return _DEAD
    return _fate(self, signed, height)


async def _cancel_at_once(self: Engine, order_id: str) -> Any:
    while True:
        state = await self._journal.load(order_id)
        if state.is_terminal:
            return state
        event = Cancelled(
            order_id=order_id,
            seq=state.seq + 1,
            at_ns=self._clock.now_ns(),
            reference_price_x64=1,
        )
        try:
            return await self._journal.record(state, event)
        except SequenceConflict:
            continue


async def _say_cancelled(self: Engine, order_id: str) -> Any:
    """Answer before it is known who wrote first."""
    state = await self._journal.load(order_id)
    if state.is_terminal or state.submitted is not None:
        return await _cancel(self, order_id)
    event = Cancelled(
        order_id=order_id, seq=state.seq + 1, at_ns=self._clock.now_ns(), reference_price_x64=1
    )
    try:
        return await self._journal.record(state, event)
    except SequenceConflict:
        return apply(state, event)


async def _expire_at_once(self: Deadlines, order_id: str) -> None:
    while True:
        try:
            state = await self._journal.load(order_id)
            if state.is_terminal:
                return
            event = Expired(
                order_id=order_id,
                seq=state.seq + 1,
                at_ns=self._clock.now_ns(),
                reference_price_x64=1,
            )
            await self._journal.record(state, event)
        except SequenceConflict:
            continue


async def _accept_unstored(
    self: Engine, order: Order, key: IdempotencyKey | None = None
) -> OrderState:
    """Wake a worker first, and answer whether or not the order could be stored."""
    await self._queue.put(order.priority, order.order_id)
    try:
        return await _submit(self, order, key)
    except Unavailable:
        accepted = Accepted(
            order_id=order.order_id,
            seq=1,
            at_ns=self._clock.now_ns(),
            order=order,
            reference_price_x64=1,
        )
        return apply(None, accepted)


async def _forget_key(
    self: MemoryEventStore, accepted: Accepted, key: IdempotencyKey | None = None
) -> str:
    del key
    return await _create(self, accepted)


async def _any_body(self: MemoryEventStore, key: IdempotencyKey) -> str | None:
    made = self._keys.get((key.user, key.key))
    return None if made is None else made[1]


async def _key_of_anybody(self: MemoryEventStore, key: IdempotencyKey) -> str | None:
    for (_, name), made in self._keys.items():
        if name == key.key:
            return made[1]
    return None


async def _claim_all(self: MemoryEventStore, order_id: str, worker: str) -> Lease | None:
    self._entry(order_id).leased_until_ns = 0
    return await _claim(self, order_id, worker)


async def _find_nothing(self: Reconciler) -> None:
    del self


async def _sleep_through(self: Deadlines) -> None:
    del self
    await anyio.sleep_forever()


def _follow_after(self: Journal, order_id: str, from_seq: int = 1) -> Any:
    return _follow(self, order_id, from_seq + 1 if from_seq > 1 else 1)


def _follow_again(self: Journal, order_id: str, from_seq: int = 1) -> Any:
    return _follow(self, order_id, from_seq - 1)


async def _load_without(self: Journal, order_id: str) -> OrderState:
    """Read an order as if it had no deadline."""
    state = await _load(self, order_id)
    return replace(state, order=replace(state.order, deadline_ns=None))


def _wall(self: WallClock) -> int:
    del self
    return MachineTime.time_ns()


async def _last_word(self: SharedStore, signature: str, order_id: str, body: bytes) -> bytes:
    self.record[signature] = (order_id, body)
    return body


async def _unrecorded(self: RecordedSettlement, signed: Signed, until_ns: int) -> Any:
    return await self._inner.outcome(signed, until_ns)


def _twice(self: World, signature: str, transaction: Any, now_ns: int, now_s: int) -> None:
    """Pay the trader once more than the pool does."""
    _land(self, signature, transaction, now_ns, now_s)
    execution = self.executions[signature]
    if not execution.code:
        self.ledger.settle(transaction.user, {"USDC": execution.amount_out})


async def _other_bytes(self: MemoryEventStore, order_id: str, signature: str) -> Signed:
    signed = await _signed(self, order_id, signature)
    return replace(signed, payload=signed.payload + b"!")


def _pays_less(self: Chain, transaction: Any) -> Any:
    return replace(_paid(self, transaction), amount_out=1)


def _over(*over: tuple[Any, str, Any]) -> tuple[tuple[Any, str, Any], ...]:
    return over


_END: dict[tuple[Status | None, str], Status] = {(Status.SUBMITTED, "cancelled"): Status.CANCELLED}
_EXPIRE: dict[tuple[Status | None, str], Status] = {(Status.SUBMITTED, "expired"): Status.EXPIRED}

SABOTAGES: dict[str, Sabotage] = {
    "the fence is not compared": Sabotage(
        _over((MemoryEventStore, "append", _no_fence)), frozenset({"I20"})
    ),
    "the number is not compared": Sabotage(
        _over((MemoryEventStore, "append", _no_seq)), frozenset({"I16", "I4", "own"})
    ),
    "an end can be followed": Sabotage(
        _over((MemoryEventStore, "append", _after_the_end)), frozenset({"I3", "I16", "own"})
    ),
    "leases are given twice": Sabotage(
        _over((MemoryEventStore, "claim", _claim_all)), frozenset({"I20"})
    ),
    "signed anew while nothing is known": Sabotage(
        _over((PunctualSettlement, "outcome", _resign_early)), frozenset({"I6", "I8"})
    ),
    "an error of sending is trusted": Sabotage(
        _over(
            (PunctualSettlement, "send", _note_send_error),
            (PunctualSettlement, "outcome", _trust_send_error),
        ),
        frozenset({"I6", "I8"}),
    ),
    "sent before it is stored": Sabotage(
        _over((PunctualSettlement, "sign", _send_first)), frozenset({"I20"})
    ),
    "other bytes are sent again": Sabotage(
        _over((MemoryEventStore, "signed", _other_bytes)), frozenset({"I20"})
    ),
    "a fork is believed": Sabotage(
        _over((NodeSettlement, "_fate", _trust_seen)), frozenset({"I7", "I9"})
    ),
    "height and status come from two nodes": Sabotage(
        _over((NodeSettlement, "_fate", _two_nodes)), frozenset({"I6", "I8", "I5", "I7"})
    ),
    "the last valid height is not final": Sabotage(
        _over((NodeSettlement, "_fate", _not_yet_final)), frozenset({"I6", "I8"})
    ),
    "cancelled with a signature out": Sabotage(
        _over((Engine, "cancel", _cancel_at_once)), frozenset({"I8"}), _END
    ),
    "cancelled without comparing": Sabotage(
        _over((Engine, "cancel", _say_cancelled)), frozenset({"I13"})
    ),
    "expired with a signature out": Sabotage(
        _over((Deadlines, "_expire", _expire_at_once)), frozenset({"I24"}), _EXPIRE
    ),
    "attempts begin after the deadline": Sabotage(
        _over((Journal, "load", _load_without), (Deadlines, "run", _sleep_through)),
        frozenset({"I24"}),
    ),
    "nobody watches deadlines": Sabotage(
        _over((Deadlines, "run", _sleep_through)), frozenset({"I24"})
    ),
    "dates follow the wall": Sabotage(_over((WallClock, "now_ns", _wall)), frozenset({"I24"})),
    "accepted though not stored": Sabotage(
        _over((Engine, "submit", _accept_unstored)), frozenset({"I1", "I14"})
    ),
    "keys are forgotten": Sabotage(
        _over((MemoryEventStore, "create", _forget_key)), frozenset({"I14"})
    ),
    "a key's request is not compared": Sabotage(
        _over((MemoryEventStore, "made_by", _any_body)), frozenset({"I14"})
    ),
    "keys cross users": Sabotage(
        _over((MemoryEventStore, "made_by", _key_of_anybody)), frozenset({"I14"})
    ),
    "lost wake-ups are not looked for": Sabotage(
        _over((Reconciler, "once", _find_nothing)), frozenset({"I2"})
    ),
    "readers resume too late": Sabotage(
        _over((Journal, "follow", _follow_after)), frozenset({"I17"})
    ),
    "readers resume too early": Sabotage(
        _over((Journal, "follow", _follow_again)), frozenset({"I17"})
    ),
    "the record's last word counts": Sabotage(
        _over((SharedStore, "record_execution", _last_word)), frozenset({"I5", "I6", "I7", "I9"})
    ),
    "fates are not recorded": Sabotage(
        _over((RecordedSettlement, "outcome", _unrecorded)), frozenset({"I6", "I7", "I8"})
    ),
    "a fill is booked twice": Sabotage(_over((World, "_land", _twice)), frozenset({"I9"})),
    "a fill is worse than signed": Sabotage(
        _over((Chain, "_landed", _pays_less)), frozenset({"I10"})
    ),
}
