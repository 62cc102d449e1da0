"""Mistakes in what is kept, and in who is told of it."""

from __future__ import annotations

from tests.seeded_bugs.bug import Bug

__all__ = ["STORAGE"]

_SQLITE = "orderengine/storage/sqlite/statements.py"
_WRITES = "orderengine/storage/postgres/writes.py"
_LEASES = "orderengine/storage/postgres/leases.py"
_READS = "orderengine/storage/postgres/reads.py"
_SQLITE_TESTS = "tests/storage/test_sqlite_store.py::TestSqliteEventStore"
_POSTGRES_TESTS = "tests/storage/test_postgres_store.py::TestPostgresEventStore"
_HISTORY_TESTS = "tests/storage/test_postgres_store.py::TestPostgresHistory"
_POSTGRES_TAIL = "tests/storage/test_postgres_tail.py"
_GROUP_COMMIT = "tests/storage/test_group_commit.py"

STORAGE: tuple[Bug, ...] = (
    Bug(
        name="sqlite-without-fence",
        says="The store on SQLite does not compare the fence.",
        breaks="I20",
        file=_SQLITE,
        old="(fence != newest_fence or fence == 0)",
        new="fence == 0",
        caught_by=(f"{_SQLITE_TESTS}::test_an_old_fence_can_write_nothing",),
    ),
    Bug(
        name="postgres-without-fence",
        says="The store on PostgreSQL does not compare the fence.",
        breaks="I20",
        file=_WRITES,
        old="i.fence = s.fence AND i.fence > 0",
        new="i.fence > 0",
        caught_by=(f"{_POSTGRES_TESTS}::test_an_old_fence_can_write_nothing",),
    ),
    Bug(
        name="claim-keeps-the-fence",
        says="A claim takes the lease and leaves the fence as it was.",
        breaks="I20",
        file=_SQLITE,
        old="UPDATE orders SET fence = fence + 1, lease_until_ms",
        new="UPDATE orders SET fence = max(fence, 1), lease_until_ms",
        caught_by=(f"{_SQLITE_TESTS}::test_an_expired_lease_is_taken_over_under_a_higher_fence",),
    ),
    Bug(
        name="end-may-change",
        says="What a user writes is taken also after the order has ended.",
        breaks="I3",
        file=_SQLITE,
        old="if not is_open:",
        new="if not is_open and fence is not None:",
        caught_by=(f"{_SQLITE_TESTS}::test_nothing_follows_the_end",),
    ),
    Bug(
        name="seq-with-gaps",
        says="Any number above the last one is taken.",
        breaks="I16",
        file=_WRITES,
        old="s.is_open AND i.seq = s.seq + i.place",
        new="s.is_open AND i.seq > s.seq",
        caught_by=(f"{_POSTGRES_TESTS}::test_a_wrong_number_is_refused",),
    ),
    Bug(
        name="rests-on-a-refused-event",
        says="An event is stored though the one before it, which nobody waited for, was refused.",
        breaks="I13, I16",
        file="orderengine/storage/postgres/batches.py",
        old="        return before if isinstance(before, OrderEngineError) else None",
        new="        return None",
        caught_by=(f"{_POSTGRES_TESTS}::test_what_rests_on_a_refused_event_is_refused",),
    ),
    Bug(
        name="rests-on-a-refused-event-sqlite",
        says="The same, in the file.",
        breaks="I13, I16",
        file="orderengine/storage/sqlite/group_commit.py",
        old="if self._after is not None and self._after.error is not None:",
        new="if self._after is not None and self._after.until < 0:",
        caught_by=(f"{_SQLITE_TESTS}::test_what_rests_on_a_refused_event_is_refused",),
    ),
    Bug(
        name="key-of-all-users",
        says="A key is looked up without its user.",
        breaks="I14, I19",
        file=_SQLITE,
        old="FROM idempotency_keys WHERE user = ? AND key = ?",
        new="FROM idempotency_keys WHERE ? <> '' AND key = ?",
        caught_by=(f"{_SQLITE_TESTS}::test_a_key_belongs_to_its_user",),
    ),
    Bug(
        name="body-hash-ignored",
        says="A key answers for whatever is sent under it.",
        breaks="I14",
        file=_WRITES,
        old="is_same = made_sha256 == create.key.request_sha256",
        new="is_same = True",
        caught_by=(f"{_POSTGRES_TESTS}::test_a_key_names_one_request",),
    ),
    Bug(
        name="held-orders-claimed",
        says="A claim does not look whether somebody holds the lease.",
        breaks="D4",
        file=_LEASES,
        old="is_open AND lease_until_ms <= now_ms() AS is_free",
        new="is_open AS is_free",
        caught_by=(f"{_POSTGRES_TESTS}::test_a_held_order_is_not_claimed_again",),
    ),
    Bug(
        name="lapsed-leases-not-scanned",
        says="The scan finds orders that were never held, and not those of dead workers.",
        breaks="I2, I7",
        file=_READS,
        old="WHERE is_open AND lease_until_ms <= (SELECT now_ms()) ORDER BY",
        new="WHERE is_open AND lease_until_ms = 0 ORDER BY",
        caught_by=(f"{_POSTGRES_TESTS}::test_what_is_held_or_ended_is_not_claimable",),
    ),
    Bug(
        name="list-without-user",
        says="The list of orders forgets whose they are.",
        breaks="I19",
        file=_READS,
        old="WHERE user_id = $1 AND number < $2 ORDER BY",
        new="WHERE $1::text <> '' AND number < $2 ORDER BY",
        caught_by=(f"{_HISTORY_TESTS}::test_orders_are_found_by_user_and_whether_they_are_open",),
    ),
    Bug(
        name="page-repeats-its-end",
        says="A page begins with the last order of the page before.",
        breaks="I28",
        file=_READS,
        old="WHERE user_id = $1 AND number < $2 ORDER BY",
        new="WHERE user_id = $1 AND number <= $2 ORDER BY",
        caught_by=(f"{_HISTORY_TESTS}::test_paging_shows_each_order_once_while_others_come",),
    ),
    Bug(
        name="late-commits-not-told",
        says="A number that is skipped is not looked for again: what commits late is lost.",
        breaks="I17",
        file="orderengine/storage/postgres/tail.py",
        old="    missing += [(number, ends) for number in skipped(position, numbers)]\n",
        new="",
        caught_by=(
            f"{_POSTGRES_TAIL}::test_what_commits_late_is_told_and_what_is_undone_keeps_nothing_back",
        ),
    ),
    Bug(
        name="failed-commit-acknowledged",
        says="A commit that fails is logged away, and its callers go on.",
        breaks="I1",
        file="orderengine/storage/sqlite/group_commit.py",
        old='pending.fail(Unavailable(f"the database cannot be written: {error}"))',
        new="del pending",
        caught_by=(f"{_GROUP_COMMIT}::test_a_full_disk_is_unavailable_until_there_is_room",),
    ),
    Bug(
        name="last-word-of-the-chain-counts",
        says="Who records a fate second overwrites the first.",
        breaks="I7",
        file=_SQLITE,
        old="FROM clock WHERE true ON CONFLICT DO NOTHING",
        new="FROM clock WHERE true ON CONFLICT DO UPDATE SET body = excluded.body",
        caught_by=(
            "tests/storage/test_databases.py::TestSqlite::test_an_execution_is_recorded_once",
        ),
    ),
    Bug(
        name="pruned-while-open",
        says="Pruning asks when an order ended, and takes open ones as ended at their acceptance.",
        breaks="I1",
        file="orderengine/storage/postgres/operations.py",
        old="WHERE NOT is_open AND ended_at_ns < $1",
        new="WHERE coalesce(ended_at_ns, accepted_at_ns) < $1",
        caught_by=(
            "tests/storage/test_databases.py::TestPostgres::test_pruning_deletes_what_ended_before",
        ),
    ),
)
