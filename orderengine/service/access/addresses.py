"""Tell whose requests are counted together: the address that they really come from.

A client can write into ``X-Forwarded-For`` what it likes, and each proxy adds the address that it
saw at the right end. So the n-th entry from the right is the one that the outermost of n proxies
of ours wrote, and nothing to the left of it, nor any other header, says anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["address_of", "network_of"]

_BRACKETED = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?")
_IPV4_WITH_PORT = re.compile(r"([0-9.]{7,15}):[0-9]{1,5}", re.ASCII)
_ENTRY_MAX = 64
"""Characters; the longest address with its brackets, zone and port has fewer."""


def address_of(peer: str | None, headers: Iterable[tuple[bytes, bytes]], trusted_hops: int) -> str:
    """Return the network that a request counts for.

    Args:
        peer: the other end of the connection; None where it has no address, as a local socket.
        headers: all that came, in order.
        trusted_hops: how many proxies of ours stand in front.
    """
    if trusted_hops:
        for entry in _entries(headers, trusted_hops):
            network = network_of(entry)
            if network is not None:
                return network
    return network_of(peer or "") or "local"


def _entries(headers: Iterable[tuple[bytes, bytes]], count: int) -> list[str]:
    """Return the last entries of ``X-Forwarded-For``, the leftmost first."""
    lines = [value for name, value in headers if name == b"x-forwarded-for"]
    parts = b",".join(lines).rsplit(b",", count)
    return [part.decode("latin-1") for part in parts[-count:]]


@lru_cache(maxsize=8192)
def network_of(text: str) -> str | None:
    """Return an IPv4 address, or the /64 of an IPv6 address; None for what is neither.

    A home or a server has a whole /64 of IPv6, so its addresses count as one.
    """
    text = text.strip(" \t")
    if len(text) > _ENTRY_MAX:
        return None
    found = _BRACKETED.fullmatch(text) or _IPV4_WITH_PORT.fullmatch(text)
    text = found[1] if found is not None else text
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return f"{IPv6Address(int(address) >> 64 << 64)}/64"
        address = address.ipv4_mapped
    return str(address)
