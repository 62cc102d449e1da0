"""Do not repeat what others paid for: the lessons that take processes to show."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP

from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import ClientConnection, connect

from orderengine.model.events import Confirmed, Event
from orderengine.model.wire import decode_event
from tests.servers import RedisServer
from tests.service.serving import Process
from tests.service.test_processes import (
    WAIT_S,
    accept,
    claims,
    fences,
    fleet,
    is_by,
    server,
    until,
)
from tests.service.test_restart import logs_in, require_all_end


def _held(folder: Path, process: Process) -> set[str]:
    """Return the open orders that a process has taken up."""
    return {
        order_id
        for order_id, log in logs_in(folder).items()
        if claims(log) and is_by(claims(log)[-1], process) and not log[-1].status.is_terminal
    }


def _rest_of(socket: ClientConnection) -> list[Event]:
    said: list[Event] = []
    while True:
        try:
            said.append(decode_event(socket.recv(timeout=WAIT_S)))
        except ConnectionClosedOK:
            return said


def test_a_worker_that_is_stopped_past_its_time_executes_nothing_again(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    """A queue started its job four times. Here one other takes over, and the fence is raised.

    Sockets on another process than the one that accepted, opened while the first worker held the
    orders, hear them to the end: none is kept where only one worker's events reach it.
    """
    names = ("serve", "serve-2", "work-1")
    with fleet(tmp_path, redis_server, *names, profile="original") as processes:
        first = processes["work-1"]
        accepted = accept(server(processes), 20)
        until(lambda: bool(_held(tmp_path, first)), "work-1 has taken orders up")
        first.tell(SIGSTOP)
        try:
            held = sorted(_held(tmp_path, first))
            assert held, "it was stopped too late to show anything"
            port = server(processes, "serve-2").port
            with ExitStack() as stack:
                sockets = {
                    order_id: stack.enter_context(
                        connect(f"ws://127.0.0.1:{port}/ws/{order_id}", open_timeout=WAIT_S)
                    )
                    for order_id in held[:10]
                }
                with fleet(tmp_path, redis_server, "work-2", profile="original"):
                    require_all_end(server(processes), tmp_path, accepted)
                    heard = {order_id: _rest_of(socket) for order_id, socket in sockets.items()}
                    before = logs_in(tmp_path)
                    assert heard == {order_id: before[order_id] for order_id in sockets}
                # Only the first is left to take these up, so by their end it is awake.
                first.tell(SIGCONT)
                later = accept(server(processes), 2)
                require_all_end(server(processes), tmp_path, later)
        finally:
            first.tell(SIGCONT)
        after = logs_in(tmp_path)
        assert {order_id: after[order_id] for order_id in before} == before
        assert all(
            sum(isinstance(event, Confirmed) for event in log) <= 1 for log in after.values()
        )
        fence_of = fences(tmp_path)
        assert all(fence_of[order_id] >= 2 for order_id in held), "nobody took them over"
