"""Be the chain that wishes the engine ill, and the only one to know the fate of a signature.

A block comes every slot. What nodes show of a block may still be undone: a transaction may be seen
and vanish, to land later or never. A block is final ``FINAL_SLOTS`` later. A transaction can land
up to its last valid height, on any fork, so until that height is final it counts as live, whatever
anybody was told. The chain reports at once when a second live signature of one order is stored
(I6), or lands (I5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from orderengine import virtualtime
from orderengine.execution.ports import Landed, Outcome, Reverted, Signed, SwapPlan
from tests.chaos.virtual.items import Luck

__all__ = ["PRICE_X64", "SLOT_NS", "START_NS", "Chain", "Fates", "Transaction", "order_number"]

START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z, the true date at which a run starts."""
SLOT_NS = 100_000_000
FINAL_SLOTS = 4
VALID_SLOTS = 40
PRICE_X64 = 3 * 2**62
_FIRST_HEIGHT = 1_000
_KIND = Luck(order=-1, nth=0, kind="lands", lost=0, send_errors=0, slots=2)

Violate = Callable[[str, str, str], None]
"""Told the invariant, the order and what happened."""


def order_number(order_id: str) -> int:
    """Return which of the plan's orders an id was made for."""
    return int(order_id[1:].partition("-")[0])


class Fates(Protocol):
    """Tell the judge what the chain alone knows."""

    def stored(self, signed: Signed) -> None:
        """Take note that a signature may be out from now on."""

    def is_live(self, signature: str) -> bool:
        """Return whether it can still land, or has landed."""

    def fills(self, order_id: str) -> list[tuple[str, Landed]]:
        """Return the signatures of an order that landed, with what they moved."""


class Transaction:
    """Hold all that is true of one transaction."""

    __slots__ = ("forked", "lands_at", "luck", "plan", "sendings", "signed", "was_seen")

    def __init__(self, signed: Signed, plan: SwapPlan) -> None:
        self.signed = signed
        self.plan = plan
        self.luck = _KIND
        self.sendings = 0
        self.was_seen = False
        """Whether a sending arrived in time."""
        self.lands_at: int | None = None
        """The height of the block that holds it for good."""
        self.forked: tuple[int, int] | None = None
        """From which height on, and up to which, nodes show it on a fork that dies."""

    def status(self, height: int) -> str:
        """Return what a node shows that stands at a height."""
        if self.lands_at is not None and self.lands_at <= height:
            return "final" if self.lands_at <= height - FINAL_SLOTS else "seen"
        if self.forked is not None and self.forked[0] <= height < self.forked[1]:
            return "seen"
        return "unknown"


