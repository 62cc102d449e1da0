"""An order's life as plain anyio code: runs on any backend, in virtual time or not."""

from __future__ import annotations

import anyio
from anyio import current_time, sleep

from benchmarks.peers.order_life import (
    LAND_SHARE,
    LOST_SECONDS,
    PLACES,
    SLOT_SECONDS,
    TRIES,
    Outcome,
    World,
    landing,
)

__all__ = ["main"]


async def _order(places: anyio.Semaphore, world: World, number: int) -> None:
    times = [current_time(), 0.0, 0.0, 0.0, 0.0, 0.0]
    async with places:
        times[1] = current_time()
        out = -1.0
        for turn in range(TRIES):
            await sleep(world.quote_seconds[number][turn])
            least = world.amount_out_min(number)
            times[2] = current_time()
            await sleep(world.send_seconds[number][turn])
            times[3] = now = current_time()
            luck = world.luck[number][turn]
            if luck >= LAND_SHARE:
                await sleep(LOST_SECONDS)
                continue
            lands = landing(now, world.slots_to_land[number][turn], luck)
            await sleep(max(lands - now, 0.0))
            out = world.swap(number, least)
            times[4] = current_time()
            if out >= 0:
                break
        if out >= 0:
            await sleep(world.confirm_seconds[number])
            world.fill(out)
        times[5] = current_time()
    world.record(number, times)


async def _market(world: World) -> None:
    slot = 0
    while world.left:
        await sleep(SLOT_SECONDS)
        world.move_prices(slot)
        slot += 1


async def main(world: World) -> Outcome:
    """Run every order to its end."""
    places = anyio.Semaphore(PLACES, fast_acquire=True)
    before = 0.0
    async with anyio.create_task_group() as group:
        group.start_soon(_market, world)
        for number, at in enumerate(world.arrival):
            await sleep(at - before)
            before = at
            group.start_soon(_order, places, world, number)
    return world.outcome()
