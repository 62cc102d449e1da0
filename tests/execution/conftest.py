"""Offer both worlds to run in, and show the values of failed assertions in shared modules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from orderengine import virtualtime

pytest.register_assert_rewrite("tests.execution.fakes", "tests.execution.store_contract")

Run = Callable[[Callable[[], Awaitable[Any]]], Any]


@pytest.fixture(scope="session", params=["virtualtime", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Return a function that runs another one: in virtual time, or on asyncio in real time."""
    if request.param == "virtualtime":
        return virtualtime.run
    return lambda function: anyio.run(function, backend="asyncio")
