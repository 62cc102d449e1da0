"""Build small worlds whose every number a test can follow."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from orderengine.market.config import FlowConfig, MarketConfig
from orderengine.market.described import open_pool
from orderengine.market.opening import open_market, opening_of
from orderengine.market.pools import PoolConfig
from orderengine.market.prices import to_x64
from orderengine.market.transactions import SwapLeg, Transaction, encode_transaction
from orderengine.market.world import World
from orderengine.model.tokens import token
from orderengine.pools import Direction

START_NS = 1_783_355_400_000_000_000  # 2026-07-06T16:30:00Z
SLOT_NS = 400_000_000
SOL, USDC = 10**9, 10**6
A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A

CPMM = PoolConfig(name="cpmm", venue="raydium_cpmm", depth="1000000USDC")
DLMM = PoolConfig(name="dlmm", venue="meteora_dlmm", depth="1000000USDC")
QUIET = FlowConfig(trades_per_slot=0.0)


def price_of(ui_price: str) -> int:
    """Return a SOL price in USDC as a Q64.64 of base units."""
    return to_x64(Decimal(ui_price), token("SOL"), token("USDC"))


PRICE_X64 = price_of("80")


class Steps:
    """Give one price a slot; the last one stands for ever."""

    def __init__(self, prices_x64: Sequence[int]) -> None:
        self._prices = prices_x64

    def price_x64(self, slot: int, at_ns: int) -> int:
        """Return the slot's price."""
        del at_ns
        return self._prices[min(slot, len(self._prices) - 1)]


def market_of(*pools: PoolConfig, **changes: object) -> MarketConfig:
    """Return a market without skipped slots, flow or arbitrage, unless changed."""
    fields: dict[str, object] = {"skip_rate": 0.0, "flow": QUIET, "arbitrage": False}
    return MarketConfig(pools=pools or (CPMM,), **fields | changes)  # type: ignore[arg-type]


def world_of(
    *pools: PoolConfig,
    prices_x64: Sequence[int] = (PRICE_X64,),
    seed: int = 1,
    **changes: object,
) -> World:
    """Return a world whose pools open at the first price."""
    config = market_of(*pools, **changes)
    opened = [
        open_pool(pool, prices_x64[0], token(config.base), token(config.quote))
        for pool in config.pools
    ]
    return World(config, seed, opened, Steps(prices_x64), START_NS)


def connected_world(
    *pools: PoolConfig, prices_x64: Sequence[int] = (PRICE_X64,), **changes: object
) -> World:
    """Return a world that also has pools with USDT, which is worth a USDC."""
    config = market_of(*pools, prices={"USDT": "1"}, **changes)
    opening = replace(opening_of(config, None), price_x64=prices_x64[0])
    opened = open_market(config, opening, prices_x64[0])
    return World(
        config,
        1,
        opened,
        Steps(prices_x64),
        START_NS,
        constant_prices_x64=opening.constant_prices_x64,
    )


def sell_sol(
    memo: str,
    amount: int,
    *pools: str,
    user: str = "user",
    amount_out_min: int = 0,
    network_fee: int = 0,
    unit_price: int = 0,
    last_valid_height: int = 150,
) -> Transaction:
    """Return a transaction that sells an amount on each of the pools, one after another."""
    legs = tuple(SwapLeg(pool, A_TO_B, exact_in=True, amount=amount) for pool in pools or ("cpmm",))
    return Transaction(
        memo=memo,
        user=user,
        legs=legs,
        amount_in_max=amount * len(legs),
        amount_out_min=amount_out_min,
        network_fee=network_fee,
        unit_price=unit_price,
        last_valid_height=last_valid_height,
    )


def deliver(world: World, transaction: Transaction, slot: int) -> None:
    """Let a transaction reach the leader of a slot; its memo is its signature."""
    world.deliver(transaction.memo, encode_transaction(transaction), slot)


def state_of(world: World) -> tuple[object, ...]:
    """Return all that a transaction could change."""
    owners = ("user", "ann", "bob", "arbitrageur", "flow", "validators")
    balances = {
        (owner, name): world.ledger.balance(owner, name)
        for owner in owners
        for name in ("SOL", "USDC")
    }
    return world.slot, world.height, world.price_x64, dict(world.pools), balances


def go_to(world: World, slot: int) -> None:
    """Bring the world to the first instant of a slot."""
    world.advance(world.slot_start_ns(slot))
