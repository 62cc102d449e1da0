"""List bad request lines: methods, targets, versions, and what is no HTTP at all."""

from __future__ import annotations

from collections.abc import Iterator

from tests.service.hostile.case import (
    CLOSED,
    HOST,
    REFUSED,
    WAITING,
    Case,
    Outcomes,
    get,
    request,
)

__all__ = ["request_lines"]

_BROKEN: Outcomes = frozenset({400, 501, 505, CLOSED})
"""What is no HTTP: the parser says so."""

_METHODS = (
    *(b"HEAD", b"PUT", b"PATCH", b"TRACE", b"CONNECT", b"OPTIONS", b"PROPFIND", b"MKCOL"),
    *(b"COPY", b"MOVE", b"LOCK", b"UNLOCK", b"SEARCH", b"PURGE", b"LINK", b"REPORT", b"M-SEARCH"),
)
_NO_METHODS = {
    "unknown": b"FROB",
    "lower case": b"get",
    "mixed case": b"Get",
    "empty": b"",
    "with a NUL": b"G\x00T",
    "with a space": b"GE T",
    "not ASCII": b"G\xc3\x89T",
    "10,000 letters": b"A" * 10_000,
    "digits": b"123",
    "punctuation": b"!!!",
    "HTTP/2 preface": b"PRI",
    "RTSP": b"DESCRIBE",
    "a template": b"{{7*7}}",
    "with a tab": b"GET\t",
    "with an equals sign": b"GET=1",
}
_TARGETS = {
    "NUL encoded": b"/%00",
    "order NUL": b"/orders/%00",
    "order newline": b"/orders/%0d%0aX:%201",
    "overlong slash": b"/orders%c0%af",
    "overlong dot": b"/%c0%ae%c0%ae/etc/passwd",
    "overlong NUL": b"/orders/%c0%80",
    "three byte overlong": b"/orders/%e0%80%af",
    "surrogate": b"/orders/%ed%a0%80",
    "beyond Unicode": b"/orders/%f4%90%80%80",
    "invalid UTF-8": b"/orders/%ff%fe",
    "dots": b"/../../etc/passwd",
    "dots encoded": b"/%2e%2e/%2e%2e/etc/passwd",
    "dots in the middle": b"/orders/../execute",
    "double encoding": b"/orders/%252e%252e%252f",
    "asset dots": b"/docs/assets/../../pyproject.toml",
    "asset dots encoded": b"/docs/assets/..%2f..%2fMETADATA",
    "asset backslash": b"/docs/assets/..\\..\\METADATA",
    "asset absolute": b"/docs/assets/%2fetc%2fpasswd",
    "asset NUL": b"/docs/assets/swagger_bundle.js%00.css",
    "two slashes": b"//orders",
    "three slashes": b"///orders///",
    "slash inside": b"/orders//events",
    "slash encoded": b"/orders%2fx",
    "semicolon": b"/orders;jsessionid=1",
    "semicolon alone": b"/;/orders",
    "bad percent": b"/orders/%",
    "half percent": b"/orders/%4",
    "percent letters": b"/orders/%zz",
    "percent u": b"/orders/%u0041",
    "backslash": b"/orders\\x",
    "fragment": b"/nowhere#/orders",
    "brackets": b"/orders/{order_id}",
    "asterisk": b"*",
    "trailing dot": b"/orders.",
    "wrong case": b"/ORDERS",
    "dot file": b"/.env",
    "git": b"/.git/config",
    "admin": b"/admin",
    "php": b"/index.php?-d+allow_url_include%3d1",
    "websocket path by HTTP": b"/ws",
    "websocket order by HTTP": b"/ws/x",
    "order of 10,000 letters": b"/orders/" + b"a" * 10_000,
    "1,000 parts": b"/orders" + b"/a" * 1_000,
    "10,000 slashes": b"/" * 10_000,
    "6,000 NULs": b"/orders/" + b"%00" * 6_000,
    "SQL": b"/orders/'%20OR%201=1--",
    "SQL union": b"/orders/x'%20UNION%20SELECT%20*%20FROM%20orders--",
    "template": b"/orders/%7b%7b7*7%7d%7d",
    "log4j": b"/orders/$%7bjndi:ldap://127.0.0.1/a%7d",
    "right to left": b"/orders/%e2%80%ae",
    "emoji": b"/orders/%f0%9f%92%a9",
    "combining": b"/orders/" + b"%cc%81" * 500,
    "control characters": b"/orders/%01%02%1b%5b2J",
    "space encoded": b"/orders/%20",
    "plus": b"/orders/+",
    "events of nothing": b"/orders//events",
    "events of NUL": b"/orders/%00/events",
    "deeper": b"/orders/x/events/1",
    "health below": b"/health/live/x",
    "openapi below": b"/openapi.json/x",
}
_RAW_TARGETS = {
    "not ASCII": b"/orders/\xc3\xa9",
    "raw bytes": b"/orders/\xff\xfe",
    "NUL": b"/orders\x00",
    "tab": b"/orders\tx",
    "space": b"/orders x",
    "control": b"/orders\x01",
    "delete": b"/orders\x7f",
    "no slash": b"orders",
    "empty": b"",
    "question mark": b"?limit=1",
    "absolute without a path": b"http://127.0.0.1",
    "absolute without a host": b"http:///orders",
    "absolute port letters": b"http://127.0.0.1:port/orders",
    "absolute port too large": b"http://127.0.0.1:99999/orders",
    "absolute other scheme": b"file:///etc/passwd",
    "absolute with brackets": b"http://[::1/orders",
    "authority": b"127.0.0.1:80",
    "javascript": b"javascript:alert(1)",
}
_LINES = {
    "version 2.0": b"GET /orders HTTP/2.0",
    "version 0.9": b"GET /orders HTTP/0.9",
    "version 3": b"GET /orders HTTP/3",
    "version 1.2": b"GET /orders HTTP/1.2",
    "version 9.9": b"GET /orders HTTP/9.9",
    "version 1.10": b"GET /orders HTTP/1.10",
    "version letters": b"GET /orders HTTP/a.b",
    "version negative": b"GET /orders HTTP/-1.1",
    "version lower case": b"GET /orders http/1.1",
    "version of another protocol": b"GET /orders ICY/1.1",
    "version with a space": b"GET /orders HTTP/ 1.1",
    "version missing digits": b"GET /orders HTTP/",
    "no version": b"GET /orders",
    "no target": b"GET HTTP/1.1",
    "two targets": b"GET /orders /orders HTTP/1.1",
    "leading space": b" GET /orders HTTP/1.1",
    "two spaces": b"GET  /orders  HTTP/1.1",
    "tabs": b"GET\t/orders\tHTTP/1.1",
    "trailing space": b"GET /orders HTTP/1.1 ",
    "trailing letters": b"GET /orders HTTP/1.1 abc",
    "vertical tab": b"GET\x0b/orders\x0bHTTP/1.1",
}
_NO_HTTP = {
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(189),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "SMTP": b"EHLO localhost\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "PostgreSQL": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "a response": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "NULs": bytes(1_000),
    "0xff": b"\xff" * 1_000,
    "UTF-16": "GET /orders HTTP/1.1\r\n\r\n".encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbfGET /orders HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "PROXY protocol": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /orders HTTP/1.1\r\n\r\n",
    "PROXY protocol 2": b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c" + bytes(12),
    "a SOCKS greeting": b"\x05\x01\x00",
    "XML": b"<?xml version='1.0'?><a/>\r\n\r\n",
    "JSON": b'{"sell":"SOL"}\r\n\r\n',
    "a frame": b"\x81\x85\x01\x02\x03\x04hello",
    "carriage returns": b"\r" * 1_000,
}


