"""Check that no generated request harms the service, fails in it, or costs it much.

``HOSTILE_COUNT`` says how many, ``HOSTILE_SEED`` which: one that fails is named by its seed and
number, and ``mutated(seed, number)`` makes it again.
"""

from __future__ import annotations

import asyncio
import os

import httpx
import pytest

from tests.service.hostile.mutator import generated
from tests.service.hostile.sender import Target, send_all
from tests.service.hostile.verdict import (
    CPU_MS_MAX,
    accepted,
    complaint,
    cpu_ms,
    dear,
    stored,
    told_without_a_key,
)

COUNT = int(os.environ.get("HOSTILE_COUNT", "1000"))
SEED = int(os.environ.get("HOSTILE_SEED", "1"))
_BATCH = 250


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("unharmed")
def test_each_is_answered_and_none_costs_much(target: Target, http: httpx.Client) -> None:
    """What is refused leaves nothing behind, and what is taken is there."""
    before = stored(http)
    cases = list(generated(SEED, COUNT))
    complaints: list[str] = []
    ids: set[str] = set()
    for first in range(0, COUNT, _BATCH):
        batch = cases[first : first + _BATCH]
        spent = cpu_ms(target.pid)
        found = asyncio.run(send_all(target, batch, at_once=_BATCH))
        complaints += [said for case, answer in found if (said := complaint(case, answer))]
        ids |= accepted(answer for _, answer in found)
        if cpu_ms(target.pid) - spent > CPU_MS_MAX:
            complaints += asyncio.run(dear(target, batch))
    assert not complaints, "\n".join(complaints)
    # A connection that is cut may lose an answer, and never an order that was answered.
    assert stored(http) - before >= ids


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("auth", ["keys"], indirect=True, scope="package")
def test_none_gets_in_without_a_key(target: Target, http: httpx.Client) -> None:
    """A part of them again, from somebody who has no key."""
    before = stored(http)
    cases = list(generated(SEED, COUNT // 5))
    found = asyncio.run(send_all(Target(target.port, target.pid), cases, at_once=_BATCH))
    complaints = [said for case, answer in found if (said := told_without_a_key(case, answer))]
    assert not complaints, "\n".join(complaints)
    assert stored(http) == before
