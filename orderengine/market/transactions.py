"""Say what a signed transaction does, as bytes, and run its legs on copies of the pools.

Legs execute in their order, and what they pay is accounted for token by token. A token that is
neither sold nor bought is only passed through, and pools have moved since the route was computed,
so it is never brought in just the planned amount. Rule, where all legs fix their input: each leg
that spends such a token spends its planned part of what was brought, rounded down, and the last one
all that is left; on Solana, routers give the legs of a route percentages for this. Where they fix
their output it is the other way round, as in the two-hop swap of Orca's program: from the last leg
to the first, each that brings such a token brings its planned part of what the later ones spend,
and one whose part is nothing is left out. So no rest is left over, and a move of the price shows in
what is bought or paid, which the transaction limits. What the user holds of tokens passed through
is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from orderengine.errors import AmountOverflow, InvalidAmount
from orderengine.model.amounts import U64_MAX
from orderengine.pools import Direction, Pool, Swap, tokens_of

__all__ = [
    "Settled",
    "SwapLeg",
    "Transaction",
    "bid_of",
    "decode_transaction",
    "encode_transaction",
    "require_room",
    "run_legs",
]


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
    """In the order of execution: the first spends what is sold, the last brings what is bought."""
    amount_in_max: int
    amount_out_min: int
    network_fee: int
    last_valid_height: int
    tip: int = 0
    """Lamports of the network fee that go to the auction of bundles. Above 0 it is a bundle: it
    lands only if it succeeds."""
    path: str = ""
    """The way it is to be sent; empty for the only one. Kept with it, so that stored bytes say all.
    """

    @property
    def is_hidden(self) -> bool:
        """Whether nobody sees it before it lands: a bundle, or what is sent where bundles are."""
        return self.tip > 0 or self.path == "bundle"


class _Bid(Struct, frozen=True, array_like=True, gc=False):
    """Read the front of a transaction, without the rest."""

    unit_price: int


_encode = msgspec.msgpack.Encoder().encode
decode_transaction = msgspec.msgpack.Decoder(Transaction).decode
_decode_bid = msgspec.msgpack.Decoder(_Bid).decode


def encode_transaction(transaction: Transaction) -> bytes:
    """Return the bytes that are signed; tip and path stand in them only where there are some."""
    fields = msgspec.structs.astuple(transaction)
    return _encode(fields if transaction.tip or transaction.path else fields[:-2])


def bid_of(signed: bytes) -> int:
    """Return the micro-lamports a compute unit that a transaction offers."""
    return _decode_bid(signed).unit_price


class Settled(Struct, frozen=True, gc=False):
    """Hold what legs did; nothing of it has happened until it is kept."""

    pools: dict[str, Pool]
    """Those that were traded, after it, by address."""
    changes: dict[str, int]
    """Of the user's accounts, by token."""
    fee_in: int = 0
    """Pool fees in the token sold, with those of tokens passed through, at the price at which these
    were brought, rounded down."""
    fee_out: int = 0
    """Pool fees in the token bought."""
    uncovered: str = ""
    """The token that legs spend more of than was brought; empty if none: else all of it reverts."""


def require_room(pool: Pool, direction: Direction, amount_in: int) -> None:
    """Refuse a swap after which a vault would hold more than a token account can.

    Raises:
        AmountOverflow: it would be above u64.
    """
    vault = pool.vault_a if direction is Direction.A_TO_B else pool.vault_b
    if vault + amount_in > U64_MAX:
        raise AmountOverflow(f"the vault of {pool.address}", vault + amount_in, 64)


_Done = tuple[str, str, Swap]
"""Token spent, token brought, swap."""


