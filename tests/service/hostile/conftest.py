"""Give a service to be hostile to, with keys and without."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from orderengine.service.credentials import new_secret
from tests.service.hostile.case import SWAP
from tests.service.hostile.sender import Target
from tests.service.serving import Serving, serving

SECRET = new_secret()
_DONE_S_MAX = 20.0
_SETTINGS = {
    "none": {"ORDERENGINE_AUTH": "none"},
    "keys": {
        "ORDERENGINE_BOOTSTRAP_KEY": SECRET,
        # Without keys these are the only ones; with keys any host would do.
        "ORDERENGINE_HOSTS": "127.0.0.1,localhost,::1",
    },
}


@pytest.fixture(scope="package", params=list(_SETTINGS))
def auth(request: pytest.FixtureRequest) -> str:
    """Return whether the service asks for keys; every module meets both unless it chooses."""
    return str(request.param)


@pytest.fixture(scope="package")
def database_url() -> str:
    """Return where orders are stored."""
    return "sqlite:///orders.db"


@pytest.fixture(scope="package")
def served(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, auth: str
) -> Iterator[Serving]:
    """Give one process for all tests here, whose market does not wait."""
    env = {"ORDERENGINE_SIM_PROFILE": "instant", "DATABASE_URL": database_url} | _SETTINGS[auth]
    with serving(tmp_path_factory.mktemp("hostile"), **env) as process:
        yield process


@pytest.fixture(scope="package")
def key(auth: str) -> str:
    """Return what lets requests in, as ``Authorization`` says it; nothing where none is needed."""
    return f"Bearer {SECRET}" if auth == "keys" else ""


@pytest.fixture(scope="package")
def target(served: Serving, key: str) -> Target:
    """Return where hostile requests go."""
    line = f"Authorization: {key}" if key else ""
    return Target(served.port, served.pid, line.encode())


@pytest.fixture(scope="package")
def http(served: Serving, key: str) -> Iterator[httpx.Client]:
    """Give a client that is well behaved."""
    headers = {"Authorization": key} if key else {}
    with httpx.Client(base_url=served.url, timeout=10, headers=headers) as client:
        yield client


@pytest.fixture
def unharmed(served: Serving, http: httpx.Client) -> Iterator[None]:
    """Require after a test that a good order still executes, and that not a line was logged.

    A line that one bad request writes, a million write a million times.
    """
    before = served.log.read_text()
    yield
    accepted = http.post("/execute", json=SWAP)
    assert accepted.status_code == 202, accepted.text
    deadline, status = time.monotonic() + _DONE_S_MAX, ""
    while status != "confirmed" and time.monotonic() < deadline:
        status = http.get(f"/orders/{accepted.json()['order_id']}").json()["status"]
    assert status == "confirmed"
    assert served.log.read_text(errors="replace")[len(before) :][-5_000:] == ""
