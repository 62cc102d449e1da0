"""Give a service to be hostile to."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.service.hostile.case import SWAP
from tests.service.hostile.sender import Target
from tests.service.hostile.verdict import tracebacks
from tests.service.serving import Serving, serving

KEY = ""
"""What lets requests in, as ``Authorization`` says it; nothing where the service asks for none."""
_DONE_S_MAX = 20.0


@pytest.fixture(scope="module")
def database_url() -> str:
    """Return where orders are stored."""
    return "sqlite:///orders.db"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Serving]:
    """Give one process for all tests of a module, whose market does not wait."""
    env = {"ORDERENGINE_SIM_PROFILE": "instant", "DATABASE_URL": database_url}
    with serving(tmp_path_factory.mktemp("hostile"), **env) as process:
        yield process


@pytest.fixture(scope="module")
def target(served: Serving) -> Target:
    """Return where hostile requests go."""
    line = f"Authorization: {KEY}" if KEY else ""
    return Target(served.port, served.pid, line.encode())


@pytest.fixture(scope="module")
def http(served: Serving) -> Iterator[httpx.Client]:
    """Give a client that is well behaved."""
    headers = {"Authorization": KEY} if KEY else {}
    with httpx.Client(base_url=served.url, timeout=10, headers=headers) as client:
        yield client


@pytest.fixture
def unharmed(served: Serving, http: httpx.Client) -> Iterator[None]:
    """Require after a test that nothing failed inside, and that a good order still executes."""
    before = tracebacks(served.log)
    yield
    accepted = http.post("/execute", json=SWAP)
    assert accepted.status_code == 202, accepted.text
    deadline, status = time.monotonic() + _DONE_S_MAX, ""
    while status != "confirmed" and time.monotonic() < deadline:
        status = http.get(f"/orders/{accepted.json()['order_id']}").json()["status"]
    assert status == "confirmed"
    assert tracebacks(served.log) == before, served.log.read_text(errors="replace")[-5_000:]
