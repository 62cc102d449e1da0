"""Hold the simulated world's state and move it from slot to slot.

Time moves only in ``advance``: whoever looks at the world brings it to the present first, so no
task has to tick. At the start of each slot that has a block, in this order: the outside price
moves, the others trade (``traders``), then the transactions that land in this slot execute, highest
compute-unit price first, earlier sent first among equals. Which slots have a block, and who gets
into it, is for ``chain.production`` to say.

Assumptions: a block takes effect at its slot's start; a landed transaction is final.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from msgspec import Struct

from orderengine.errors import InvalidAmount, Rejected, WrongPair
from orderengine.market.chain.production import BlockProduction, Pending, pending_of
from orderengine.market.chain.slots import slots_of
from orderengine.market.config import MarketConfig
from orderengine.market.draws import Draws, key_of
from orderengine.market.fields import duration_ns
from orderengine.market.ledger import Ledger
from orderengine.market.outcomes import ends_of, tried
from orderengine.market.prices import PricePath
from orderengine.market.traders.floor import TREASURY
from orderengine.market.traders.others import Others
from orderengine.market.traders.sandwich import Attack
from orderengine.market.transactions import Settled, Transaction, decode_transaction
from orderengine.model.amounts import U64_MAX
from orderengine.model.order import Mode, Order
from orderengine.pools import Direction, Pool, Swap, tokens_of
from orderengine.pools.fixed_point import Q64

__all__ = ["Execution", "Vanished", "World"]

_FEES_LAMPORTS = 10_000_000
"""0.01 SOL an order: the fees of a hundred attempts at 100,000 lamports."""
_BIDS_LAMPORTS = 1_000_000_000
"""1 SOL an order where space is limited: thirty attempts at the highest bid of a recorded block."""

_VANISHED_MAX = 100_000


class Execution(Struct, frozen=True, kw_only=True, gc=False):
    """Hold what became of a transaction that landed; ``code`` is empty if it succeeded."""

    slot: int
    height: int
    landed_at_ns: int
    reference_price_x64: int
    """The outside price in its slot, for a seller of what was sold."""
    code: str = ""
    reason: str = ""
    amount_in: int = 0
    amount_out: int = 0
    fee_in: int = 0
    fee_out: int = 0


class Vanished(Struct, frozen=True, gc=False):
    """Hold an execution that was seen in a block and is gone with it."""

    signature: str
    execution: Execution


class World:
    """Hold pools, prices, accounts and pending transactions.

    Orders trade one pair; pools of other pairs may connect its two tokens by way of others.

    Args:
        config: the description.
        seed: what all of the world's draws derive from.
        pools: the opened pools.
        path: the outside price.
        start_ns: the instant at which slot 0 begins, nanoseconds since the Unix epoch.
        constant_prices_x64: the outside price of each token besides the pair's two, in the quote
            token, Q64.64. Assumption: it never moves.
        first_slot: the slot in which the world opens; block heights count as if none before it had
            been skipped.
        has_faucet: whether users are given what their transactions need as these land, in place of
            being funded before.
    """

    def __init__(  # noqa: PLR0913  (made in two places)
        self,
        config: MarketConfig,
        seed: int,
        pools: Sequence[Pool],
        path: PricePath,
        start_ns: int,
        *,
        constant_prices_x64: Mapping[str, int] | None = None,
        first_slot: int = 0,
        has_faucet: bool = False,
    ) -> None:
        self.base = config.base
        self.quote = config.quote
        self.start_ns = start_ns
        self.slot_ns = duration_ns("slot", config.slot)
        self.slot = self.height = first_slot
        jitter, draws = config.slot_jitter, Draws(seed, "slot/length")
        self._slots = slots_of(start_ns, self.slot_ns, jitter, draws, first_slot)
        self._next_slot_ns = self._slots.start_ns(first_slot + 1)
        self.pools: dict[str, Pool] = {pool.address: pool for pool in pools}
        self.ledger = Ledger()
        self.executions: dict[str, Execution] = {}
        self.production = BlockProduction(config, seed)
        self.vanished: deque[Vanished] = deque(maxlen=_VANISHED_MAX)
        """What was seen to execute in blocks that were left behind, the latest last."""
        self._path = path
        opens_ns = self.slot_start_ns(first_slot)
        self._others = Others(config, seed, path, pools, first_slot, opens_ns)
        self.price_x64 = path.price_x64(first_slot, opens_ns)
        self._others.observe(first_slot, opens_ns, self.price_x64)
        self._constant_x64 = {self.quote: Q64, **(constant_prices_x64 or {})}
        self._has_faucet = has_faucet
        self._fees_lamports = _BIDS_LAMPORTS if config.blocks.limits else _FEES_LAMPORTS
        self._fail_rate = config.landing.fail_rate
        self._draw_fail = Draws(seed, "landing/fail")
        self._due: dict[int, list[Pending]] = {}
        """By slot, in the order of sending."""
        for pool in pools:
            self.ledger.issue_to_pool(pool)
        for trader in self._others.accounts:
            for name in (self.base, *self._constant_x64):
                self.ledger.issue(trader, name, TREASURY)

    @property
    def attacks(self) -> Mapping[str, Attack]:
        """What the sandwich attacker did, by its victim's signature."""
        return self._others.attacker.attacks if self._others.attacker else {}

    def slot_start_ns(self, slot: int) -> int:
        """Return the instant at which a slot begins."""
        return self._slots.start_ns(slot)

    def slot_at(self, now_ns: int) -> int:
        """Return the slot that holds an instant."""
        return self._slots.at(now_ns)

    def advance(self, now_ns: int) -> None:
        """Bring the world to an instant; does nothing if it is there already."""
        while now_ns >= self._next_slot_ns:
            self._next_slot()

    def deliver(self, signature: str, signed: bytes, slot: int) -> None:
        """Let a transaction reach the leader of a later slot."""
        entry = pending_of(signature, decode_transaction(signed), self.pools)
        self._due.setdefault(max(slot, self.slot + 1), []).append(entry)

    def land(self, signature: str, signed: bytes, now_ns: int) -> None:
        """Let a transaction execute at once, outside of any slot's order."""
        self._land(signature, decode_transaction(signed), now_ns, now_ns // 1_000_000_000)

    def forget(self, before_slot: int) -> None:
        """Drop executions of earlier slots; ask it only where no copy of them can land any more."""
        while self.executions:
            signature = next(iter(self.executions))
            if self.executions[signature].slot >= before_slot:
                return
            del self.executions[signature]
            self._forget_attack(signature)

    def _forget_attack(self, signature: str) -> None:
        if self._others.attacker:
            self._others.attacker.attacks.pop(signature, None)

    def fund(self, order: Order) -> None:
        """Give the user what the order may cost, and lamports for every attempt's fee.

        An order that fixes its output may cost twice its worth at the outside price.
        """
        needed = order.amount
        if order.mode is Mode.EXACT_OUT:
            worth = order.amount * self.reference_price_x64(order.buy, order.sell)
            needed = 2 * worth // 2**64 + 1
        self.ledger.issue(order.user, order.sell, needed)
        if "SOL" in (order.sell, order.buy):
            self.ledger.issue(order.user, "SOL", self._fees_lamports)

    def is_expired(self, last_valid_height: int) -> bool:
        """Return whether a transaction with this limit can land no more."""
        return self.height > last_valid_height

    def expiry_slot(self, last_valid_height: int) -> int:
        """Return the first slot at which the limit can be passed, if no more slots are skipped."""
        return self.slot + max(last_valid_height - self.height + 1, 0)

    def recent_unit_price(self, percentile: int) -> int:
        """Return what recent blocks were paid: a percentile, micro-lamports a compute unit.

        0 where others want no block space. ``chain.fee_view`` has the rule.
        """
        return self.production.fees.unit_price(percentile)

    def _next_slot(self) -> None:
        self.slot += 1
        now_ns = self._next_slot_ns
        self._next_slot_ns += self._slots.length_ns(self.slot)
        self.price_x64 = self._path.price_x64(self.slot, now_ns)
        self._others.observe(self.slot, now_ns, self.price_x64)
        production = self.production
        production.congestion.step(self.slot)
        due: Sequence[Pending] = self._due.pop(self.slot, ())
        if production.skips(self.slot):
            self._defer(due)
            return
        if production.loses(self.slot):
            self._lose_block(due, now_ns)
            return
        self.height += 1
        now_s = now_ns // 1_000_000_000
        claims = self._others.open_block(self, now_s)
        for claim, signature, transaction in self._chosen(due):
            if claims:
                self._others.act(self, claims, -claim, now_s)
            self._land(signature, transaction, now_ns, now_s)
        if claims:
            self._others.act(self, claims, -1, now_s)

    def _defer(self, pending: Sequence[Pending]) -> None:
        """Let transactions wait for the next slot, before those that reach its leader later."""
        if pending:
            self._due[self.slot + 1] = [*pending, *self._due.get(self.slot + 1, ())]

    def _chosen(self, due: Sequence[Pending]) -> list[Pending]:
        """Return the present block's transactions in their order; the others wait."""
        block, waiting = self.production.choose(
            due, self.pools, slot=self.slot, height=self.height, executed=self.executions
        )
        self._defer(waiting)
        return block

    def _lose_block(self, due: Sequence[Pending], now_ns: int) -> None:
        """Build a block on what is then thrown away, and let its transactions land again or not.

        Of the block only our transactions execute: what others did in it is gone with it anyway.
        """
        pools, ledger = self.pools, self.ledger
        before = len(self.executions)
        self.height += 1
        block = self._chosen(due)
        self.pools, self.ledger = dict(pools), ledger.copy()
        for _, signature, transaction in block:
            self._land(signature, transaction, now_ns, now_ns // 1_000_000_000)
        self.pools, self.ledger = pools, ledger
        self.height -= 1
        seen = [self.executions.popitem() for _ in range(len(self.executions) - before)]
        for signature, _ in seen:
            self._forget_attack(signature)
        self.vanished.extend([Vanished(name, execution) for name, execution in reversed(seen)])
        self._defer([entry for entry in block if self.production.relands(entry, self.slot)])

    def worth_x64(self, name: str) -> int:
        """Return the outside price of a token in the quote token, Q64.64."""
        return self.price_x64 if name == self.base else self._constant_x64[name]

    def trade(
        self, trader: str, pool: Pool, direction: Direction, amount_in: int, now_s: int
    ) -> None:
        """Swap on a pool, at most u64; nothing happens if the pool refuses."""
        try:
            swap = pool.swap_exact_in(direction, min(amount_in, U64_MAX), now_s)
        except (Rejected, InvalidAmount):
            return
        self.book(trader, pool, direction, swap)

    def book(self, trader: str, pool: Pool, direction: Direction, swap: Swap) -> None:
        """Keep a swap that was computed on the present state of a pool."""
        sell, buy = tokens_of(pool, direction)
        self.ledger.swap(trader, sell, swap.amount_in, buy, swap.amount_out)
        self.pools[pool.address] = swap.pool

    def _land(self, signature: str, transaction: Transaction, now_ns: int, now_s: int) -> None:
        if signature in self.executions:
            return  # the network has seen these bytes: a second copy does nothing
        if self.height > transaction.last_valid_height:
            return
        user, fee = transaction.user, transaction.network_fee
        if self._has_faucet:
            self.ledger.issue(user, ends_of(transaction, self.pools)[0], transaction.amount_in_max)
            self.ledger.issue(user, "SOL", fee)
        if fee > 0 and self.ledger.balance(user, "SOL") < fee:
            return  # nobody to charge: the leader leaves it out, and it expires
        # Drawn by order and attempt: other bytes of the same attempt meet the same luck.
        if self._draw_fail.happens(self._fail_rate, key_of(transaction.memo or signature)):
            execution = Execution(
                slot=self.slot,
                height=self.height,
                landed_at_ns=now_ns,
                reference_price_x64=self.reference_price_x64(*ends_of(transaction, self.pools)),
                code="SIMULATED_FAILURE",
                reason="the simulated chain was told to fail some transactions",
            )
        else:
            attacker, attack = self._others.attacker, None
            if attacker:
                attack = attacker.before(self, signature, transaction, now_s)
            execution = self._execute(transaction, now_ns, now_s)
            if attacker and attack:
                attacker.after(self, attack)
        if transaction.tip and execution.code:
            return  # a bundle that would fail is left out, and costs nothing
        if fee > 0:
            self.ledger.pay(user, "validators", "SOL", fee)
        self.executions[signature] = execution

    def _execute(self, transaction: Transaction, now_ns: int, now_s: int) -> Execution:
        """Execute the transaction whole, or not at all."""
        sell, buy = ends_of(transaction, self.pools)
        price_x64 = self.reference_price_x64(sell, buy)
        found = tried(transaction, self.pools, self.ledger, now_s)
        settled = found.settled
        if settled is None:
            return Execution(
                slot=self.slot,
                height=self.height,
                landed_at_ns=now_ns,
                reference_price_x64=price_x64,
                code=found.code,
                reason=found.reason,
            )
        self.pools.update(settled.pools)
        self.ledger.settle(transaction.user, settled.changes)
        return Execution(
            slot=self.slot,
            height=self.height,
            landed_at_ns=now_ns,
            reference_price_x64=price_x64,
            amount_in=-settled.changes[sell],
            amount_out=settled.changes[buy],
            fee_in=settled.fee_in,
            fee_out=settled.fee_out,
        )

    def trial(
        self, transaction: Transaction, pools: Mapping[str, Pool], now_s: int
    ) -> Settled | None:
        """Return what a transaction would do on these pools, None if it would revert."""
        return tried(transaction, pools, self.ledger, now_s).settled

    def reference_price_x64(self, sell: str, buy: str) -> int:
        """Return the outside price for a seller of ``sell``: buy units a sell unit, Q64.64.

        Raises:
            WrongPair: the world has no price of these two.
        """
        if sell == self.base and buy == self.quote:
            return self.price_x64
        if sell == self.quote and buy == self.base:
            return (1 << 128) // self.price_x64
        raise WrongPair("this market", f"{self.base}/{self.quote}", sell, buy)

    def require_conserved(self) -> dict[str, int]:
        """Return each token's supply, after checking that all of it is there to the unit."""
        return self.ledger.require_conserved(self.pools.values())
