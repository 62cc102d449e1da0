"""Hold the simulated world's state and move it from slot to slot.

Time moves only in ``advance``: whoever looks at the world brings it to the present first, so no
task has to tick. At the start of each slot that has a block, in this order: the outside price
moves, other traders trade, the arbitrageur trades every pool back, then the transactions that land
in this slot execute, highest compute-unit price first, earlier sent first among equals.

Assumptions: a block takes effect at its slot's start; the arbitrageur is always first and never
short of tokens; a landed transaction is final. Compute limits, leaders and forks are not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import msgspec
from msgspec import Struct

from orderengine.errors import AmountOverflow, InvalidAmount, Rejected, WrongPair
from orderengine.market.config import MarketConfig
from orderengine.market.draws import Draws, key_of
from orderengine.market.fields import amount_of, duration_ns
from orderengine.market.ledger import Ledger
from orderengine.market.prices import PricePath
from orderengine.model.amounts import U64_MAX, format_amount
from orderengine.model.order import Mode, Order
from orderengine.pools import Direction, Pool, tokens_of

__all__ = ["Execution", "SwapLeg", "Transaction", "World", "encode_transaction", "require_room"]

_FEES_LAMPORTS = 10_000_000
"""0.01 SOL an order: the fees of a hundred attempts at 100,000 lamports."""

_TREASURY = 2**100
"""What the arbitrageur and the other traders each hold of a token: more than they can ever need,
for a trade takes at most 2^64 and no study has 2^36 of them."""


class SwapLeg(Struct, frozen=True, array_like=True, gc=False):
    """Swap on one pool: the fixed amount is the input of exact_in, the output of exact_out."""

    pool: str
    direction: Direction
    exact_in: bool
    amount: int


class Transaction(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Say what a signed transaction does; it executes whole or not at all.

    What is signed, stored and sent is bytes: ``encode_transaction``.
    """

    unit_price: int
    """Micro-lamports a compute unit: its claim to an early place in the block."""
    memo: str = ""
    """What the signer notes in it, so that two alike are not the same bytes."""
    user: str
    legs: tuple[SwapLeg, ...]
    """Parallel: all swap the same token for the same other one; amounts add up."""
    amount_in_max: int
    amount_out_min: int
    network_fee: int
    last_valid_height: int


class _Bid(Struct, frozen=True, array_like=True, gc=False):
    """Read the front of a transaction, without the rest."""

    unit_price: int


encode_transaction = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Transaction).decode
_decode_bid = msgspec.msgpack.Decoder(_Bid).decode
_first = itemgetter(0)


class Execution(Struct, frozen=True, kw_only=True, gc=False):
    """Hold what became of a transaction that landed; ``code`` is empty if it succeeded."""

    slot: int
    landed_at_ns: int
    reference_price_x64: int
    """The outside price in its slot, for a seller of what was sold."""
    code: str = ""
    reason: str = ""
    amount_in: int = 0
    amount_out: int = 0
    fee_in: int = 0
    fee_out: int = 0


def require_room(pool: Pool, direction: Direction, amount_in: int) -> None:
    """Refuse a swap after which a vault would hold more than a token account can.

    Raises:
        AmountOverflow: it would be above u64.
    """
    vault = pool.vault_a if direction is Direction.A_TO_B else pool.vault_b
    if vault + amount_in > U64_MAX:
        raise AmountOverflow(f"the vault of {pool.address}", vault + amount_in, 64)


