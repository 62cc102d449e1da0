"""Check that no hand-made request harms the service, fails in it, or costs it much."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.service.hostile.case import WAITING
from tests.service.hostile.corpus import CORPUS
from tests.service.hostile.sender import Target, send_all
from tests.service.hostile.verdict import accepted, complaint, dear, stored, told_without_a_key

CASES = tuple(CORPUS.values())


@pytest.mark.usefixtures("unharmed")
def test_each_is_answered_as_it_should_be(target: Target, http: httpx.Client) -> None:
    """A refusal, or what was asked; and the orders stored are those answered with 202."""
    before = stored(http)
    found = asyncio.run(send_all(target, CASES))
    complaints = [said for case, answer in found if (said := complaint(case, answer))]
    assert not complaints, "\n".join(complaints)
    assert stored(http) - before == accepted(answer for _, answer in found)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("auth", ["keys"], indirect=True, scope="package")
def test_none_costs_much(target: Target) -> None:
    """One at a time, so that what the process's clock says is one request's."""
    found = asyncio.run(dear(target, [case for case in CASES if WAITING not in case.allowed]))
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("auth", ["keys"], indirect=True, scope="package")
def test_none_gets_in_without_a_key(target: Target, http: httpx.Client) -> None:
    """Whatever is wrong with the rest of a request, nothing is told but that it needs a key."""
    before = stored(http)
    found = asyncio.run(send_all(Target(target.port, target.pid), CASES))
    complaints = [said for case, answer in found if (said := told_without_a_key(case, answer))]
    assert not complaints, "\n".join(complaints)
    assert stored(http) == before
