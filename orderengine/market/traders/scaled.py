"""Scale a pool's liquidity in integers, or lay it anew around the price.

Scaling keeps the price, the fees' state and the shape of the liquidity. What pays for a swap is
multiplied by a ratio: reserves and bins, rounded up, so that nobody takes out more than a share;
the liquidity of each range of ticks, rounded down, with vaults of what that needs, rounded up.
What is not the providers' to move stays: accrued fees, orders in bins, and whatever else lies in
the vaults. So the pool is one that its program could hold, and the difference of the vaults is what
providers bring or take away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from msgspec.structs import replace

from orderengine.errors import InvalidData
from orderengine.market.described import open_pool
from orderengine.market.fields import amount_of
from orderengine.market.pools import PoolConfig
from orderengine.model.tokens import token
from orderengine.pools import (
    ClmmTickSpec,
    MeteoraDammV2Pool,
    MeteoraDlmmPool,
    OrcaWhirlpoolPool,
    Pool,
    RaydiumAmmV4Pool,
    RaydiumClmmPool,
    RaydiumCpmmPool,
    WhirlpoolTick,
)
from orderengine.pools.raydium_clmm_spec import vaults_of

__all__ = ["recentred", "scaled"]


def scaled(pool: Pool, numerator: int, denominator: int) -> Pool:
    """Return a pool with ``numerator / denominator`` of its liquidity; both above 0.

    Raises:
        InvalidData: the program's integers cannot hold so much.
    """

    def up(amount: int) -> int:
        return -(-amount * numerator // denominator)

    def down(amount: int) -> int:
        return amount * numerator // denominator

    if isinstance(pool, RaydiumAmmV4Pool | RaydiumCpmmPool):
        return replace(pool, reserve_a=up(pool.reserve_a), reserve_b=up(pool.reserve_b))
    if isinstance(pool, MeteoraDammV2Pool):
        return _scaled_damm(pool, up, down)
    if isinstance(pool, MeteoraDlmmPool):
        spec = pool.to_spec()
        bins = tuple(
            replace(held, amount_a=up(held.amount_a), amount_b=up(held.amount_b))
            for held in spec.bins
        )
        return MeteoraDlmmPool.from_spec(replace(spec, bins=bins))
    if isinstance(pool, RaydiumClmmPool):
        return _scaled_clmm(pool, down)
    if isinstance(pool, OrcaWhirlpoolPool):
        return _scaled_whirlpool(pool, down)
    raise InvalidData(f"pool {pool.address}", pool.venue, "a pool of a known program")


def _scaled_damm(
    pool: MeteoraDammV2Pool, up: Callable[[int], int], down: Callable[[int], int]
) -> Pool:
    """Scale liquidity and reserves; these never fall below what the range needs."""
    spec = pool.to_spec()
    liquidity = down(spec.liquidity)
    reserve_a, reserve_b = up(pool.reserve_a), up(pool.reserve_b)
    if not pool.is_compounding:
        bare = replace(spec, liquidity=liquidity, token_a_amount=None, token_b_amount=None)
        needed_a, needed_b = bare.reserves()
        reserve_a, reserve_b = max(reserve_a, needed_a), max(reserve_b, needed_b)
    return MeteoraDammV2Pool.from_spec(
        replace(spec, liquidity=liquidity, token_a_amount=reserve_a, token_b_amount=reserve_b)
    )


def _scaled_clmm(pool: RaydiumClmmPool, down: Callable[[int], int]) -> Pool:
    spec = pool.to_spec()
    before_a, before_b = vaults_of(replace(spec, vault_a=None, vault_b=None), pool.ladder)
    scaled, liquidity = _scaled_ticks(spec.ticks, spec.tick_current, spec.liquidity, down)
    after = replace(
        spec,
        liquidity=liquidity,
        ticks=tuple(ClmmTickSpec(tick=tick.tick, liquidity_net=net) for tick, net in scaled),
        vault_a=None,
        vault_b=None,
    )
    bare = RaydiumClmmPool.from_spec(after)
    return replace(
        bare,
        vault_a=bare.vault_a + pool.vault_a - before_a,
        vault_b=bare.vault_b + pool.vault_b - before_b,
    )


def _scaled_whirlpool(pool: OrcaWhirlpoolPool, down: Callable[[int], int]) -> Pool:
    spec = pool.to_spec()
    before = OrcaWhirlpoolPool.from_spec(replace(spec, vault_a=None, vault_b=None))
    scaled, liquidity = _scaled_ticks(spec.ticks, spec.tick_current, spec.liquidity, down)
    after = replace(
        spec,
        liquidity=liquidity,
        ticks=tuple(
            WhirlpoolTick(tick.tick, net, down(tick.liquidity_gross)) for tick, net in scaled
        ),
        vault_a=None,
        vault_b=None,
    )
    bare = OrcaWhirlpoolPool.from_spec(after)
    return replace(
        bare,
        vault_a=bare.vault_a + pool.vault_a - before.vault_a,
        vault_b=bare.vault_b + pool.vault_b - before.vault_b,
    )


class _Tick(Protocol):
    @property
    def tick(self) -> int: ...

    @property
    def liquidity_net(self) -> int: ...


T = TypeVar("T", bound=_Tick)


def _scaled_ticks(
    unsorted: Sequence[T], here: int, liquidity: int, down: Callable[[int], int]
) -> tuple[list[tuple[T, int]], int]:
    """Return ticks with their nets between scaled ranges, and the liquidity of the present one."""
    ticks = sorted(unsorted, key=lambda tick: tick.tick)
    nets = [tick.liquidity_net for tick in ticks]
    place = sum(tick.tick <= here for tick in ticks)
    ranges = [liquidity] * (len(nets) + 1)
    for stop in range(place, len(nets)):
        ranges[stop + 1] = ranges[stop] + nets[stop]
    for stop in range(place - 1, -1, -1):
        ranges[stop] = ranges[stop + 1] - nets[stop]
    held = [down(amount) for amount in ranges]
    scaled = [after - before for before, after in pairwise(held)]
    return list(zip(ticks, scaled, strict=True)), held[place]


def recentred(pool: Pool, config: PoolConfig, numerator: int, denominator: int) -> Pool:
    """Return a pool of ticks or bins whose liquidity lies around its price as described.

    It has ``numerator / denominator`` of the described depth, rounded down. Providers take all that
    is theirs out of the old one and lay it anew; what others are owed stays. Of other programs the
    pool is returned as it is, for their liquidity has no place to move to.

    Raises:
        FieldError, InvalidData: the program cannot hold it at this price.
    """
    if not isinstance(pool, MeteoraDlmmPool | RaydiumClmmPool | OrcaWhirlpoolPool):
        return pool
    base, quote = token(pool.token_a), token(pool.token_b)
    depth = amount_of("depth", config.depth, quote.symbol) * numerator // denominator
    fresh = open_pool(replace(config, depth=max(depth, 1)), pool.price_x64, base, quote)
    if isinstance(fresh, MeteoraDlmmPool) and isinstance(pool, MeteoraDlmmPool):
        return MeteoraDlmmPool.from_spec(
            replace(
                fresh.to_spec(),
                volatility=pool.volatility,
                accrued_fee_a=pool.accrued_fee_a,
                accrued_fee_b=pool.accrued_fee_b,
            )
        )
    if isinstance(fresh, RaydiumClmmPool) and isinstance(pool, RaydiumClmmPool):
        return RaydiumClmmPool.from_spec(
            replace(
                fresh.to_spec(),
                dynamic_fee=pool.dynamic_fee,
                protocol_fee_a=pool.protocol_fee_a,
                protocol_fee_b=pool.protocol_fee_b,
                fund_fee_a=pool.fund_fee_a,
                fund_fee_b=pool.fund_fee_b,
                vault_a=None,
                vault_b=None,
            )
        )
    if isinstance(fresh, OrcaWhirlpoolPool) and isinstance(pool, OrcaWhirlpoolPool):
        return OrcaWhirlpoolPool.from_spec(
            replace(
                fresh.to_spec(),
                adaptive_fee=pool.adaptive_fee,
                accrued_fee_a=pool.accrued_fee_a,
                accrued_fee_b=pool.accrued_fee_b,
                vault_a=None,
                vault_b=None,
            )
        )
    raise InvalidData(f"pool {pool.address}", fresh.venue, f"the description of a {pool.venue}")
