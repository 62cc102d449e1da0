"""Check whose requests count together, whatever a client writes into its headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.service.access.addresses import address_of, network_of
from tests.service.access.forgeries import FORGERIES

PEER = "203.0.113.7"
OUTSIDE = "198.51.100.9"
"""What our own proxy saw."""


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1\t", "192.0.2.1"),
        ("192.0.2.1:8080", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:c000:201]:443", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:DB8:1:2::9]", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("192.0.2", None),
        ("192.0.2.256", None),
        ("192.0.2.01", None),
        ("192.0.2.\u0661", None),
        ("192.0.2.1, 192.0.2.2", None),
        ("1" * 5_000, None),
        ("[2001:db8::1", None),
    ],
)
def test_an_address_is_read_as_what_it_is(text: str, network: str | None) -> None:
    """IPv6 counts by its /64, and IPv4 in the dress of IPv6 as IPv4."""
    assert network_of(text) == network


@pytest.mark.parametrize("forged", FORGERIES, ids=range(len(FORGERIES)))
def test_no_header_changes_the_address(forged: list[tuple[bytes, bytes]]) -> None:
    """Without proxies the peer counts; behind one, what that one added at the end."""
    assert address_of(PEER, forged, 0) == PEER
    added = [*forged, (b"x-forwarded-for", OUTSIDE.encode())]
    assert address_of(PEER, added, 1) == OUTSIDE
    joined = b",".join(value for name, value in added if name == b"x-forwarded-for")
    assert address_of(PEER, [(b"x-forwarded-for", joined)], 1) == OUTSIDE


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 3))
def test_what_stands_further_left_is_not_read(forged: list[bytes], hops: int) -> None:
    """Any bytes at all, with as many true entries at the end as there are proxies."""
    true = [f"192.0.2.{number}".encode() for number in range(hops)]
    headers = [(b"x-forwarded-for", line) for line in [*forged, *true]]
    assert address_of(PEER, headers, hops) == "192.0.2.0"


@pytest.mark.parametrize(
    ("value", "hops", "address"),
    [
        (b"192.0.2.1, 192.0.2.2", 2, "192.0.2.1"),
        (b"192.0.2.2", 2, "192.0.2.2"),
        (b"unknown, 192.0.2.2", 2, "192.0.2.2"),
        (b"unknown", 1, PEER),
        (b"", 3, PEER),
        (b"192.0.2.1,,", 2, PEER),
    ],
)
def test_too_few_entries_fall_back_to_what_is_nearer(value: bytes, hops: int, address: str) -> None:
    """To the leftmost that a proxy of ours wrote, or else to the peer."""
    assert address_of(PEER, [(b"x-forwarded-for", value)], hops) == address


def test_a_peer_without_an_address_is_one_too() -> None:
    """As a client of a local socket."""
    assert address_of(None, [], 0) == "local"