class Chain:
    """Take transactions, decide what becomes of them, and judge.

    Args:
        luck: what becomes of which transaction; one that is not named lands soon.
        violate: told what must not happen.
    """

    def __init__(self, luck: Mapping[tuple[int, int], Luck], violate: Violate) -> None:
        self._luck = luck
        self._violate = violate
        self._signed: dict[str, Transaction] = {}
        self._stored: dict[str, list[Transaction]] = {}
        """By order, in the order of storing."""
        self.struck: list[str] = []
        """What it did to transactions."""
        self.signings: dict[int, int] = {}
        """How often signing was tried for each of the plan's orders, but for the first time."""

    @property
    def height(self) -> int:
        """The height of the newest block."""
        return _FIRST_HEIGHT + virtualtime.now_ns() // SLOT_NS

    def sign(self, plan: SwapPlan, height: int) -> Signed:
        """Sign anew over the block of a height."""
        number, order_id = len(self._signed), plan.order.order_id
        signed = Signed(
            order_id=order_id,
            attempt=plan.attempt,
            signature=f"sig-{number}",
            payload=f"{order_id}/{number}/{plan.amount_out_min}".encode(),
            last_valid_height=height + VALID_SLOTS,
            network_fee=5_000,
        )
        self._signed[signed.signature] = Transaction(signed, plan)
        return signed

    def stored(self, signed: Signed) -> None:
        """Judge: from now on the signature may be out."""
        transaction = self._signed[signed.signature]
        mine = self._stored.setdefault(signed.order_id, [])
        for other in mine:
            if self.is_live(other.signed.signature):
                said = f"{signed.signature} is stored while {other.signed.signature} can land"
                self._violate("I6", signed.order_id, said)
        nth = len(mine)
        transaction.luck = self._luck.get((order_number(signed.order_id), nth), _KIND)
        mine.append(transaction)

    def is_live(self, signature: str) -> bool:
        """Return whether it can still land, or has landed."""
        transaction, final = self._signed[signature], self.height - FINAL_SLOTS
        if transaction.lands_at is not None:
            return transaction.luck.kind != "reverts" or final < transaction.lands_at
        return final <= transaction.signed.last_valid_height

    def receive(self, signed: Signed) -> bool:
        """Take bytes from a node; return whether it answers with an error."""
        transaction = self._signed[signed.signature]
        if all(transaction is not other for other in self._stored.get(signed.order_id, ())):
            self._violate("I20", signed.order_id, f"{signed.signature} is sent but not stored")
        if signed != transaction.signed:
            self._violate("I20", signed.order_id, f"{signed.signature} is sent with other bytes")
        transaction.sendings += 1
        luck, height = transaction.luck, self.height
        if luck.order >= 0 and transaction.sendings == 1:
            self.struck.append(f"chain: {luck.kind}")
        is_heard = transaction.sendings > luck.lost and height <= signed.last_valid_height
        if is_heard and not transaction.was_seen:
            transaction.was_seen = True
            self._decide(transaction, height)
        return transaction.sendings <= luck.send_errors

    def _decide(self, transaction: Transaction, height: int) -> None:
        luck, last = transaction.luck, transaction.signed.last_valid_height
        if luck.kind in ("fork", "vanishes"):
            transaction.forked = (height + 1, height + 2 + luck.slots)
        if luck.kind in ("never", "vanishes"):
            return
        lands_at = {"last": last, "fork": height + 2 + 2 * luck.slots}.get(
            luck.kind, height + 1 + luck.slots
        )
        if lands_at > last:
            return
        transaction.lands_at = lands_at
        if luck.kind == "reverts":
            return
        order_id = transaction.signed.order_id
        if len(self.fills(order_id)) > 1:
            self._violate("I5", order_id, f"{transaction.signed.signature} lands beside another")

    def outcome(self, signature: str) -> Outcome:
        """Return the fate of one that has landed for good."""
        transaction = self._signed[signature]
        fee = transaction.signed.network_fee
        if transaction.luck.kind == "reverts":
            return Reverted(code="SLIPPAGE", reason="it would pay too little", network_fee=fee)
        return self._landed(transaction)

    def _landed(self, transaction: Transaction) -> Landed:
        plan, lands_at = transaction.plan, transaction.lands_at
        assert lands_at is not None
        number = int(transaction.signed.signature.partition("-")[2])
        return Landed(
            slot=lands_at,
            landed_at_ns=START_NS + (lands_at - _FIRST_HEIGHT) * SLOT_NS,
            amount_in=plan.route.amount_in,
            amount_out=plan.amount_out_min + number,
            fee_in=7,
            fee_out=0,
            network_fee=transaction.signed.network_fee,
            reference_price_x64=PRICE_X64,
        )

    def fills(self, order_id: str) -> list[tuple[str, Landed]]:
        """Return the signatures of an order that land, with what they move."""
        return [
            (transaction.signed.signature, self._landed(transaction))
            for transaction in self._stored.get(order_id, ())
            if transaction.lands_at is not None and transaction.luck.kind != "reverts"
        ]

    def show(self, signature: str, height: int) -> str:
        """Return what a node that stands at a height shows of a signature."""
        return self._signed[signature].status(height)

    @property
    def valid_until_ns(self) -> int:
        """The virtual time at which no stored signature can land any more."""
        heights = [
            transaction.signed.last_valid_height
            for mine in self._stored.values()
            for transaction in mine
        ]
        return (max(heights, default=0) + FINAL_SLOTS + 1 - _FIRST_HEIGHT) * SLOT_NS