def run_legs(legs: tuple[SwapLeg, ...], pools: Mapping[str, Pool], now_s: int) -> Settled:
    """Return what the legs do to pools and user, under the rule of this module.

    Raises:
        Rejected: a pool refuses its leg.
        InvalidAmount: what a leg should spend is nothing, or does not fit u64.
    """
    for leg in legs:
        if leg.amount < 1:
            raise InvalidAmount(f"the leg on {leg.pool}", leg.amount, "at least 1 base unit")
    tokens = [tokens_of(pools[leg.pool], leg.direction) for leg in legs]
    ends = (tokens[0][0], tokens[-1][1])
    if tokens.count(ends) == len(tokens):
        return _side_by_side(legs, ends, pools, now_s)
    steps = list(zip(legs, tokens, strict=True))
    is_forward = legs[0].exact_in
    passed = 0 if is_forward else 1
    planned: dict[str, int] = {}
    for leg, pair in steps:
        if pair[passed] not in ends and leg.exact_in is is_forward:
            planned[pair[passed]] = planned.get(pair[passed], 0) + leg.amount
    after: dict[str, Pool] = {}
    held = dict.fromkeys(ends, 0)
    done: list[_Done] = []
    for leg, pair in steps if is_forward else reversed(steps):
        amount, through = leg.amount, pair[passed]
        if through in planned and leg.exact_in is is_forward:
            there = max(held.get(through, 0) * (1 if is_forward else -1), 0)
            if not there and is_forward:
                return Settled(after, held, uncovered=through)
            left = planned[through]
            amount = there * leg.amount // left if is_forward else -(-there * leg.amount // left)
            planned[through] -= leg.amount
            if not amount:
                continue
        swap = _swap(leg, amount, after.get(leg.pool) or pools[leg.pool], now_s)
        after[leg.pool] = swap.pool
        spent, brought = pair
        held[spent] = held.get(spent, 0) - swap.amount_in
        held[brought] = held.get(brought, 0) + swap.amount_out
        done.append((spent, brought, swap))
    if not is_forward:
        done.reverse()
    return Settled(after, held, *_fees(done, *ends), uncovered=_uncovered(done, ends[0]))


def _swap(leg: SwapLeg, amount: int, pool: Pool, now_s: int) -> Swap:
    do = pool.swap_exact_in if leg.exact_in else pool.swap_exact_out
    swap = do(leg.direction, amount, now_s)
    require_room(pool, leg.direction, swap.amount_in)
    return swap


def _side_by_side(
    legs: tuple[SwapLeg, ...], ends: tuple[str, str], pools: Mapping[str, Pool], now_s: int
) -> Settled:
    """Run legs of one pair in their order: a pool may have two of them."""
    after: dict[str, Pool] = {}
    amount_in = amount_out = fee_in = fee_out = 0
    for leg in legs:
        swap = _swap(leg, leg.amount, after.get(leg.pool) or pools[leg.pool], now_s)
        after[leg.pool] = swap.pool
        amount_in += swap.amount_in
        amount_out += swap.amount_out
        fee_in += swap.fee_in
        fee_out += swap.fee_out
    return Settled(after, {ends[0]: -amount_in, ends[1]: amount_out}, fee_in, fee_out)


def _uncovered(done: Sequence[_Done], sell: str) -> str:
    """Return a token that a swap spends more of than those before it brought; empty if none."""
    there: dict[str, int] = {}
    for spent, brought, swap in done:
        there[spent] = there.get(spent, 0) - swap.amount_in
        if there[spent] < 0 and spent != sell:
            return spent
        there[brought] = there.get(brought, 0) + swap.amount_out
    return ""


def _fees(done: Sequence[_Done], sell: str, buy: str) -> tuple[int, int]:
    """Return pool fees by the token they count in; in a token passed through, at its price."""
    fee_in = fee_out = 0
    paid: dict[str, int] = {}
    got: dict[str, int] = {}
    for spent, brought, swap in done:
        cost, fee = swap.amount_in, swap.fee_in
        if spent != sell:
            cost = cost * paid.get(spent, 0) // max(got.get(spent, 0), 1)
            fee = fee * paid.get(spent, 0) // max(got.get(spent, 0), 1)
        fee_in += fee
        if brought == buy:
            fee_out += swap.fee_out
        elif swap.fee_out:
            fee_in += swap.fee_out * cost // (swap.amount_out + swap.fee_out)
        paid[brought] = paid.get(brought, 0) + cost
        got[brought] = got.get(brought, 0) + swap.amount_out
    return fee_in, fee_out
