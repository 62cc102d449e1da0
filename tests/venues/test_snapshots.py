"""Check that snapshots hold whole pools of one slot, from a node and from dumps."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from orderengine.errors import InvalidData, Unavailable
from orderengine.pools import RaydiumCpmmPool, direction_of
from orderengine.pools.snapshot import Snapshot, decode_snapshot, encode_snapshot
from orderengine.solana.accounts import Account, Accounts, address_of, key_bytes
from orderengine.solana.dumps import read_dumps
from orderengine.solana.rpc import open_rpc
from orderengine.venues.accounts import PROGRAMS
from orderengine.venues.accounts.raydium_cpmm import RAYDIUM_CPMM
from orderengine.venues.snapshots import snapshot_of_dumps, take_snapshot
from tests.shared import shared_path
from tests.solana.node import Node, running
from tests.venues.accounts.recorded import SIX, changed
from tests.venues.accounts.test_raydium_cpmm import CONFIG, POOL, VAULT_A, made_accounts

OTHER_CONFIG = address_of(bytes([77]) * 32)
OPENED_S = 1_700_000_000


def take(node: Node, *addresses: str) -> Snapshot:
    """Take a snapshot of a running node."""

    async def main() -> Snapshot:
        async with running(node), open_rpc(node.url) as rpc:
            return await take_snapshot(rpc, addresses)

    return anyio.run(main)


def test_pools_are_read_with_all_they_need() -> None:
    """First the pool, then all of it at once, at the node's slot and time."""
    node = Node(made_accounts(), slot=9, time_s=1_783_355_400)
    found = take(node, POOL, POOL)
    expected = RAYDIUM_CPMM.decode(made_accounts()[0], Accounts(made_accounts())).pool
    assert found == Snapshot(slot=9, time_s=1_783_355_400, pools=(expected,))
    assert [len(request["params"][0]) for request in node.requests] == [2, 5]
    assert decode_snapshot(encode_snapshot(found), "s") == found


def test_a_network_without_time_gives_the_accounts_own() -> None:
    """The latest that they mention."""
    assert take(Node(made_accounts()), POOL).time_s == OPENED_S


@pytest.mark.parametrize(
    ("opening_s", "time_s"), [(OPENED_S, OPENED_S), (2**64 - 1, 0)], ids=["opened", "absurd"]
)
def test_an_opening_is_the_time_only_where_nothing_else_is(opening_s: int, time_s: int) -> None:
    """And only within reason, so that the file can be read again; the pool itself is not open."""
    pool, *others = made_accounts()
    pool = changed(pool, 373, opening_s.to_bytes(8, "little"))
    found, left_out = snapshot_of_dumps(Accounts([pool, *others]))
    assert (found.time_s, left_out) == (time_s, ())
    assert decode_snapshot(encode_snapshot(found), "s") == found


def test_a_pool_that_moves_meanwhile_is_read_again() -> None:
    """It needs another account by then: a second look takes that one."""
    pool, config, *vaults = made_accounts()
    moved = changed(pool, 8, key_bytes(OTHER_CONFIG))
    other = changed(Account(OTHER_CONFIG, config.owner, config.data), 12, b"\x64" + bytes(7))
    node = Node([pool, config, other, *vaults], time_s=5)

    def move(number: int) -> None:
        node.accounts[POOL] = pool if number == 0 else moved

    node.before = move
    (found,) = take(node, POOL).pools
    assert isinstance(found, RaydiumCpmmPool)
    assert found.trade_fee_rate == 100
    assert [OTHER_CONFIG in request["params"][0] for request in node.requests] == [
        False,
        False,
        True,
    ]


def test_a_pool_that_never_stands_still_is_given_up() -> None:
    """Bounded, and said."""
    pool, *others = made_accounts()
    node = Node([pool, *others], time_s=5)

    def move(number: int) -> None:
        node.accounts[POOL] = changed(pool, 8, number.to_bytes(32, "big"))

    node.before = move
    with pytest.raises(Unavailable, match="needed other accounts each of 5 times"):
        take(node, POOL)


