"""Check sockets over real processes: who gets in, what they hear, and how they end."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.service.serving import serving
from tests.service.sockets.socket_server import SocketServer, serving_sockets

SWAP = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}
MANY = 300
SOON_S = 20.0
QUICK = {"tick_s": 0.05, "ping": 4, "pong": 8, "close": 4}
"""A heartbeat for tests: a dead client is noticed after 0.6 s."""
REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SocketServer]:
    """Give one process for all tests that need no limits of their own."""
    heartbeat = {"tick_s": 0.2, "ping": 200}
    with serving_sockets(tmp_path_factory.mktemp("sockets"), heartbeat=heartbeat) as found:
        yield found


def opened(server: SocketServer, path: str = "/ws", **headers: str) -> ClientConnection:
    """Open a socket; ``x_user`` stands for the header ``x-user``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return connect(
        f"{server.url}{path}", open_timeout=5, additional_headers=named, ping_interval=None
    )


def refused(server: SocketServer, path: str = "/ws", **headers: str) -> tuple[int, bytes, str]:
    """Return status, body and ``Retry-After`` of a socket that is refused."""
    with pytest.raises(InvalidStatus) as raised:
        opened(server, path, **headers)
    answer = raised.value.response
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, bytes(answer.body), answer.headers.get("Retry-After", "")


def numbers(client: ClientConnection, count: int) -> list[int]:
    """Return the numbers of the next events."""
    return [json.loads(client.recv(timeout=SOON_S))["seq"] for _ in range(count)]


def closed(client: ClientConnection) -> tuple[int, str]:
    """Return code and reason of a socket that says nothing more."""
    with pytest.raises(ConnectionClosed) as raised:
        client.recv(timeout=SOON_S)
    found = raised.value.rcvd
    return (1006, "") if found is None else (found.code, found.reason)


def wait_for(is_true: Callable[[], bool]) -> None:
    """Wait for a condition."""
    until = time.monotonic() + SOON_S
    while not is_true():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.02)


@contextmanager
def many_sockets(port: int, *paths: str) -> Iterator[subprocess.Popen[str]]:
    """Give a process that holds many sockets, all open."""
    program = Path(__file__).with_name("idle_sockets.py")
    command = [sys.executable, str(program), str(port), str(MANY), *paths]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert said(process) == {"open": MANY}
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what the process says next."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def test_hundreds_hear_all_and_are_told_when_the_service_stops(tmp_path: Path) -> None:
    """Of a real service: each socket has the same whole stream, and is closed with 1012."""
    env = {"ORDERENGINE_SIM_PROFILE": "instant"}
    with (
        serving(tmp_path, **env) as served,
        many_sockets(served.port, "/ws") as holder,
        httpx.Client(base_url=served.url, timeout=10) as http,
    ):
        ids = [http.post("/execute", json=SWAP).json()["order_id"] for _ in range(5)]
        heard = [json.loads(said(holder)["body"]) for _ in range(25)]
        assert served.stop() == 0
        assert holder.stdin is not None
        holder.stdin.write("\n")
        holder.stdin.flush()
        end = said(holder)
    for order_id in ids:
        seqs = [event["seq"] for event in heard if event["order_id"] == order_id]
        assert seqs == [1, 2, 3, 4, 5]
    assert (end["got"], end["streams"]) == ([MANY] * 25, 1)
    assert end["codes"] == {"1012 read each order's log": MANY}


def test_a_socket_goes_on_where_a_stopped_service_left_it(tmp_path: Path) -> None:
    """The reason says the last number sent; from the one above, the next process has the rest."""
    with (
        serving(tmp_path) as served,
        httpx.Client(base_url=served.url, timeout=10) as http,
    ):
        order_id = http.post("/execute", json=SWAP).json()["order_id"]
        with connect(f"ws://127.0.0.1:{served.port}/ws/{order_id}") as client:
            before = numbers(client, 3)
            served.stop(signal.SIGTERM)
            with suppress(ConnectionClosed):
                while True:
                    before += numbers(client, 1)
            assert client.close_code == 1012
            assert client.close_reason == f"last_seq={before[-1]}"
    with serving(tmp_path, name="again") as served:
        path = f"/ws/{order_id}?from_seq={before[-1] + 1}"
        after: list[int] = []
        with connect(f"ws://127.0.0.1:{served.port}{path}") as client, suppress(ConnectionClosed):
            while True:
                after += numbers(client, 1)
        assert client.close_code == 1000
    assert before + after == [*range(1, len(before + after) + 1)]
    assert len(before + after) >= 5


