"""Say what every keeper of API keys must do; a database joins as it joins ``store_contract``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import OrderEngineError
from orderengine.model.api_key import ApiKey, Role
from orderengine.storage.database import Database, Keys
from tests.storage.databases import DatabaseTest, in_every_database

NOW_NS = 1_800_000_000_000_000_000
"""Far ahead of any clock, so that a ticket of then is none that the database forgets now."""

instants = st.one_of(st.none(), st.integers(0, 2**63 - 1))
keys = st.builds(
    ApiKey,
    key_id=st.just("k-1"),
    user=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
    role=st.sampled_from(Role),
    created_at_ns=st.integers(0, 2**63 - 1),
    expires_at_ns=instants,
    revoked_at_ns=instants,
    order_max=st.one_of(
        st.none(), st.dictionaries(st.sampled_from(["SOL", "USDC"]), st.integers(0, 2**64 - 1))
    ),
    requests_per_minute=st.one_of(st.none(), st.integers(0, 2**31)),
)


def key(key_id: str = "k-1", **fields: Any) -> ApiKey:
    """Return a key."""
    return ApiKey(key_id=key_id, user="ann", created_at_ns=1, **fields)


class KeysContract(ABC):
    """Hold the tests; subclass it."""

    @abstractmethod
    def run(self, test: DatabaseTest) -> None:
        """Run a test with an empty database."""

    @in_every_database
    @given(added=keys)
    def test_a_key_is_found_as_it_was_added(self, added: ApiKey) -> None:
        """By its secret's hash alone, with every field, dead or not."""

        async def test(database: Database) -> None:
            keys: Keys = database.keys
            assert await keys.add(added, "hash")
            assert await keys.find("hash") == added
            assert await keys.find("other") is None
            assert list(await keys.all()) == [added]

        self.run(test)

    def test_an_id_and_a_secret_are_taken_once(self) -> None:
        """The second is refused and changes nothing."""

        async def test(database: Database) -> None:
            keys = database.keys
            assert await keys.add(key("k-1"), "hash-1")
            assert not await keys.add(key("k-1", requests_per_minute=5), "hash-2")
            assert not await keys.add(key("k-2"), "hash-1")
            assert list(await keys.all()) == [key("k-1")]
            assert await keys.find("hash-2") is None
            assert await keys.add(key("k-0"), "hash-2")
            assert [found.key_id for found in await keys.all()] == ["k-1", "k-0"]

        self.run(test)

    def test_a_key_is_revoked_once(self) -> None:
        """The first date stands; one that is not known is told."""

        async def test(database: Database) -> None:
            keys = database.keys
            await keys.add(key(), "hash")
            assert await keys.revoke("k-1", 5)
            assert await keys.revoke("k-1", 9)
            assert await keys.find("hash") == key(revoked_at_ns=5)
            assert not await keys.revoke("k-9", 5)

        self.run(test)

    def test_dead_keys_are_told(self) -> None:
        """Revoked, expired or unknown; a key dies at the instant it expires."""

        async def test(database: Database) -> None:
            keys = database.keys
            await keys.add(key("alive"), "hash-1")
            await keys.add(key("later", expires_at_ns=11), "hash-2")
            await keys.add(key("expired", expires_at_ns=10), "hash-3")
            await keys.add(key("revoked"), "hash-4")
            await keys.revoke("revoked", 1)
            asked = ["alive", "later", "expired", "revoked", "unknown", "alive"]
            assert await keys.dead(asked, 10) == {"expired", "revoked", "unknown"}
            assert await keys.dead([], 10) == frozenset()

        self.run(test)

    def test_a_ticket_is_taken_once(self) -> None:
        """By one of many at once; late ones and unknown ones are none."""

        async def test(database: Database) -> None:
            keys = database.keys
            await keys.add(key(), "hash")
            for name in ("t-1", "late", "of-nobody"):
                key_id = "k-9" if name == "of-nobody" else "k-1"
                await keys.add_ticket(name, key_id, NOW_NS)
            taken: list[ApiKey | None] = []

            async def take() -> None:
                taken.append(await keys.take_ticket("t-1", NOW_NS - 1))

            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(take)
            assert [found for found in taken if found is not None] == [key()]
            assert await keys.take_ticket("late", NOW_NS) is None
            assert await keys.take_ticket("late", NOW_NS - 1) is None, "taken all the same"
            assert await keys.take_ticket("of-nobody", NOW_NS - 1) is None
            assert await keys.take_ticket("unknown", 0) is None

        self.run(test)

    def test_a_ticket_gives_the_key_as_it_stands(self) -> None:
        """One that was revoked meanwhile shows that it was."""

        async def test(database: Database) -> None:
            keys = database.keys
            await keys.add(key(), "hash")
            await keys.add_ticket("t-1", "k-1", NOW_NS)
            await keys.revoke("k-1", 7)
            assert await keys.take_ticket("t-1", 0) == key(revoked_at_ns=7)

        self.run(test)

    def test_expired_tickets_are_forgotten(self) -> None:
        """When the next one comes, by the database's clock."""

        async def test(database: Database) -> None:
            keys = database.keys
            await keys.add(key(), "hash")
            await keys.add_ticket("old", "k-1", 1)
            await keys.add_ticket("new", "k-1", NOW_NS)
            assert await keys.take_ticket("old", 0) is None
            assert await keys.take_ticket("new", 0) == key()

        self.run(test)

    def test_a_ticket_is_added_once(self) -> None:
        """Two of one name are a mistake of ours, or a collision that must not pass."""

        async def test(database: Database) -> None:
            await database.keys.add(key(), "hash")
            await database.keys.add_ticket("t-1", "k-1", NOW_NS)
            with pytest.raises(OrderEngineError):
                await database.keys.add_ticket("t-1", "k-1", NOW_NS)

        self.run(test)
