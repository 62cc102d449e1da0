"""Random programs of tasks that sleep, wait, signal and cancel, and the trace of running one.

Run as a program it prints the trace of the program numbered by its argument: another process, with
another hash seed, must print the same.
"""

from __future__ import annotations

import random  # noqa: TID251  (makes test programs, not draws of a study)
import sys
from collections.abc import Callable
from typing import NamedTuple

import anyio
from hypothesis import strategies as st

from orderengine import virtualtime

__all__ = ["Step", "program_numbered", "programs", "trace"]

PLACES = 3
"""How many events, locks and task slots the steps of a program share."""


class Step(NamedTuple):
    """One thing that a task does."""

    kind: str
    place: int
    wait_ns: int


OFTEN = ("sleep", "set", "wait", "lock", "timeout", "send", "receive", "checkpoint")
KINDS = (*OFTEN, *OFTEN, "cancel")

Program = list[list[Step]]

steps = st.builds(
    Step, st.sampled_from(KINDS), st.integers(0, PLACES - 1), st.sampled_from([1, 2, 3, 400, 10**6])
)
programs = st.lists(st.lists(steps, max_size=6), min_size=1, max_size=6)


def program_numbered(seed: int) -> Program:
    """Return a program of up to 20 tasks that depends on nothing but its number."""
    draw = random.Random(seed)  # noqa: S311  (no secret)
    return [
        [
            Step(draw.choice(KINDS), draw.randrange(PLACES), draw.choice([1, 2, 3, 400, 10**6]))
            for _ in range(draw.randrange(8))
        ]
        for _ in range(draw.randrange(2, 20))
    ]


def trace(program: Program) -> list[tuple[int, int, str]]:
    """Run a program; return who did what at which nanosecond, to the end or to the deadlock."""
    seen: list[tuple[int, int, str]] = []
    try:
        virtualtime.run(_run, program, lambda who, what: seen.append((_now(), who, what)))
    except virtualtime.Deadlock as deadlock:
        seen.append((0, -1, ", ".join(name.rsplit(".")[-1] for name, _ in deadlock.parked)))
    return seen


def _now() -> int:
    return virtualtime.now_ns()


async def _run(program: Program, note: Callable[[int, str], None]) -> None:
    events = [anyio.Event() for _ in range(PLACES)]
    locks = [anyio.Lock() for _ in range(PLACES)]
    sender, receiver = anyio.create_memory_object_stream[int](1)
    scopes: set[anyio.CancelScope] = set()  # iterated nowhere, but its order would tell

    async def step(number: int, one: Step) -> None:
        seconds = one.wait_ns / 1e9
        match one.kind:
            case "sleep":
                await anyio.sleep(seconds)
            case "set":
                events[one.place].set()
            case "wait":
                await events[one.place].wait()
            case "lock":
                async with locks[one.place]:
                    await anyio.sleep(seconds)
            case "cancel":
                groups[one.place].cancel_scope.cancel()
            case "timeout":
                with anyio.move_on_after(seconds) as scope:
                    scopes.add(scope)
                    await events[one.place].wait()
            case "send":
                await sender.send(number)
            case "receive":
                note(number, f"received {await receiver.receive()}")
            case _:
                await anyio.lowlevel.checkpoint()

    async def task(number: int, todo: list[Step]) -> None:
        try:
            for one in todo:
                await step(number, one)
                note(number, one.kind)
        finally:
            note(number, "end")

    with sender, receiver:
        async with (
            anyio.create_task_group() as first,
            anyio.create_task_group() as second,
            anyio.create_task_group() as third,
        ):
            groups = [first, second, third]
            for number, todo in enumerate(program):
                groups[number % PLACES].start_soon(task, number, todo, name=f"task {number}")
            await anyio.sleep(1)


if __name__ == "__main__":
    sys.stdout.write(repr([trace(program_numbered(seed)) for seed in range(int(sys.argv[1]))]))
