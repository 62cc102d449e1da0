"""Be the clients: send orders, follow, cancel and repeat them, and note every answer.

Who gets no answer, or one that says later, asks again under the same key, as often at the other
API.
"""

from __future__ import annotations

import asyncio
from time import monotonic, time_ns

import msgspec
from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.model.instants import rfc3339
from tests.chaos.exchange import Answer, Exchange
from tests.chaos.habits import USERS, habit
from tests.chaos.plan import APIS
from tests.chaos.record import Record, Stream, Tried
from tests.chaos.sockets import TERMINAL, listen

__all__ = ["GREEDY", "Traffic"]

GREEDY = "greedy"
"""Sends more than it may, and does not come back when it is refused."""
_AT_ONCE = 40
"""Orders of one user; fewer than it may have open, so that it is seldom refused."""
_TIMEOUT_S = 3.0
_PAUSE_S_MAX = 0.8


class _Said(Struct):
    order_id: str = ""
    status: str | int = ""
    seq: int = 0
    cancel_requested: bool = False
    code: str = ""


_read = msgspec.json.Decoder(_Said).decode


def _nothing(order_id: str, seq: int, status: str) -> None:
    """Hear what nobody may hear: the judge reads it from the record."""


class Traffic:
    """Send orders of several users until there are enough.

    Args:
        seed: of what is drawn.
        orders: how many.
        urls: of the APIs, as clients reach them.
        keys: of the users.
        record: takes what is seen.
    """

    def __init__(
        self, seed: int, orders: int, urls: dict[str, str], keys: dict[str, str], record: Record
    ) -> None:
        self.accepted = 0
        self._seed = seed
        self._orders = orders
        self._urls = urls
        self._keys = keys
        self._record = record
        self._draws = Draws(seed, "chaos/ways")
        self._begun = dict.fromkeys(USERS, 0)
        self._turn = 0
        self._grew = asyncio.Event()
        self._may_begin = asyncio.Event()
        self._may_begin.set()
        self._strangers: dict[str, str] = {}
        """A recent order of each user, for others to ask after."""
        self._exchanges = {api: Exchange(url) for api, url in urls.items()}

    def close(self) -> None:
        """Close all connections."""
        for exchange in self._exchanges.values():
            exchange.close()

    async def run(self) -> None:
        """Send all orders, and follow each until its end is heard."""
        async with asyncio.TaskGroup() as group:
            for user in USERS:
                for _ in range(_AT_ONCE):
                    group.create_task(self._trade(user))

    async def until_accepted(self, count: int) -> None:
        """Wait until so many orders have been accepted."""
        while self.accepted < count:
            self._grew.clear()
            await self._grew.wait()

    def hold(self) -> None:
        """Begin no order until ``go``; those that are open go on."""
        self._may_begin.clear()

    def go(self) -> None:
        """Begin orders again."""
        self._may_begin.set()

    async def hear_all(self, user: str, api: str) -> None:
        """Read a user's socket of all orders, again and again, until cancelled."""
        while True:
            stream = Stream(user=user, api=api)
            await listen(stream, self._urls[api], self._keys[user], self._record, self._heard)
            await asyncio.sleep(0.1)

    async def flood(self, number: int, count: int) -> None:
        """Send more orders at once than one user may have open; each once only."""
        await asyncio.gather(*(self._flood_one(f"flood-{number}-{n}", n) for n in range(count)))

    async def _flood_one(self, key: str, n: int) -> None:
        body: dict[str, object] = {"sell": "SOL", "buy": "USDC", "amount": str(1_000_000 + n)}
        await self._post(GREEDY, key, body, APIS[n % 2])

    async def _trade(self, user: str) -> None:
        while True:
            await self._may_begin.wait()
            if sum(self._begun.values()) >= self._orders:
                return
            self._begun[user] += 1
            await self._live_through(user, self._begun[user])

    async def _live_through(self, user: str, number: int) -> None:
        does = habit(self._seed, number * len(USERS) + USERS.index(user))
        key = f"order-{number}"  # the same keys for all users: they must not meet
        body = dict(does.body)
        if does.deadline_after_s is not None:
            body["deadline"] = rfc3339(time_ns() + int(does.deadline_after_s * 1e9))
        posts = [self._post_until_accepted(user, key, body)]
        if does.is_posted_twice:
            posts.append(self._post_until_accepted(user, key, body))
        order_id = (await asyncio.gather(*posts))[0]
        self._strangers[user] = order_id
        self.accepted += 1
        self._grew.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(user, order_id))
            if does.cancels_after_s is not None:
                group.create_task(self._cancel(user, order_id, does.cancels_after_s))
            if does.is_key_reused:
                other = body | {"amount": "77"}
                group.create_task(self._post(user, key, other, self._way()))
            if does.is_spied_on:
                group.create_task(self._spy(user))

    def _way(self) -> str:
        """Return the API that is asked next."""
        self._turn += 1
        return APIS[self._draws.u64(self._turn) % len(APIS)]

    async def _post_until_accepted(self, user: str, key: str, body: dict[str, object]) -> str:
        pause_s = 0.05
        while True:
            tried = await self._post(user, key, body, self._way())
            if tried.http == 202:
                self._record.accepted_s.setdefault(tried.order_id, monotonic())
                return tried.order_id
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def _cancel(self, user: str, order_id: str, after_s: float) -> None:
        """Cancel, until there is an answer, and then once more."""
        await asyncio.sleep(after_s)
        answers, pause_s = 0, 0.05
        while answers < 2:
            tried = await self._ask("DELETE", user, f"/orders/{order_id}", asked=order_id)
            answers += tried.http not in (0, 429, 503)
            if tried.http in (0, 429, 503):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def _spy(self, user: str) -> None:
        """Ask for another user's order, and for one that nobody has, and listen for them."""
        others = [order_id for owner, order_id in self._strangers.items() if owner != user]
        for asked in (*others, "0" * 32):
            await self._ask("SPY", user, f"/orders/{asked}", asked=asked)
            api = self._way()
            stream = Stream(user=user, api=api, order_id=asked, is_spying=True)
            await listen(stream, self._urls[api], self._keys[user], self._record, _nothing)

    async def _follow(self, user: str, order_id: str) -> None:
        """Read an order's log on sockets until its end, going on where the last one was cut."""
        last = 0

        def hear(_: str, seq: int, status: str) -> None:
            nonlocal last
            last = seq
            self._heard(order_id, seq, status)

        pause_s = 0.05
        while True:
            api = self._way()
            stream = Stream(user=user, api=api, order_id=order_id, from_seq=last + 1)
            await listen(stream, self._urls[api], self._keys[user], self._record, hear)
            if stream.code == 1000 or stream.http in (401, 403, 404):
                return
            pause_s = 0.05 if stream.said else min(2 * pause_s, _PAUSE_S_MAX)
            await asyncio.sleep(pause_s)

    def _heard(self, order_id: str, seq: int, status: str) -> None:
        del seq
        if status in TERMINAL:
            self._record.ended_s.setdefault(order_id, monotonic())

    async def _post(self, user: str, key: str, body: dict[str, object], api: str) -> Tried:
        sent = msgspec.json.encode(body)
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return await self._ask(
            "POST", user, "/execute", api=api, content=sent, headers=headers, key=key
        )

    async def _ask(
        self,
        verb: str,
        user: str,
        path: str,
        *,
        api: str = "",
        asked: str = "",
        key: str = "",
        content: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Tried:
        """Send one request, once, and note it."""
        api = api or self._way()
        answer: Answer | None = None
        began_s = monotonic()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self._exchanges[api].ask(
                    "GET" if verb == "SPY" else verb,
                    path,
                    (headers or {}) | {"Authorization": f"Bearer {self._keys[user]}"},
                    content,
                )
        except (OSError, EOFError):  # a timeout is an OSError
            pass
        found = _Said() if answer is None else _read(answer.body)
        tried = Tried(
            verb=verb,
            user=user,
            at_s=began_s,
            took_s=monotonic() - began_s,
            key=key,
            body=content.decode(),
            asked=asked,
            http=0 if answer is None else answer.status,
            code=found.code,
            order_id=found.order_id,
            status=str(found.status),
            seq=found.seq,
            cancel_requested=found.cancel_requested,
            has_retry_after=answer is not None and "retry-after" in answer.headers,
            text=answer.body.decode() if verb == "SPY" and answer is not None else "",
        )
        self._record.tried.append(tried)
        return tried
