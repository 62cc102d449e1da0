"""Hold the store on SQLite to the contracts, in real files and real time."""

from __future__ import annotations

from tests.execution.history_contract import HistoryContract, HistoryTest
from tests.execution.store_contract import EventStoreContract, StoreTest
from tests.storage.files import run_in_file


class TestSqliteEventStore(EventStoreContract):
    """Hold it to what every event store does."""

    lease_ns = 250_000_000  # of real time: a slow machine must not lose one before its test looks

    def run(self, test: StoreTest) -> None:
        """Open a store in a new file."""
        run_in_file(test, lease_ns=self.lease_ns)


class TestSqliteHistory(HistoryContract):
    """Hold it to what every history does."""

    def run(self, test: HistoryTest) -> None:
        """Open a store in a new file, without waiting for the disk: there are many."""
        run_in_file(test, synchronous="OFF")