def test_a_socket_that_is_cut_again_and_again_misses_nothing(server: SocketServer) -> None:
    """It asks for the number above the last it has seen, while events come."""
    server.ask("create", "cut")
    got: list[int] = []
    while len(got) < 400:
        server.ask("append", "cut", 20)
        with opened(server, f"/ws/cut?from_seq={len(got) + 1}") as client:
            server.ask("append", "cut", 5)
            got += numbers(client, 7 + len(got) % 11)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
    assert got == [*range(1, len(got) + 1)]


def test_what_has_ended_is_closed(server: SocketServer) -> None:
    """After the last event, at once where nothing is left, and past the end."""
    server.ask("create", "ended")
    with opened(server, "/ws/ended") as client:
        assert numbers(client, 1) == [1]
        server.ask("append", "ended", 3)
        server.ask("end", "ended")
        assert (numbers(client, 4), closed(client)) == ([2, 3, 4, 5], (1000, ""))
    for from_seq, expected in ((1, [1, 2, 3, 4, 5]), (5, [5]), (6, []), (99, [])):
        with opened(server, f"/ws/ended?from_seq={from_seq}") as client:
            assert numbers(client, len(expected)) == expected
            assert closed(client) == (1000, "")


def test_a_socket_waits_for_a_number_to_come(server: SocketServer) -> None:
    """What comes before it is not sent."""
    server.ask("create", "later")
    with opened(server, "/ws/later?from_seq=4") as client:
        server.ask("append", "later", 5)
        assert numbers(client, 3) == [4, 5, 6]


def test_users_hear_only_of_their_own(server: SocketServer) -> None:
    """Another's order is answered as one that does not exist."""
    server.ask("create", "hers", "her")
    with (
        opened(server, x_user="her") as hers,
        opened(server, x_user="him") as his,
    ):
        for number in range(3):
            server.ask("create", f"his-{number}", "him")
            server.ask("append", "hers")
        assert numbers(hers, 3) == [2, 3, 4]
        ids = [json.loads(his.recv(timeout=SOON_S))["order_id"] for _ in range(3)]
        assert ids == ["his-0", "his-1", "his-2"]
        for client in (hers, his):
            with pytest.raises(TimeoutError):
                client.recv(timeout=0)
    answers = {
        refused(server, path, x_user="him")
        for path in ("/ws/hers", "/ws/nothing", "/ws/%00", "/ws/hers?from_seq=x", "/ws/hers/more")
    }
    ((status, body, _),) = answers
    assert (status, json.loads(body)["code"]) == (404, "UNKNOWN_ORDER")


def test_who_may_not_come_in_is_told_why(server: SocketServer) -> None:
    """As HTTP would say it."""
    found = {
        path: (status, json.loads(body)["code"])
        for path, user in (("/ws", "nobody"), ("/ws/hers", "nobody"), ("/elsewhere", "her"))
        for status, body, _ in [refused(server, path, x_user=user)]
    }
    assert found == {
        "/ws": (401, "UNAUTHENTICATED"),
        "/ws/hers": (401, "UNAUTHENTICATED"),
        "/elsewhere": (404, "NOT_FOUND"),
    }


def test_there_is_room_for_so_many(tmp_path: Path) -> None:
    """One user's limit and all users'; who leaves makes room."""
    with serving_sockets(tmp_path, total=5, a_user=3) as server, ExitStack() as others:
        with ExitStack() as first:
            for _ in range(3):
                first.enter_context(opened(server, x_user="her"))
            status, body, retry_after = refused(server, x_user="her")
            assert (status, json.loads(body)["code"]) == (429, "TOO_MANY_SOCKETS")
            assert int(retry_after) > 0
            for user in ("him", "them"):
                others.enter_context(opened(server, x_user=user))
            status, body, retry_after = refused(server, x_user="him")
            assert (status, json.loads(body)["code"]) == (503, "TOO_MANY_SOCKETS")
            assert int(retry_after) > 0
        wait_for(lambda: server.ask("figures")["count"] == 2)
        with opened(server, x_user="her"):
            assert server.ask("figures")["count"] == 3
        others.close()
        wait_for(lambda: server.ask("figures")["count"] == 0)


