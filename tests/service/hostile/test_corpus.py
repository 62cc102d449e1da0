"""Check that no hand-made request harms the service, fails in it, or costs it much."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.service.hostile.case import SWAP, WAITING
from tests.service.hostile.corpus import CORPUS
from tests.service.hostile.faults import FAULTS, SOUND
from tests.service.hostile.sender import Target, send_all
from tests.service.hostile.verdict import accepted, complaint, dear, stored, tracebacks
from tests.service.serving import Serving


@pytest.mark.usefixtures("unharmed")
def test_each_is_answered_as_it_should_be(target: Target, http: httpx.Client) -> None:
    """A refusal, or what was asked; and the orders stored are those answered with 202."""
    before = stored(http)
    found = asyncio.run(send_all(target, SOUND))
    complaints = [said for case, answer in found if (said := complaint(case, answer))]
    assert not complaints, "\n".join(complaints)
    assert stored(http) - before == accepted(answer for _, answer in found)


@pytest.mark.usefixtures("unharmed")
def test_none_costs_much(target: Target) -> None:
    """One at a time, so that what the process's clock says is one request's."""
    found = asyncio.run(dear(target, [case for case in SOUND if WAITING not in case.allowed]))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.xfail(reason="to be mended", strict=False)
def test_fault(fault: str, target: Target, served: Serving, http: httpx.Client) -> None:
    """The same is asked of what is known to be wrong."""
    said_before, before = tracebacks(served.log), stored(http)
    cases = [CORPUS[name] for name in FAULTS[fault]]
    found = asyncio.run(send_all(target, cases))
    complaints = [said for case, answer in found if (said := complaint(case, answer))]
    assert not complaints, "\n".join(complaints)
    # What is accepted before this order is stored before it.
    last = http.post("/execute", json=SWAP).json()["order_id"]
    assert stored(http) - before == accepted(answer for _, answer in found) | {last}
    assert tracebacks(served.log) == said_before
