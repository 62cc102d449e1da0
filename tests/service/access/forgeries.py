"""List what clients write into headers to look like somebody else each time."""

from __future__ import annotations

__all__ = ["FORGERIES"]


def _forwarded(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value) for value in values]


FORGERIES: tuple[list[tuple[bytes, bytes]], ...] = (
    _forwarded(b"192.0.2.66"),
    _forwarded(b"192.0.2.66, 192.0.2.67, 192.0.2.68"),
    _forwarded(b"192.0.2.66", b"192.0.2.67"),
    _forwarded(b"  192.0.2.66\t , "),
    _forwarded(b",,,,"),
    _forwarded(b""),
    _forwarded(b"192.0.2.66:4711"),
    _forwarded(b"[2001:db8::66]:4711"),
    _forwarded(b"fe80::66%eth0"),
    _forwarded(b"::ffff:192.0.2.66"),
    _forwarded(b"unknown, _hidden"),
    _forwarded(b"for=192.0.2.66;proto=https"),
    _forwarded(b'"192.0.2.66"'),
    _forwarded(b"192.0.2.66," * 800),
    _forwarded("\u0661\u0669\u0662.2.3.4".encode(), b"\xff\xfe"),
    _forwarded(b"192.0.2.66;192.0.2.67"),
    _forwarded(b"127.0.0.1", b"localhost"),
    [(b"x-real-ip", b"192.0.2.66")],
    [(b"forwarded", b"for=192.0.2.66;by=203.0.113.1")],
    [(b"cf-connecting-ip", b"192.0.2.66"), (b"true-client-ip", b"192.0.2.66")],
    [(b"x-client-ip", b"192.0.2.66"), (b"x-cluster-client-ip", b"192.0.2.66")],
    [(b"x-forwarded", b"192.0.2.66"), (b"forwarded-for", b"192.0.2.66")],
    [(b"x-originating-ip", b"192.0.2.66"), (b"x-remote-addr", b"192.0.2.66")],
    [(b"via", b"1.1 192.0.2.66"), (b"x-forwarded-host", b"192.0.2.66")],
)
"""Each is some headers, with names in lower case as servers give them."""
