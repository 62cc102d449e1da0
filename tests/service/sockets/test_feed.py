"""Check that each reader of a feed gets a gapless range, whatever the others do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orderengine.service.sockets.feed import Feed


class Recorder:
    """Take messages while it is let, and remember them."""

    def __init__(self, feed: Feed, cursor: int) -> None:
        self.cursor = self.begun = cursor
        self.room = 0
        """How many times it takes messages before it stalls."""
        self.got: list[bytes] = []
        self.is_finished = self.is_dropped = False
        self._feed = feed
        feed.readers[self] = None

    @property
    def is_ready(self) -> bool:
        """Whether it takes messages now."""
        return self.room > 0 and not self.is_finished and not self.is_dropped

    def take(self, messages: list[bytes]) -> None:
        """Take messages."""
        assert messages
        self.room -= 1
        self.got += messages

    def finish(self) -> None:
        """End well."""
        self.is_finished = True
        self._feed.readers.pop(self, None)

    def drop(self) -> None:
        """End because it was too slow."""
        self.is_dropped = True
        self._feed.readers.pop(self, None)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 30)),
        st.tuples(st.just("join"), st.integers(0, 40)),
        st.tuples(st.just("room"), st.integers(0, 7)),
        st.tuples(st.just("leave"), st.integers(0, 7)),
        st.tuples(st.just("trim"), st.just(0)),
        st.tuples(st.just("end"), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS, st.booleans(), st.sampled_from([1, 9_000, 40_000]))
def test_what_a_reader_gets_is_a_gapless_range(
    steps: list[tuple[str, int]], is_bounded: bool, size: int
) -> None:
    """From the number it asked for, in order, once each; dropped only beyond the bounds."""
    feed = Feed("f", 50, 200_000) if is_bounded else Feed("f")
    all_readers: list[Recorder] = []
    said: list[bytes] = []

    def give(reader: Recorder) -> None:
        feed.give(reader)
        if reader.cursor > feed.end:
            assert reader.got == []
            return
        assert reader.got == said[reader.begun - 1 : reader.cursor - 1]
        if reader.is_ready:
            assert reader.cursor == feed.end

    for step, number in steps:
        readers = list(feed.readers)
        if step == "append" and not feed.is_ended:
            for _ in range(number):
                said.append(b"%d " % len(said) + b"x" * size)
                feed.append(said[-1])
        elif step == "join":
            all_readers.append(Recorder(feed, number or feed.end))
        elif step == "leave" and readers:
            del feed.readers[readers[number % len(readers)]]
        elif step == "trim":
            feed.trim()
        elif step == "end":
            feed.is_ended = not is_bounded
        elif readers:
            found = readers[number % len(readers)]
            assert isinstance(found, Recorder)
            found.room += number
            give(found)
        if is_bounded and step == "trim":
            assert feed.end - feed.first <= 50
            assert sum(len(message) for message in said[feed.first - 1 :]) <= 200_000
    assert feed.end == len(said) + 1
    for reader in all_readers:
        was_in = reader in feed.readers
        reader.room += 1_000
        if was_in:
            give(reader)
        assert not reader.is_dropped or is_bounded
        if feed.is_ended and was_in:
            assert reader.is_finished


def test_what_all_have_is_forgotten() -> None:
    """One that lags keeps what it lacks, and no more than the bounds."""
    feed = Feed("f", count_max=3, bytes_max=1_000)
    quick, slow = Recorder(feed, 1), Recorder(feed, 1)
    quick.room = 100
    for number in range(1, 4):
        feed.append(b"%d" % number)
        feed.give(quick)
        feed.trim()
    assert (feed.first, slow.is_dropped) == (1, False)
    feed.append(b"4")
    feed.give(quick)
    feed.trim()
    assert (slow.is_dropped, list(feed.readers)) == (True, [quick])
    feed.trim()
    assert (feed.first, feed.end, quick.got) == (5, 5, [b"1", b"2", b"3", b"4"])
