"""Check that refusals are logged, and that nobody can fill a disk with them."""

from __future__ import annotations

import logging

import anyio
import pytest

from orderengine import virtualtime
from orderengine.service.access.identity import Refusal
from orderengine.service.access.refusal_log import RefusalLog
from tests.service.access.fakes import VirtualClock

LIMITED = Refusal(429, "RATE_LIMITED", "too many")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return whom the log names, and for what."""
    told = [vars(record)["fields"] for record in caplog.records if record.msg == "refused"]
    return [(fields["address"], fields["code"]) for fields in told]


def test_an_address_is_named_once_a_minute_for_each_code(caplog: pytest.LogCaptureFixture) -> None:
    """However often it asks; the next minute names it anew."""
    caplog.set_level(logging.INFO, "orderengine.access")

    async def main() -> None:
        log = RefusalLog(VirtualClock())
        for _ in range(3):
            log.note("192.0.2.1", LIMITED)
            log.note("192.0.2.1", Refusal(401, "UNAUTHENTICATED", "no"))
            log.note("192.0.2.2", LIMITED)
        await anyio.sleep(60)
        log.note("192.0.2.1", LIMITED)

    virtualtime.run(main)
    first = [("192.0.2.1", "RATE_LIMITED"), ("192.0.2.1", "UNAUTHENTICATED")]
    assert lines(caplog) == [*first, ("192.0.2.2", "RATE_LIMITED"), first[0]]


def test_a_crowd_of_addresses_makes_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    """And what is no refusal of a stranger makes none."""
    caplog.set_level(logging.INFO, "orderengine.access")

    async def main() -> None:
        log = RefusalLog(VirtualClock())
        log.note("192.0.2.1", Refusal(404, "NOT_FOUND", "no such path"))
        for number in range(5_000):
            log.note(f"2001:db8:0:{number:x}::/64", LIMITED)

    virtualtime.run(main)
    assert len(lines(caplog)) == 1_000
