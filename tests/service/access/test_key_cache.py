"""Check how long a key is believed, and how often the database is asked for it."""

from __future__ import annotations

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import Unavailable
from orderengine.model.api_key import ApiKey
from orderengine.service.access.identity import Identity
from orderengine.service.access.key_cache import KeyCache
from orderengine.service.credentials import new_secret, sha256_of
from tests.service.access.fakes import FakeKeys, VirtualClock

SECRET = new_secret()
DIGEST = sha256_of(SECRET)


def cached(answer_s: float = 0.0) -> tuple[KeyCache, FakeKeys]:
    """Return a cache over a database that holds one key."""
    keys = FakeKeys(answer_s=answer_s)
    keys.by_hash[DIGEST] = ApiKey(key_id="k1", user="alice")
    return KeyCache(keys, VirtualClock()), keys


def test_a_key_is_asked_for_every_half_second() -> None:
    """However often it is used in between."""
    cache, keys = cached()

    async def main() -> None:
        for _ in range(200):
            found = await cache.identify(SECRET)
            assert found is not None
            assert found.user == "alice"
            await anyio.sleep(0.01)

    virtualtime.run(main)
    assert len(keys.asked) == 4


@pytest.mark.parametrize("answer_s", [0.0, 0.3])
def test_a_revoked_key_is_dead_within_a_second(answer_s: float) -> None:
    """An answer that was long on its way is old by that time."""
    cache, keys = cached(answer_s)

    async def main() -> None:
        await cache.identify(SECRET)
        keys.by_hash[DIGEST] = replace(keys.by_hash[DIGEST], revoked_at_ns=1)
        await anyio.sleep(1)
        assert await cache.identify(SECRET) is None

    virtualtime.run(main)


def test_a_key_ends_when_it_expires() -> None:
    """To the nanosecond, whatever is remembered."""
    cache, keys = cached()
    keys.by_hash[DIGEST] = replace(keys.by_hash[DIGEST], expires_at_ns=100_000_000)

    async def main() -> None:
        await anyio.sleep(0.099)
        assert await cache.identify(SECRET) is not None
        await anyio.sleep(0.001)
        assert await cache.identify(SECRET) is None

    virtualtime.run(main)
    assert len(keys.asked) == 1


def test_while_the_database_is_away_a_key_is_believed_for_half_a_second() -> None:
    """Then nobody is let in: the doors do not open by themselves."""
    cache, keys = cached()

    async def main() -> None:
        await cache.identify(SECRET)
        keys.is_away = True
        await anyio.sleep(0.49)
        assert await cache.identify(SECRET) is not None
        await anyio.sleep(0.01)
        with pytest.raises(Unavailable):
            await cache.identify(SECRET)

    virtualtime.run(main)


def test_a_database_that_does_not_answer_is_given_up() -> None:
    """All who asked the same meanwhile are told together, after one second."""
    cache, _ = cached(answer_s=60)
    ended_at: list[float] = []

    async def ask() -> None:
        with pytest.raises(Unavailable):
            await cache.identify(SECRET)
        ended_at.append(anyio.current_time())

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)

    virtualtime.run(main)
    assert ended_at == [pytest.approx(1.0)] * 50


def test_a_thousand_who_ask_at_once_ask_once() -> None:
    """Also if the first of them goes away before the answer."""
    cache, keys = cached(answer_s=0.1)
    found: list[Identity | None] = []

    async def ask() -> None:
        found.append(await cache.identify(SECRET))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            with anyio.move_on_after(0.05):
                group.start_soon(ask)
                async with anyio.create_task_group() as leaving:
                    leaving.start_soon(cache.identify, SECRET)
                    for _ in range(999):
                        group.start_soon(ask)

    virtualtime.run(main)
    assert len(found) == 1_000
    assert None not in found
    assert len(keys.asked) <= 2


def test_secrets_that_are_made_up_fill_no_memory() -> None:
    """And they push out no key that exists."""
    cache, keys = cached()

    async def main() -> None:
        await cache.identify(SECRET)
        for number in range(3_000):
            assert await cache.identify(f"oe_{number:043}") is None
        assert await cache.identify(SECRET) is not None

    virtualtime.run(main)
    assert keys.asked.count(DIGEST) == 1
    assert len(cache._unknown) == 1_000
    assert len(cache._known) == 1


def test_one_made_up_secret_is_asked_for_once() -> None:
    """For as long as a true one is believed."""
    cache, keys = cached()

    async def main() -> None:
        for _ in range(100):
            assert await cache.identify("oe_" + "x" * 43) is None

    virtualtime.run(main)
    assert len(keys.asked) == 1


def test_only_so_many_questions_are_out_at_once() -> None:
    """The others are told to come again."""
    cache, keys = cached(answer_s=0.5)
    refused: list[str] = []

    async def ask(number: int) -> None:
        try:
            await cache.identify(f"oe_{number:043}")
        except Unavailable as error:
            refused.append(str(error))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(1_000):
                group.start_soon(ask, number)

    virtualtime.run(main)
    assert (len(keys.asked), len(refused)) == (256, 744)
