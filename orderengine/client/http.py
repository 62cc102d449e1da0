"""Send requests, and send them again while the service is away and a repetition is safe."""

from __future__ import annotations

import anyio
import httpx
import msgspec

from orderengine.client.backoff import pauses_s
from orderengine.client.problems import error_of, may_pass, retry_after_s
from orderengine.errors import InvalidData, OrderEngineError, Unavailable

__all__ = ["Http", "Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Hold what every connection of a client has in common."""

    url: str
    """``http://host:port`` or ``https://…``, without a slash at the end."""
    key: str | None
    timeout_s: float
    """For one try."""
    give_up_s: float
    """For all tries of one call together."""
    connections: int
    """HTTP connections at once; further requests wait for one, within ``timeout_s``."""

    def __post_init__(self) -> None:
        try:
            parts = httpx.URL(self.url)
        except httpx.InvalidURL:
            parts = httpx.URL()
        if parts.scheme not in ("http", "https") or not parts.host or parts.query:
            raise InvalidData("the url", repr(self.url), "one such as http://127.0.0.1:3000")
        for name in ("timeout_s", "give_up_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InvalidData(name, str(getattr(self, name)), "seconds above 0")

    @property
    def headers(self) -> dict[str, str]:
        """Who asks."""
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}


class Http:
    """Send requests over kept connections; close it when done."""

    def __init__(self, settings: Settings) -> None:
        self._give_up_s = settings.give_up_s
        self._timeout_s = settings.timeout_s
        # httpx looks through all that wait, each time that one is done: they had better wait here.
        self._room = anyio.CapacityLimiter(settings.connections)
        limits = httpx.Limits(
            max_connections=settings.connections, max_keepalive_connections=settings.connections
        )
        self._http = httpx.AsyncClient(
            base_url=settings.url,
            headers=settings.headers,
            limits=limits,
            timeout=settings.timeout_s,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        key: str = "",
        order_id: str = "",
    ) -> bytes:
        """Return the body of a 2xx answer; try again while the service is away.

        Only for requests that may be repeated: all but an execution without a key.

        Args:
            method: of HTTP.
            path: with its query.
            body: sent as JSON unless None.
            key: the idempotency key, if any.
            order_id: for the error's words.

        Raises:
            Unavailable: no connection, or 429 or 5xx; 500 at once, the others until the deadline.
            InvalidRequest, Rejected: the service refused.
        """
        give_up_at = anyio.current_time() + self._give_up_s
        headers = {"Idempotency-Key": key} if key else {}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        request = self._http.build_request(method, path, headers=headers, content=content)
        for pause_s in pauses_s():
            wait_s = pause_s
            failure: OrderEngineError
            try:
                answer = await self._once(request, give_up_at)
            except Unavailable as error:
                failure = error
            else:
                if answer.is_success:
                    return answer.content
                failure = _failure(answer, order_id, key)
                if not may_pass(answer.status_code):
                    raise failure
                wait_s = max(pause_s, retry_after_s(answer.headers))
            if anyio.current_time() + wait_s >= give_up_at:
                raise failure
            await anyio.sleep(wait_s)
        raise AssertionError("the pauses have no end")

    async def status(self, path: str) -> int:
        """Return the status of one GET, without trying again. Raises ``Unavailable``."""
        request = self._http.build_request("GET", path)
        return (await self._once(request, anyio.current_time() + self._timeout_s)).status_code

    async def _once(self, request: httpx.Request, give_up_at: float) -> httpx.Response:
        """Return the answer of one try, in time or not at all. Raises ``Unavailable``."""
        left_s = max(give_up_at - anyio.current_time(), 0.001)
        try:
            # httpx bounds each read; a server that drips bytes needs a bound on the whole.
            with anyio.fail_after(min(self._timeout_s, left_s)):
                async with self._room:
                    return await self._http.send(request)
        except (httpx.TransportError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"no answer from {request.url.host}: {reason}") from error


def _failure(answer: httpx.Response, order_id: str, key: str) -> OrderEngineError:
    return error_of(answer.status_code, answer.content, order_id=order_id, key=key)
