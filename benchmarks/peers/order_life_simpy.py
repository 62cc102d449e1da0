"""An order's life as a SimPy model."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

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

__all__ = ["run"]

Process = Generator[simpy.Event, Any, None]


def _order(env: simpy.Environment, places: simpy.Resource, world: World, number: int) -> Process:
    times = [env.now, 0.0, 0.0, 0.0, 0.0, 0.0]
    with places.request() as place:
        yield place
        times[1] = env.now
        out = -1.0
        for turn in range(TRIES):
            yield env.timeout(world.quote_seconds[number][turn])
            least = world.amount_out_min(number)
            times[2] = env.now
            yield env.timeout(world.send_seconds[number][turn])
            times[3] = now = env.now
            luck = world.luck[number][turn]
            if luck >= LAND_SHARE:
                yield env.timeout(LOST_SECONDS)
                continue
            lands = landing(now, world.slots_to_land[number][turn], luck)
            yield env.timeout(max(lands - now, 0.0))
            out = world.swap(number, least)
            times[4] = env.now
            if out >= 0:
                break
        if out >= 0:
            yield env.timeout(world.confirm_seconds[number])
            world.fill(out)
        times[5] = env.now
    world.record(number, times)


def _market(env: simpy.Environment, world: World) -> Process:
    slot = 0
    while world.left:
        yield env.timeout(SLOT_SECONDS)
        world.move_prices(slot)
        slot += 1


def _arrivals(env: simpy.Environment, places: simpy.Resource, world: World) -> Process:
    before = 0.0
    for number, at in enumerate(world.arrival):
        yield env.timeout(at - before)
        before = at
        env.process(_order(env, places, world, number))


def run(world: World) -> Outcome:
    """Run every order to its end."""
    env = simpy.Environment()
    places = simpy.Resource(env, PLACES)
    env.process(_market(env, world))
    env.process(_arrivals(env, places, world))
    env.run()
    return world.outcome()