def request_lines() -> Iterator[Case]:
    """Give the family."""
    for method in _METHODS:
        for target in (b"/orders", b"/execute", b"/orders/x"):
            if (method, target) != (b"GET", b"/orders"):
                name = f"method {method.decode()} of {target.decode()}"
                allowed = REFUSED | {200 if method == b"HEAD" else 204}
                yield Case(name, get(target, method=method), allowed)
    for name, method in _NO_METHODS.items():
        yield Case(f"method {name}", get(b"/orders", method=method), _BROKEN)
    for name, target in _TARGETS.items():
        yield Case(f"target {name}", get(target), REFUSED)
    for name, target in _RAW_TARGETS.items():
        yield Case(f"raw target {name}", get(target), _BROKEN | {404})
    for name, line in _LINES.items():
        raw = request(line, HOST, b"Connection: close")
        yield Case(f"line {name}", raw, _BROKEN | ({200} if _is_lenient(name) else set()))
    for name, raw in _NO_HTTP.items():
        yield Case(f"no HTTP: {name}", raw, _BROKEN | {WAITING})
    for name, line in {"empty lines first": b"\r\n\r\n", "newlines first": b"\n\n\n"}.items():
        yield Case(f"line {name}", line + get(b"/orders"), _BROKEN | {200})
    bare = b"GET /orders HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n"
    yield Case("line feeds alone", bare, _BROKEN | {200})
    returns = b"GET /orders HTTP/1.1\rHost: 127.0.0.1\r\r"
    yield Case("line carriage returns alone", returns, _BROKEN | {WAITING})


def _is_lenient(name: str) -> bool:
    """Whether the robustness rule of RFC 9112, 3 lets a server take it for a good one."""
    return name in {"version 2.0", "version 0.9", "no version", "two spaces", "trailing space"}
