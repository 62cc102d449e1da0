"""Say how the service stands in Prometheus's text form.

Counts of orders come from the log and equal SQL at the moment of asking, on every process alike.
What only a process itself knows is told with its name: its own, and that of the workers, which have
no port and tell it by their heartbeats.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import anyio
from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from orderengine.errors import Unavailable
from orderengine.execution.ports import Clock
from orderengine.model.order import Priority
from orderengine.service.operations.heartbeat import Process
from orderengine.service.operations.instruments import VERSION, Instruments
from orderengine.service.operations.pauses import ALL
from orderengine.service.operations.request_figures import BUCKETS_S
from orderengine.storage.database import Lane

__all__ = ["exposition"]

_Label = TypeVar("_Label", bound=tuple[str, ...])
_CATCH_UP_S_MAX = 1.0


class _Asked(Struct, frozen=True):
    """Hold what the database said; what it did not say is None and has no figure."""

    lanes: Mapping[Priority, Lane] | None = None
    takeovers: int | None = None
    processes: Sequence[Process] | None = None


async def exposition(instruments: Instruments, clock: Clock) -> bytes:
    """Return all figures. What cannot be known now is left out; the rest is told."""
    with anyio.move_on_after(_CATCH_UP_S_MAX), suppress(Unavailable):
        await instruments.tally.catch_up()
    asked = _Asked()
    with suppress(Unavailable):
        asked = _Asked(
            await instruments.standing.lanes(),
            await instruments.standing.takeovers(),
            await instruments.standing.processes(),
        )
    registry = CollectorRegistry()
    registry.register(_Figures(instruments, asked, clock.now_ns()))
    return generate_latest(registry)


class _Figures(Collector):
    """Hand out families of figures, as Prometheus's library asks for them."""

    def __init__(self, instruments: Instruments, asked: _Asked, now_ns: int) -> None:
        self._instruments = instruments
        self._asked = asked
        self._now_ns = now_ns

    def describe(self) -> Iterable[Metric]:
        """Describe nothing: this lives for one answer."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield _labelled(
            GaugeMetricFamily,
            "orderengine_build_info",
            "The version that runs.",
            ("version", "python"),
            {(VERSION, platform.python_version()): 1},
        )
        if self._instruments.tally.is_known:
            yield from self._orders()
        if self._asked.lanes is not None:
            yield from self._lanes(self._asked.lanes)
        if self._asked.takeovers is not None:
            yield CounterMetricFamily(
                "orderengine_lease_takeovers",
                "Leases that ran out under their holders.",
                self._asked.takeovers,
            )
        if self._asked.processes is not None:
            yield from self._fleet(self._asked.processes)
        yield from self._process(self._asked.processes or ())
        yield from self._requests()

    def _orders(self) -> Iterator[Metric]:
        tally = self._instruments.tally
        yield CounterMetricFamily(
            "orderengine_orders_accepted", "Orders that were accepted.", tally.accepted
        )
        yield _labelled(
            CounterMetricFamily,
            "orderengine_orders_ended",
            "Orders that ended, by how.",
            ("status",),
            {(status,): count for status, count in tally.ended.items()},
        )
        yield GaugeMetricFamily(
            "orderengine_orders_open", "Orders that have not ended.", tally.open_orders
        )
        yield GaugeMetricFamily(
            "orderengine_orders_open_limit",
            "Open orders from which on none is accepted.",
            self._instruments.settings.open_orders_max,
        )

    def _lanes(self, lanes: Mapping[Priority, Lane]) -> Iterator[Metric]:
        waiting = {(lane.value,): found.waiting for lane, found in lanes.items()}
        held = {(lane.value,): found.held for lane, found in lanes.items()}
        oldest = {(lane.value,): self._age_s(found.oldest_ns) for lane, found in lanes.items()}
        lane = ("lane",)
        said = "Open orders that no worker holds."
        yield _labelled(GaugeMetricFamily, "orderengine_lane_waiting_orders", said, lane, waiting)
        said = "How long the oldest of them has been there; 0 if none is."
        yield _labelled(GaugeMetricFamily, "orderengine_lane_oldest_seconds", said, lane, oldest)
        said = "Open orders that a worker holds."
        yield _labelled(GaugeMetricFamily, "orderengine_lane_held_orders", said, lane, held)

    def _age_s(self, at_ns: int | None) -> float:
        return 0.0 if at_ns is None else max(self._now_ns - at_ns, 0) / 1e9

    def _fleet(self, processes: Sequence[Process]) -> Iterator[Metric]:
        states = dict.fromkeys([("alive",), ("draining",), ("paused",), ("silent",)], 0)
        ages: list[float] = []
        for process in processes:
            vitals = process.vitals
            if "worker" not in vitals.roles:
                continue
            state = "draining" if vitals.is_draining else "paused" if vitals.is_paused else "alive"
            states[state if process.is_alive else "silent",] += 1
            if process.is_alive and vitals.progress_age_s is not None:
                ages.append(vitals.progress_age_s + process.age_s)
        yield _labelled(
            GaugeMetricFamily,
            "orderengine_workers",
            "Processes that execute orders, by state.",
            ("state",),
            states,
        )
        if ages:
            yield GaugeMetricFamily(
                "orderengine_worker_last_progress_seconds",
                "How long ago any worker ended an order.",
                min(ages),
            )

    def _process(self, processes: Sequence[Process]) -> Iterator[Metric]:
        own = self._instruments
        vitals = {process.name: process.vitals for process in processes if process.is_alive}
        vitals[own.process] = own.vitals()
        name = ("process",)
        yield _labelled(
            GaugeMetricFamily,
            "orderengine_event_loop_lag_seconds",
            "The longest delay of the event loop within ten seconds.",
            name,
            {(process,): found.lag_max_s for process, found in vitals.items()},
        )
        yield _labelled(
            CounterMetricFamily,
            "orderengine_redis_errors",
            "Calls that Redis did not answer.",
            name,
            {(process,): found.redis_errors for process, found in vitals.items()},
        )
        yield _labelled(
            CounterMetricFamily,
            "orderengine_database_errors",
            "Calls that the database did not answer.",
            name,
            {(process,): found.database_errors for process, found in vitals.items()},
        )
        if own.is_redis_up is not None:
            yield GaugeMetricFamily(
                "orderengine_redis_up", "Whether Redis answers this process.", own.is_redis_up
            )
        resting = [*([ALL] if own.halt.is_paused else []), *own.halt.paused_venues]
        yield _labelled(
            GaugeMetricFamily,
            "orderengine_paused",
            "What operators have paused.",
            ("name",),
            {(paused,): 1 for paused in resting},
        )
        yield from self._sockets()

    def _sockets(self) -> Iterator[Metric]:
        sockets = self._instruments.sockets
        if sockets is None:
            return
        said = "How old the newest event was when sockets were told of it."
        yield GaugeMetricFamily("orderengine_stream_lag_seconds", said, sockets.log.lag_s)
        yield GaugeMetricFamily("orderengine_sockets_open", "Open WebSockets.", sockets.count)
        said = "WebSockets that were closed because their readers were too slow."
        yield CounterMetricFamily("orderengine_slow_readers_closed", said, sockets.slow_readers)

    def _requests(self) -> Iterator[Metric]:
        figures = self._instruments.requests
        yield _labelled(
            CounterMetricFamily,
            "orderengine_requests",
            "Requests that this process answered.",
            ("route", "status"),
            {(route, str(status)): count for (route, status), count in figures.answered.items()},
        )
        took = HistogramMetricFamily(
            "orderengine_request_seconds", "How long answers took.", labels=["route"]
        )
        for route, counts in figures.took.items():
            below, buckets = 0, list[tuple[str, float]]()
            for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], counts, strict=True):
                below += count
                buckets.append((bound, below))
            took.add_metric([route], buckets, figures.took_s[route])
        yield took


def _labelled(
    kind: type[CounterMetricFamily | GaugeMetricFamily],
    name: str,
    said: str,
    labels: Sequence[str],
    values: Mapping[_Label, float],
) -> Metric:
    family = kind(name, said, labels=labels)
    for label, value in values.items():
        family.add_metric(label, value)
    return family
