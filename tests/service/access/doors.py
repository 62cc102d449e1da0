"""Make keys from outside, and knock at doors with requests that no decent client would send."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from orderengine.service.clock import WallClock

__all__ = ["Answer", "Key", "keys_command", "knock", "made_key", "within_a_minute"]

_CODE = "from orderengine.cli import main; main()"


class Key(NamedTuple):
    """Hold a key that was made for a test."""

    key_id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        """What a client sends."""
        return {"Authorization": f"Bearer {self.secret}"}


class Answer(NamedTuple):
    """Hold an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of the problem that it describes."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        return str(problem["code"])


def within_a_minute(seconds: float) -> None:
    """Wait until a minute of the clock has so long to go, so that limits can be counted exactly.

    The windows of the limiter begin with the minutes, and what the one before counts for fades:
    where one begins amid a test, a request more may pass.
    """
    left = 60 - WallClock().now_ns() / 1e9 % 60
    if left < seconds:
        time.sleep(left + 0.05)


def keys_command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``orderengine keys`` in a process of its own, in the folder of a service."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("ORDERENG")}
    return subprocess.run(
        [sys.executable, "-c", _CODE, "keys", *arguments],
        cwd=folder,
        env=outer | {"DATABASE_URL": "sqlite:///orderengine.db"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def made_key(folder: Path, user: str, *arguments: str) -> Key:
    """Return a new key of a user."""
    done = keys_command(folder, "create", "--user", user, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return Key(made["key_id"], made["secret"])


def knock(
    port: int,
    path: str,
    headers: Iterable[tuple[str, str | bytes]] = (),
    *,
    method: str = "GET",
    body: bytes | None = None,
) -> Answer:
    """Send a request with exactly these headers, twice the same ones if need be, and a host."""
    headers = list(headers)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        names = {name.lower() for name, _ in headers}
        connection.putrequest(method, path, skip_host="host" in names, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None and "content-length" not in names:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()