class World:
    """Hold pools, price, accounts and pending transactions of one pair.

    Args:
        config: the description.
        seed: what all of the world's draws derive from.
        pools: the opened pools.
        path: the outside price.
        start_ns: the instant at which slot 0 begins, nanoseconds since the Unix epoch.
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
        first_slot: int = 0,
        has_faucet: bool = False,
    ) -> None:
        self.base = config.base
        self.quote = config.quote
        self.start_ns = start_ns
        self.slot_ns = duration_ns("slot", config.slot)
        self.slot = self.height = first_slot
        self._next_slot_ns = start_ns + (first_slot + 1) * self.slot_ns
        self.pools: dict[str, Pool] = {pool.address: pool for pool in pools}
        self.ledger = Ledger()
        self.executions: dict[str, Execution] = {}
        self._path = path
        self.price_x64 = path.price_x64(first_slot, self.slot_start_ns(first_slot))
        self._has_faucet = has_faucet
        self._fail_rate = config.landing.fail_rate
        self._draw_fail = Draws(seed, "landing/fail")
        self._arbitrage = config.arbitrage
        self._flow = config.flow
        self._flow_median = amount_of("flow.size_median", config.flow.size_median, config.base)
        self._skip_rate = config.skip_rate
        self._draw_skip = Draws(seed, "slot/skip")
        self._draw_flow_count = Draws(seed, "flow/count")
        self._draw_flow = Draws(seed, "flow")
        self._due: dict[int, list[tuple[int, str, bytes]]] = {}
        """By slot, in the order of sending: claim to an early place, signature, signed bytes."""
        for pool in pools:
            self.ledger.issue_to_pool(pool)
        for trader in ("arbitrageur", "flow"):
            for name in (self.base, self.quote):
                self.ledger.issue(trader, name, _TREASURY)

    def slot_start_ns(self, slot: int) -> int:
        """Return the instant at which a slot begins."""
        return self.start_ns + slot * self.slot_ns

    def slot_at(self, now_ns: int) -> int:
        """Return the slot that holds an instant."""
        return (now_ns - self.start_ns) // self.slot_ns

    def advance(self, now_ns: int) -> None:
        """Bring the world to an instant; does nothing if it is there already."""
        while now_ns >= self._next_slot_ns:
            self._next_slot()

    def deliver(self, signature: str, signed: bytes, slot: int) -> None:
        """Let a transaction reach the leader of a later slot."""
        entry = (-_decode_bid(signed).unit_price, signature, signed)
        self._due.setdefault(max(slot, self.slot + 1), []).append(entry)

    def land(self, signature: str, signed: bytes, now_ns: int) -> None:
        """Let a transaction execute at once, outside of any slot's order."""
        self._land(signature, _decode(signed), now_ns, now_ns // 1_000_000_000)

    def forget(self, before_slot: int) -> None:
        """Drop executions of earlier slots; ask it only where no copy of them can land any more."""
        while self.executions:
            signature = next(iter(self.executions))
            if self.executions[signature].slot >= before_slot:
                return
            del self.executions[signature]

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
            self.ledger.issue(order.user, "SOL", _FEES_LAMPORTS)

    def is_expired(self, last_valid_height: int) -> bool:
        """Return whether a transaction with this limit can land no more."""
        return self.height > last_valid_height

    def expiry_slot(self, last_valid_height: int) -> int:
        """Return the first slot at which the limit can be passed, if no more slots are skipped."""
        return self.slot + max(last_valid_height - self.height + 1, 0)

    def _next_slot(self) -> None:
        self.slot += 1
        now_ns = self._next_slot_ns
        self._next_slot_ns += self.slot_ns
        self.price_x64 = self._path.price_x64(self.slot, now_ns)
        due = self._due.pop(self.slot, ())
        if self._draw_skip.happens(self._skip_rate, self.slot):
            if due:
                self._due[self.slot + 1] = [*due, *self._due.get(self.slot + 1, ())]
            return
        self.height += 1
        now_s = now_ns // 1_000_000_000
        if self._flow.trades_per_slot > 0:
            self._trade_flow(now_s)
        if self._arbitrage:
            for pool in list(self.pools.values()):
                self._arbitrage_pool(pool, now_s)
        for _, signature, signed in sorted(due, key=_first):  # of equals the first sent first
            self._land(signature, _decode(signed), now_ns, now_s)

    def _trade_flow(self, now_s: int) -> None:
        draws, slot = self._draw_flow, self.slot
        addresses = list(self.pools)
        for index in range(self._draw_flow_count.poisson(self._flow.trades_per_slot, slot)):
            k = 3 * index
            pool = self.pools[addresses[draws.u64(slot, k) % len(addresses)]]
            size = max(
                round(draws.lognormal(self._flow_median, self._flow.size_sigma, slot, k + 1)), 1
            )
            sells_base = bool(draws.u64(slot, k + 2) & 1)
            amount = size if sells_base else max(size * self.price_x64 >> 64, 1)
            is_a_to_b = sells_base == (pool.token_a == self.base)
            direction = Direction.A_TO_B if is_a_to_b else Direction.B_TO_A
            self._trade("flow", pool, direction, amount, now_s)

    def _arbitrage_pool(self, pool: Pool, now_s: int) -> None:
        """Trade until the pool's price after its fee is no better than the outside price.

        Selling A to the pool pays while it gives more B for A than outside; selling B pays while it
        asks less B for A than outside. The base token may be either of the two.
        """
        price_x64 = self.price_x64
        if pool.token_a != self.base:
            price_x64 = (1 << 128) // price_x64
        for direction in (Direction.A_TO_B, Direction.B_TO_A):
            amount_in = pool.amount_in_to_price(direction, price_x64, now_s)
            if amount_in > 0:
                self._trade("arbitrageur", pool, direction, amount_in, now_s)
                return

    def _trade(
        self, trader: str, pool: Pool, direction: Direction, amount_in: int, now_s: int
    ) -> None:
        try:
            swap = pool.swap_exact_in(direction, min(amount_in, U64_MAX), now_s)
        except (Rejected, InvalidAmount):
            return
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
            self.ledger.issue(user, self._tokens_of(transaction)[0], transaction.amount_in_max)
            self.ledger.issue(user, "SOL", fee)
        if fee > 0 and self.ledger.balance(user, "SOL") < fee:
            return  # nobody to charge: the leader leaves it out, and it expires
        if self._draw_fail.happens(self._fail_rate, key_of(signature)):
            execution = Execution(
                slot=self.slot,
                landed_at_ns=now_ns,
                reference_price_x64=self.reference_price_x64(*self._tokens_of(transaction)),
                code="SIMULATED_FAILURE",
                reason="the simulated chain was told to fail some transactions",
            )
        else:
            execution = self._execute(transaction, now_ns, now_s)
        if fee > 0:
            self.ledger.pay(user, "validators", "SOL", fee)
        self.executions[signature] = execution

    def _execute(self, transaction: Transaction, now_ns: int, now_s: int) -> Execution:
        """Run the legs on copies of the pools' state; keep them only if the limits hold."""
        pools = self.pools
        after: dict[str, Pool] = {}
        amount_in = amount_out = fee_in = fee_out = 0
        code, reason = "", ""
        sell, buy = self._tokens_of(transaction)
        try:
            for leg in transaction.legs:
                pool = after.get(leg.pool) or pools[leg.pool]
                do = pool.swap_exact_in if leg.exact_in else pool.swap_exact_out
                swap = do(leg.direction, leg.amount, now_s)
                require_room(pool, leg.direction, swap.amount_in)
                after[leg.pool] = swap.pool
                amount_in += swap.amount_in
                amount_out += swap.amount_out
                fee_in += swap.fee_in
                fee_out += swap.fee_out
        except Rejected as error:
            code, reason = error.code, str(error)
        else:
            code, reason = self._refusal(transaction, sell, buy, amount_in, amount_out)
        price_x64 = self.reference_price_x64(sell, buy)
        if code:
            return Execution(
                slot=self.slot,
                landed_at_ns=now_ns,
                reference_price_x64=price_x64,
                code=code,
                reason=reason,
            )
        pools.update(after)
        self.ledger.swap(transaction.user, sell, amount_in, buy, amount_out)
        return Execution(
            slot=self.slot,
            landed_at_ns=now_ns,
            reference_price_x64=price_x64,
            amount_in=amount_in,
            amount_out=amount_out,
            fee_in=fee_in,
            fee_out=fee_out,
        )

    def _tokens_of(self, transaction: Transaction) -> tuple[str, str]:
        """Return what is sold and bought: all legs are parallel, so the first one tells."""
        leg = transaction.legs[0]
        return tokens_of(self.pools[leg.pool], leg.direction)

    def _refusal(
        self, transaction: Transaction, sell: str, buy: str, amount_in: int, amount_out: int
    ) -> tuple[str, str]:
        """Return code and reason if the swap may not stand, else two empty strings."""
        least, most = transaction.amount_out_min, transaction.amount_in_max
        if amount_out < least:
            paid, asked = format_amount(amount_out, buy), format_amount(least, buy)
            return "SLIPPAGE", f"would pay {paid}, at least {asked} was asked"
        if amount_in > most:
            cost, allowed = format_amount(amount_in, sell), format_amount(most, sell)
            return "SLIPPAGE", f"would cost {cost}, at most {allowed} was allowed"
        needed = amount_in + (transaction.network_fee if sell == "SOL" else 0)
        held = self.ledger.balance(transaction.user, sell)
        if held < needed:
            short = f"{format_amount(needed, sell)} is needed, {format_amount(held, sell)} is held"
            return "INSUFFICIENT_FUNDS", short
        return "", ""

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
