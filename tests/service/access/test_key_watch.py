"""Check that sockets of dead keys are closed in time, also over an outage of the database."""

from __future__ import annotations

from collections.abc import Collection

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.model.api_key import ApiKey
from orderengine.service.access.key_watch import KeyWatch
from tests.service.access.fakes import FakeKeys, VirtualClock


class _Sockets:
    """Hold open sockets by key, and note when they are closed."""

    def __init__(self, *key_ids: str) -> None:
        self.open = set(key_ids)
        self.closed_at: dict[str, float] = {}

    @property
    def key_ids(self) -> Collection[str]:
        """The keys of all."""
        return frozenset(self.open)

    def close_key(self, key_ids: Collection[str]) -> int:
        """Close those of some keys."""
        self.open -= set(key_ids)
        self.closed_at |= dict.fromkeys(key_ids, anyio.current_time())
        return len(key_ids)


def watched(*names: str) -> tuple[KeyWatch, FakeKeys, _Sockets]:
    """Return a watch over sockets of keys that all are valid."""
    keys, sockets = FakeKeys(), _Sockets(*names)
    keys.by_hash = {name: ApiKey(key_id=name, user=name) for name in names}
    watch = KeyWatch(keys, VirtualClock(), sockets)
    return watch, keys, sockets


def test_sockets_of_a_revoked_key_are_closed_within_a_second() -> None:
    """And no others; those of an expired one and of one that is gone are closed too."""
    watch, keys, sockets = watched("stays", "revoked", "expires", "gone")
    keys.by_hash["expires"] = replace(keys.by_hash["expires"], expires_at_ns=5_000_000_000)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(watch.run)
            await anyio.sleep(3.3)
            keys.by_hash["revoked"] = replace(keys.by_hash["revoked"], revoked_at_ns=1)
            del keys.by_hash["gone"]
            await anyio.sleep(10)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert sockets.open == {"stays"}
    assert sockets.closed_at == {
        "revoked": pytest.approx(3.5),
        "gone": pytest.approx(3.5),
        "expires": pytest.approx(5.0),
    }


@pytest.mark.parametrize("answer_s", [0.0, 60.0], ids=["refuses", "hangs"])
def test_an_outage_of_the_database_ends_no_watch(answer_s: float) -> None:
    """Sockets stay open meanwhile, and what died is closed afterwards."""
    watch, keys, sockets = watched("revoked")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(watch.run)
            keys.is_away, keys.answer_s = True, answer_s
            keys.by_hash["revoked"] = replace(keys.by_hash["revoked"], revoked_at_ns=1)
            await anyio.sleep(10)
            assert sockets.open == {"revoked"}
            keys.is_away, keys.answer_s = False, 0.0
            await anyio.sleep(3)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert not sockets.open