def test_a_revoked_key_loses_its_sockets(server: SocketServer) -> None:
    """All of them, at once; those of other keys stay."""
    server.ask("create", "keyed")
    with (
        opened(server, x_key="old") as first,
        opened(server, "/ws/keyed", x_key="old") as second,
        opened(server, x_key="new") as other,
    ):
        assert server.ask("figures")["keys"] == ["new", "old"]
        assert numbers(second, 1) == [1]
        assert server.ask("close_key", "old", "unknown") == 2
        assert (closed(first)[0], closed(second)[0]) == (4401, 4401)
        server.ask("append", "keyed")
        assert numbers(other, 1) == [2]
    wait_for(lambda: server.ask("figures")["keys"] == [])


def test_a_slow_reader_is_closed_and_nobody_waits_for_it(tmp_path: Path) -> None:
    """It is told so with 1013; what it may hold of our memory is bounded, and others get all."""
    with serving_sockets(tmp_path, behind_max=200, heartbeat={"close": 60}) as server:
        server.ask("create", "busy")
        with ExitStack() as stalled, opened(server) as quick:
            slow = [stalled.enter_context(_stalled(server.port)) for _ in range(40)]
            before = _rss_kib(server.pid)
            sent = 0
            while server.ask("figures")["slow"] < len(slow):
                last = server.ask("append", "busy", 50, 4_000)
                assert numbers(quick, 50) == [*range(last - 49, last + 1)]
                sent += 50
                assert sent <= 1_000, "nobody is found slow"
            # Not shared and without bounds it would be 4 KiB an event and reader, some 48 MiB.
            assert _rss_kib(server.pid) - before < 8_000
            slow[0].settimeout(SOON_S)
            slow[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
            data = b""
            while b"too slow" not in data[-100:]:
                data += slow[0].recv(65_536)
            last = server.ask("append", "busy")
            assert numbers(quick, 1) == [last]
    assert data[-100:].rpartition(b"\x88")[2][1:3] == (1013).to_bytes(2)


def test_a_reader_that_stalls_goes_on_where_it_was(server: SocketServer) -> None:
    """What an order's socket lacks waits in the log, however much it is."""
    server.ask("create", "long")
    last = server.ask("append", "long", 300, 4_000)
    with _stalled(server.port, b"/ws/long") as slow, opened(server, "/ws/long") as quick:
        assert numbers(quick, last) == [*range(1, last + 1)]
        server.ask("end", "long")
        slow.settimeout(SOON_S)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
        data = b""
        while not data.endswith((1000).to_bytes(2)):
            data += slow.recv(1_000_000)
    found = [int(number) for number in re.findall(rb'"seq":(\d+)', data)]
    assert found == [*range(1, last + 2)]


def _stalled(port: int, path: bytes = b"/ws") -> socket.socket:
    """Return a socket that is open and takes next to nothing."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    found.connect(("127.0.0.1", port))
    found.sendall(REQUEST.replace(b"/ws", path))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += found.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return found


def _rss_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def test_who_gives_no_sign_of_life_is_closed(tmp_path: Path) -> None:
    """A client that answers pings stays; one that does not, and one that stopped reading, go."""
    with serving_sockets(tmp_path, heartbeat=QUICK) as server:
        server.ask("create", "busy")
        with opened(server) as alive, socket.socket() as dead:
            dead.connect(("127.0.0.1", server.port))
            dead.sendall(REQUEST)
            wait_for(lambda: server.ask("figures")["count"] == 2)
            wait_for(lambda: server.ask("figures")["count"] == 1)
            assert b"no pong came" in dead.recv(65_536)
            server.ask("append", "busy")
            assert numbers(alive, 1) == [2]


def test_draining_ends_even_if_clients_do_not_answer(tmp_path: Path) -> None:
    """They are cut off; and nobody new comes in."""
    with serving_sockets(tmp_path, heartbeat={"close": 1_000}) as server:
        with opened(server) as polite, socket.socket() as deaf:
            deaf.connect(("127.0.0.1", server.port))
            deaf.sendall(REQUEST)
            wait_for(lambda: server.ask("figures")["count"] == 2)
            server.ask("drain", 0.3)
            wait_for(lambda: server.ask("figures")["count"] == 0)
            assert closed(polite)[0] == 1012
        status, body, _ = refused(server)
        assert (status, json.loads(body)["code"]) == (503, "SHUTTING_DOWN")


MASK = b"\1\2\3\4"


def masked(opcode: int, body: bytes = b"", *, is_last: bool = True) -> bytes:
    """Return a client's frame."""
    head = bytes([opcode | (0x80 if is_last else 0), 0x80 | len(body)])
    return head + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(body))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x02hi", 1002),
        (masked(0x3), 1002),
        (masked(0x0, b"x"), 1002),
        (masked(0x9, b"x", is_last=False), 1002),
        (masked(0x1, b"a", is_last=False) + masked(0x1, b"b"), 1002),
        (b"\x81\xfe\x10\x01" + MASK, 1009),
        (b"\x82\xff" + (2**40).to_bytes(8) + MASK, 1009),
        (masked(0x8, b"\x03\xe8bye"), 1000),
        (masked(0x8, b"\x0f\xa1"), 4001),
        (masked(0x1, b"x" * 100) * 2_000, 1008),
    ],
    ids=[
        "unmasked",
        "unknown opcode",
        "continuation of nothing",
        "control frame in parts",
        "message within a message",
        "too large",
        "far too large",
        "close",
        "close with a code of its own",
        "too much",
    ],
)
def test_what_clients_do_wrong_closes_their_socket(
    server: SocketServer, sent: bytes, code: int
) -> None:
    """With the code of RFC 6455, and the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port), SOON_S) as client:
        client.sendall(REQUEST)
        assert client.recv(4_096).startswith(b"HTTP/1.1 101 ")
        data = b""
        with suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(sent)
            while more := client.recv(4_096):
                data += more
    assert (data[0], int.from_bytes(data[2:4])) == (0x88, code)


def test_what_clients_say_is_ignored_and_their_pings_are_answered(server: SocketServer) -> None:
    """Whole or in parts, with a ping in between; nothing of it disturbs the stream."""
    server.ask("create", "said")
    with socket.create_connection(("127.0.0.1", server.port), SOON_S) as client:
        client.sendall(REQUEST)
        assert client.recv(4_096).startswith(b"HTTP/1.1 101 ")
        parts = masked(0x1, b"a", is_last=False) + masked(0x9, b"ping") + masked(0x0, b"b")
        for byte in parts + masked(0x2, b"c"):
            client.sendall(bytes([byte]))
        assert client.recv(4_096) == b"\x8a\x04ping"
        server.ask("append", "said")
        data = client.recv(4_096)
        assert json.loads(data[data.index(b"{") :])["seq"] == 2
        client.sendall(masked(0x8))
        assert client.recv(4_096) == b"\x88\x00"


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"Version: 13", b"Version: 12", b"400"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"short", b"400"),
        (b"GET ", b"PUT ", b"400"),
    ],
    ids=["version", "key", "method"],
)
def test_a_handshake_that_is_none_is_refused(
    server: SocketServer, old: bytes, new: bytes, status: bytes
) -> None:
    """As RFC 6455 says, and the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port), SOON_S) as client:
        client.sendall(REQUEST.replace(old, new))
        data = b""
        while more := client.recv(4_096):
            data += more
    assert data.split(b" ")[1] == status


def test_figures_tell_what_was_sent(tmp_path: Path) -> None:
    """Messages and how late they were; a socket that is gone is not counted."""
    with serving_sockets(tmp_path) as server:
        server.ask("create", "counted")
        with opened(server) as one, opened(server, "/ws/counted") as other:
            assert numbers(other, 1) == [1]
            server.ask("append", "counted", 3)
            assert numbers(one, 3) == numbers(other, 3) == [2, 3, 4]
            found = server.ask("figures")
        assert (found["count"], found["of_user"], found["sent"]) == (2, 2, 7)
        assert 0 < found["lag_s"] < SOON_S
        wait_for(lambda: server.ask("figures")["of_user"] == 0)
