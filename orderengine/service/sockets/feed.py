"""Hand a run of messages to many readers, each at its own pace.

Messages have consecutive numbers, and a reader's cursor is the number that it wants next. What a
reader gets is always the slice from its cursor on: there is no gap and no repeat, whoever joins,
leaves, stalls or goes on in whatever order. All share the same bytes. A reader whose next message
has been forgotten is dropped, and no other notices.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Feed", "Reader"]

_CHUNK_BYTES = 32_768
"""Given to a reader at once, before it is asked again whether it takes more."""


class Reader(Protocol):
    """Take messages."""

    cursor: int
    """The number of the message that it wants next."""

    @property
    def is_ready(self) -> bool:
        """Whether it takes messages now."""

    def take(self, messages: list[bytes]) -> None:
        """Take messages; may stop being ready by that."""

    def finish(self) -> None:
        """End: it has had all there will ever be."""

    def drop(self) -> None:
        """End: what it wants next has been forgotten."""


class Feed:
    """Keep the messages of one run, from number 1 on, and who reads it.

    Args:
        name: what it is found by.
        count_max: how many messages a reader may be behind; None for all.
        bytes_max: the same in bytes.
    """

    __slots__ = (
        "_bytes",
        "_bytes_max",
        "_count_max",
        "_messages",
        "first",
        "holds",
        "is_ended",
        "name",
        "readers",
        "user",
    )

    def __init__(
        self, name: str, count_max: int | None = None, bytes_max: int | None = None
    ) -> None:
        self.name = name
        self.first = 1
        """The number of the oldest message that is kept."""
        self.readers: dict[Reader, None] = {}
        self.holds = 0
        """How many are about to join."""
        self.user: str | None = None
        """Whose messages these are; None before the first is known."""
        self.is_ended = False
        """Whether nothing will be added any more."""
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._messages: list[bytes] = []
        self._bytes = 0

    @property
    def end(self) -> int:
        """The number of the next message to come."""
        return self.first + len(self._messages)

    def append(self, message: bytes) -> None:
        """Add the next message; ``give`` hands it on."""
        self._messages.append(message)
        self._bytes += len(message)

    def give(self, reader: Reader) -> None:
        """Give a reader what it lacks, as far as it takes it; finish or drop it if it is time."""
        while reader.is_ready and reader.cursor < self.end:
            if reader.cursor < self.first:
                reader.drop()
                return
            messages = self._chunk(reader.cursor)
            reader.cursor += len(messages)
            reader.take(messages)
        if self.is_ended and reader.cursor >= self.end:
            reader.finish()

    def _chunk(self, number: int) -> list[bytes]:
        start = stop = number - self.first
        size = 0
        while stop < len(self._messages) and size < _CHUNK_BYTES:
            size += len(self._messages[stop])
            stop += 1
        return self._messages[start:stop]

    def trim(self) -> None:
        """Forget what every reader has, then the oldest beyond the bounds; drop who lacks it.

        Without bounds nothing is forgotten. Looks at every reader.
        """
        if self._count_max is None or self._bytes_max is None:
            return
        end = self.end
        wanted = (reader.cursor for reader in self.readers if reader.cursor < end)
        self._forget_before(min(wanted, default=end))
        self._forget_before(end - self._count_max)
        while self._bytes > self._bytes_max:
            self._forget_before(self.first + 1)
        for reader in [reader for reader in self.readers if reader.cursor < self.first]:
            reader.drop()

    def _forget_before(self, number: int) -> None:
        count = number - self.first
        if count > 0:
            self._bytes -= sum(map(len, self._messages[:count]))
            del self._messages[:count]
            self.first = number