def test_a_second_account_more_than_a_call_takes() -> None:
    """Fifty pools and their accounts are 152 addresses: two calls, one slot."""
    pool, config, *vaults = made_accounts()
    pools = [
        Account(address_of(bytes([1, n]) + bytes(30)), pool.owner, pool.data) for n in range(150)
    ]
    node = Node([*pools, config, *vaults], time_s=5)
    assert len(take(node, *[entry.address for entry in pools]).pools) == 150


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        ([], f"the pool, {POOL}: expected the account's bytes, found no such account"),
        (
            [Account(POOL, VAULT_A, b"")],
            f"pool {POOL}: expected a pool of .*raydium_cpmm.* an account owned by {VAULT_A}",
        ),
        (
            [Account(POOL, RAYDIUM_CPMM.program_id, b"12345")],
            r"an account of raydium_cpmm that is no pool \(5 bytes\)",
        ),
        (made_accounts()[:3], "vault B of Raydium CPMM pool .*no such account"),
    ],
)
def test_what_is_no_pool_is_named(accounts: list[Account], said: str) -> None:
    """Its owner, or what is missing."""
    with pytest.raises(InvalidData, match=said):
        take(Node(accounts, time_s=5), POOL)
    with pytest.raises(InvalidData, match="at least one"):
        take(Node(accounts))


def of_dumps(accounts: Sequence[Account]) -> tuple[Snapshot, list[str]]:
    """Return what dumps give, and why pools are left out."""
    snapshot, left_out = snapshot_of_dumps(Accounts(accounts))
    return snapshot, [f"{entry.venue} {entry.address}: {entry.reason}" for entry in left_out]


def test_every_complete_pool_is_taken_from_dumps() -> None:
    """At the newest slot that a dump names, and the latest time that a pool mentions."""
    made = [Account(a.address, a.owner, a.data, slot) for slot, a in enumerate(made_accounts(), 3)]
    snapshot, left_out = of_dumps(made)
    assert (snapshot.slot, snapshot.time_s, len(snapshot.pools)) == (6, OPENED_S, 1)
    assert left_out == []
    assert of_dumps([]) == (Snapshot(slot=0, time_s=0, pools=()), [])


def test_a_pool_that_lacks_an_account_is_left_out_by_name() -> None:
    """And the others are taken."""
    pool, config, *vaults = made_accounts()
    lacking = changed(Account(address_of(bytes([9]) * 32), pool.owner, pool.data), 8, bytes(32))
    snapshot, left_out = of_dumps([pool, lacking, config, *vaults])
    assert [found.address for found in snapshot.pools] == [POOL]
    (said,) = left_out
    assert said.startswith(f"raydium_cpmm {lacking.address}: fee configuration of")
    assert of_dumps([pool, *vaults])[1][0].count(CONFIG) == 1


@pytest.mark.needs_shared_data
def test_the_recorded_folders_give_every_pool_that_we_know() -> None:
    """Of the six venues of 2026-07: one SOL/USDC pool a known program, quoting as recorded."""
    dumps = read_dumps([shared_path(f"{SIX}/raw")])
    snapshot, left_out = snapshot_of_dumps(dumps.accounts)
    assert {pool.venue for pool in snapshot.pools} == {program.venue for program in PROGRAMS}
    for entry in left_out:  # the only one that was dumped without its vaults
        assert entry.address.startswith("HybT"), entry
    read = decode_snapshot(encode_snapshot(snapshot), "s.json")
    assert read == snapshot
    cpmm = read.find("7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny")
    assert cpmm is not None
    direction = direction_of(cpmm, cpmm.token_a, cpmm.token_b)
    assert cpmm.swap_exact_in(direction, 1_000_000, snapshot.time_s).amount_out == 81_443


@pytest.mark.needs_shared_data
def test_a_node_with_the_recorded_accounts_gives_the_same_pools() -> None:
    """Over JSON-RPC as from the files; what was not dumped is not there."""
    dumps = read_dumps([shared_path(f"{SIX}/raw")])
    snapshot, _ = snapshot_of_dumps(dumps.accounts)
    node = Node(dumps.accounts, slot=431_198_953, time_s=1_783_355_400)
    found = take(node, *[pool.address for pool in snapshot.pools])
    assert found.pools == snapshot.pools
    assert (found.slot, found.time_s) == (431_198_953, 1_783_355_400)
