"""Call a JSON-RPC server over HTTP: wait when it is busy, and never tell its key.

A server that is busy (429, 502, 503, 504, or an error that says so) is asked again later, as late
as its ``Retry-After`` says, until the deadline. Nothing of the URL but its host is ever told, in an
error or in a log: path, query and user may hold a key.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import anyio
import httpx

from orderengine.errors import InvalidData, Unavailable

__all__ = ["JsonRpc", "RpcRefusal"]

_BUSY = frozenset({408, 429, 502, 503, 504})
_BUSY_CODES = frozenset({429, -32429, -32004, -32005, -32014, -32016})
"""Too many requests; block not available, node behind, status not available yet, and a slot that
it has not reached yet (Solana's JSON-RPC documentation)."""
_NETWORK_TRIES = 3
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 8.0
_BYTES_MAX = 256 * 2**20
"""Of one answer; a hundred arrays of ticks are 2 MB."""
_SECRET_MIN = 6
_SAID_MAX = 200


class RpcRefusal(InvalidData):
    """Say that the server understood and refused; ``number`` is its code."""

    def __init__(self, source: str, found: str, expected: str, number: int) -> None:
        self.number = number
        super().__init__(source, found, expected)


class JsonRpc:
    """Call one server.

    Args:
        url: ``http://`` or ``https://``; may hold a key.
        deadline_s: how long a call may take, all its tries and waits together.
        timeout_s: how long one try may take.

    Raises:
        InvalidData: the URL is none.
    """

    def __init__(self, url: str, *, deadline_s: float = 60.0, timeout_s: float = 15.0) -> None:
        parts = _split(url)
        self._url = url
        self._deadline_s = deadline_s
        self._timeout_s = timeout_s
        self._secrets = _secrets_of(parts)
        self._next_id = 0
        self._client: httpx.AsyncClient | None = None
        self.where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        """The server without anything that could be a key."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[JsonRpc]:
        """Hold connections open meanwhile."""
        log, keep_out = logging.getLogger("httpx"), _KeepOut(self._url, self._secrets, self.where)
        log.addFilter(keep_out)  # it logs every request's URL
        try:
            async with httpx.AsyncClient(timeout=self._timeout_s) as client:
                self._client = client
                yield self
        finally:
            self._client = None
            log.removeFilter(keep_out)

    async def call(self, method: str, params: list[object]) -> Any:  # noqa: ANN401  (any JSON)
        """Return the result of a call.

        Raises:
            Unavailable: no answer, or only busy ones, until the deadline.
            RpcRefusal: the server refuses the call for good.
            InvalidData: the answer is none of JSON-RPC.
        """
        until = anyio.current_time() + self._deadline_s
        wait_s, network_tries = _FIRST_WAIT_S, 0
        while True:
            try:
                return await self._once(method, params, until)
            except _Busy as busy:
                network_tries += busy.is_network
                pause_s = wait_s if busy.after_s is None else max(busy.after_s, 0.0)
                given_up = network_tries >= _NETWORK_TRIES
                if given_up or anyio.current_time() + pause_s >= until:
                    later = f", and asks to wait {busy.after_s:g} s" if busy.after_s else ""
                    raise Unavailable(f"{self.where}: {busy.reason}{later}") from None
            await anyio.sleep(pause_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _once(self, method: str, params: list[object], until: float) -> Any:  # noqa: ANN401
        self._next_id += 1
        request = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        try:
            left_s = until - anyio.current_time()
            with anyio.fail_after(max(min(self._timeout_s, left_s), 0.0)):
                status, headers, body = await self._post(request)
        except TimeoutError:
            raise _Busy(f"no answer to {method} within the time", is_network=True) from None
        except httpx.InvalidURL:
            raise InvalidData(self.where, "an address that cannot be used", "a URL") from None
        except httpx.TransportError as error:
            reason = self._cleaned(str(error)) or type(error).__name__
            raise _Busy(f"cannot be reached ({reason})", is_network=True) from None
        except httpx.HTTPError as error:  # a body that cannot be unpacked
            raise InvalidData(self.where, type(error).__name__, "an answer of JSON-RPC") from None
        if status in _BUSY:
            raise _Busy(f"answers {method} with HTTP {status}", after_s=_retry_after_s(headers))
        return self._result(method, request["id"], status, body)

    async def _post(self, request: dict[str, object]) -> tuple[int, httpx.Headers, bytes]:
        if self._client is None:
            raise RuntimeError("call within open()")
        async with self._client.stream("POST", self._url, json=request) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _BYTES_MAX:
                    found = f"an answer above {_BYTES_MAX} bytes"
                    raise InvalidData(self.where, found, "a shorter one")
            return response.status_code, response.headers, bytes(body)

    def _result(self, method: str, number: object, status: int, body: bytes) -> Any:  # noqa: ANN401
        source = f"the answer of {self.where} to {method}"
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict):
            code, said = error.get("code"), self._cleaned(str(error.get("message")))
            if code in _BUSY_CODES:
                raise _Busy(f"answers {method} with error {code} ({said})")
            number = code if isinstance(code, int) else 0
            raise RpcRefusal(source, f"error {number} ({said})", "a result", number)
        if status != httpx.codes.OK:
            raise InvalidData(source, f"HTTP {status}", "HTTP 200; is the URL, and its key, right?")
        if not isinstance(answer, dict) or "result" not in answer:
            raise InvalidData(source, "no JSON-RPC", "a JSON object with a result")
        if answer.get("id") != number:
            raise InvalidData(source, "another call's number", f"number {number}")
        return answer["result"]

    def _cleaned(self, text: str) -> str:
        """Return a server's words on one line, without anything of ours that is secret."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _SAID_MAX else f"{text[: _SAID_MAX - 1]}…"


class _Busy(Exception):
    """Say that the same call may succeed later."""

    def __init__(
        self, reason: str, *, after_s: float | None = None, is_network: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s
        self.is_network = is_network


class _KeepOut(logging.Filter):
    """Replace a URL in the arguments of log records."""

    def __init__(self, url: str, secrets: tuple[str, ...], where: str) -> None:
        super().__init__()
        self._hidden = (str(httpx.URL(url)), *secrets)
        self._where = where

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, changed if it has the URL."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                self._where if any(hidden in str(value) for hidden in self._hidden) else value
                for value in record.args
            )
        return True


def _split(url: str) -> SplitResult:
    """Return a URL's parts; it is not quoted, for it may hold a key."""
    expected = "http://host or https://host, special characters escaped"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise InvalidData("the RPC URL", "something else (not shown: it may hold a key)", expected)
    return parts


def _secrets_of(parts: SplitResult) -> tuple[str, ...]:
    """Return what a key may be, longest first."""
    found = {parts.query, parts.path, *(value for _, value in parse_qsl(parts.query))}
    found |= {parts.username or "", parts.password or "", *parts.path.split("/")}
    found |= {unquote(text) for text in found}
    return tuple(sorted((text for text in found if len(text) >= _SECRET_MIN), key=len)[::-1])


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Return the seconds of ``Retry-After``; of a date, counted from the answer's own date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        until, sent = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max((until - sent).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
