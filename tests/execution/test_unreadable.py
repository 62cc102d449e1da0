"""An order whose log cannot be read stops no worker and no other order."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import InvalidData
from orderengine.execution.reconciler import Reconciler
from orderengine.model.events import Event, Status
from tests.execution.fakes import ORDER, Desk


def test_an_unreadable_order_is_left_to_a_process_that_can_read_it() -> None:
    """It is met once, its lease given back, and all others end, with one worker."""
    desk = Desk(count=1)
    said: list[str] = []
    desk.workers = desk.hire(
        "worker", renew_s=1.0, on_error=lambda order_id, _: said.append(order_id)
    )
    read, is_older = desk.store.events, True

    async def events(order_id: str, from_seq: int = 1) -> Sequence[Event]:
        if order_id == "broken" and is_older:
            raise InvalidData("event", "the type 'split'", "one event as a JSON object")
        return await read(order_id, from_seq)

    desk.store.events = events  # type: ignore[method-assign]

    async def main() -> None:
        nonlocal is_older
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            group.start_soon(Reconciler(desk.store, desk.queue).run)
            await desk.engine.submit(replace(ORDER, order_id="broken"))
            for number in range(5):
                await desk.engine.submit(replace(ORDER, order_id=f"o-{number}"))
            await anyio.sleep(60)
            assert {desk.state(f"o-{n}").status for n in range(5)} == {Status.CONFIRMED}
            assert said == ["broken"]
            assert desk.workers.claimed == 6
            newer = desk.hire("newer", renew_s=1.0)
            is_older = False
            group.start_soon(newer.run)
            await anyio.sleep(10)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert desk.state("broken").status is Status.CONFIRMED
