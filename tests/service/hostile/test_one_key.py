"""Check that one idempotency key makes one order, whatever comes at once."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.service.hostile.case import HOST, Case, body_of, post, request
from tests.service.hostile.sender import Target, send_all
from tests.service.hostile.verdict import accepted, stored

AT_ONCE = 1_000
_FILES = 2_500


@pytest.fixture(scope="module", autouse=True)
def many_files() -> Iterator[None]:
    """Allow as many connections as are opened here, and as many again by the service."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if before[1] == resource.RLIM_INFINITY else min(_FILES, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, before[0]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def ordering(key: str, amount: int) -> Case:
    """Return a good order under a key."""
    body = body_of(amount=b'"%d"' % amount)
    raw = post(b"/execute", body, b"Idempotency-Key: " + key.encode())
    return Case(f"{key} {amount}", raw, frozenset({202, 422}))


def test_one_body_makes_one_order(target: Target, http: httpx.Client) -> None:
    """A thousand at once are answered with the same order, and it is the only one."""
    before = stored(http)
    case = ordering("same", 1_000_000)
    found = asyncio.run(send_all(target, [case] * AT_ONCE, at_once=AT_ONCE))
    assert Counter(answer.outcome for _, answer in found) == {202: AT_ONCE}
    assert len(accepted(answer for _, answer in found)) == 1
    assert stored(http) - before == accepted(answer for _, answer in found)


def test_two_bodies_make_one_order(target: Target, http: httpx.Client) -> None:
    """Whichever comes first is the order, and all of the others are told that the key is taken."""
    before = stored(http)
    cases = [ordering("two", 1_000_000), ordering("two", 2_000_000)]
    found = asyncio.run(send_all(target, cases * (AT_ONCE // 2), at_once=AT_ONCE))
    assert Counter(answer.outcome for _, answer in found) == dict.fromkeys((202, 422), AT_ONCE // 2)
    assert len({case.name for case, answer in found if answer.outcome == 202}) == 1
    assert stored(http) - before == accepted(answer for _, answer in found)
    assert len(stored(http) - before) == 1


def test_a_trailer_is_no_header(target: Target) -> None:
    """What comes behind the body was not there when the headers were looked at: it says nothing."""
    body, line = body_of(), b"POST /execute HTTP/1.1"
    kinds = (b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    chunks = b"%x\r\n%s\r\n0\r\nIdempotency-Key: trailing\r\n\r\n" % (len(body), body)
    raw = request(line, HOST, b"Connection: close", *kinds, body=chunks)
    case = Case("trailer", raw, frozenset({202, 400}))
    found = asyncio.run(send_all(target, [case] * 2, at_once=1))
    outcomes = {answer.outcome for _, answer in found}
    assert outcomes == {400} or len(accepted(answer for _, answer in found)) == 2
