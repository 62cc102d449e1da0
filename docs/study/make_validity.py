"""Measure the waits of an M/M/c study against theory: ``python docs/study/make_validity.py``.

It prints the table of ``validity.md`` and draws its figure, in about two minutes. Waits are
measured twice: in the engine itself, and by Kiefer and Wolfowitz's recursion over the same arrivals
and times of service. A test holds the two to be the same to the nanosecond, so the recursion's
longer runs speak for the engine, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from heapq import heapify, heapreplace
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import altair as alt

import orderengine as oe
from orderengine.analysis.palette import INK, MUTED
from orderengine.analysis.plots.theme import HEIGHT, WIDTH, AnyChart, themed, to_png
from orderengine.analysis.queueing import Mmc
from orderengine.market.draws import Draws, key_of, order_id_of
from orderengine.market.latency import latency_model
from orderengine.study.orders import arrival_times
from orderengine.study.scenario import Scenario

SERVICE_S = 0.01
REPLICATES = 20
SIZES = ((0.5, 20_000, 2_000), (0.9, 100_000, 6_000), (0.95, 200_000, 12_000))
"""Utilisation, and orders of a replicate: of the recursion, and of the engine itself."""


def study_of(workers: int, utilisation: float, seed: int, orders: int) -> Scenario:
    """Return the scenario at a utilisation."""
    return oe.scenario(Path(__file__).with_name("mmc.toml")).replace(
        {
            "engine.workers": workers,
            "arrivals.rate_per_s": utilisation * workers / SERVICE_S,
            "seed": seed,
            "orders": orders,
        }
    )


def engine_waits_ns(study: Scenario) -> list[int]:
    """Return each order's time from acceptance to a worker, as the engine's events say."""
    logs = oe.simulate(study, progress=False).logs
    return [log[1].at_ns - log[0].at_ns for log in logs]


def recursion_waits_ns(study: Scenario) -> list[int]:
    """Return the waits of the same orders, first come first served, from arrivals and service."""
    arrives = arrival_times(study.arrivals, study.seed)
    draws = Draws(study.seed, "latency/quote/raydium_cpmm")
    serves = latency_model(study.market.quote_latency, draws)
    free_ns = [0] * study.engine.workers
    heapify(free_ns)
    waits_ns, at_ns = [], 0
    for number in range(study.orders):
        at_ns = arrives(number, at_ns)
        begun_ns = max(at_ns, free_ns[0])
        service_ns = serves(key_of(order_id_of(study.seed, number)), 1)
        heapreplace(free_ns, begun_ns + service_ns)
        waits_ns.append(begun_ns - at_ns)
    return waits_ns


def interval(means: Sequence[float], confidence: float = 0.99) -> tuple[float, float, float]:
    """Return mean, low and high of replicates' means, by Student's t."""
    from scipy.stats import t  # noqa: PLC0415  (only where an interval is asked)

    mean, count = fmean(means), len(means)
    half = t.ppf((1 + confidence) / 2, count - 1) * stdev(means) / count**0.5
    return mean, mean - half, mean + half


def mean_wait_s(waits_ns: Sequence[int], warm_up: int) -> float:
    """Return the mean after the first orders, which met an empty engine."""
    return fmean(waits_ns[warm_up:]) / 1e9


class Row(NamedTuple):
    """Hold one row of the table, in ms: what is expected, and two measured intervals."""

    workers: int
    utilisation: float
    theory_ms: float
    engine_ms: tuple[float, float, float]
    recursion_ms: tuple[float, float, float]


def measured(workers: int, utilisation: float, orders: int, engine_orders: int) -> Row:
    """Return the row of a queue; both measure each replicate after a quarter of its orders."""
    found = []
    for waits, count in ((engine_waits_ns, engine_orders), (recursion_waits_ns, orders)):
        means_ms = [
            mean_wait_s(waits(study_of(workers, utilisation, seed, count)), count // 4) * 1e3
            for seed in range(REPLICATES)
        ]
        found.append(interval(means_ms))
    theory = Mmc(utilisation * workers / SERVICE_S, SERVICE_S, workers)
    return Row(workers, utilisation, theory.mean_wait_s * 1e3, found[0], found[1])


def figure(rows: Sequence[Row]) -> AnyChart:
    """Return measured waits on the lines of theory."""
    lines = [
        {
            "utilisation": load / 200,
            "wait": Mmc(load / 200 * workers / SERVICE_S, SERVICE_S, workers).mean_wait_s * 1e3,
            "workers": workers,
        }
        for workers in (1, 4)
        for load in range(80, 194)
    ]
    points = [
        {"utilisation": row.utilisation, "wait": mean, "low": low, "high": high}
        for row in rows
        for mean, low, high in (row.engine_ms,)
    ]
    ticks = alt.Axis(values=[0.3, 1, 3, 10, 30, 100, 300])
    y = alt.Y("wait:Q", title="mean wait (ms, log)", axis=ticks)
    y = y.scale(type="log", domain=[0.3, 400], nice=False)
    x = alt.X("utilisation:Q", title="utilisation of the workers").scale(domain=[0.4, 1])
    legend = alt.Legend(symbolType="stroke", symbolSize=600)
    dash = alt.StrokeDash("workers:N", title="workers (lines: theory)", legend=legend)
    line = alt.Chart(alt.InlineData(values=lines)).mark_line(color=MUTED)
    dots = alt.Chart(alt.InlineData(values=points))
    return themed(
        alt.layer(
            line.encode(x=x, y=y, strokeDash=dash),
            dots.mark_rule(color=INK, strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q"),
            dots.mark_point(color=INK, filled=True, size=24).encode(x=x, y=y),
        ).properties(width=WIDTH - 200, height=HEIGHT)
    )


def main() -> None:
    """Print the table and write the figure."""
    rows = []
    for workers in (1, 4):
        for utilisation, orders, engine_orders in SIZES:
            row = measured(workers, utilisation, orders, engine_orders)
            rows.append(row)
            cells = [
                f"{mean:.3f} [{low:.3f}, {high:.3f}]"
                for mean, low, high in (row.engine_ms, row.recursion_ms)
            ]
            sys.stdout.write(
                f"| {workers} | {utilisation:g} | {row.theory_ms:.3f} | {' | '.join(cells)} |\n"
            )
            sys.stdout.flush()
    Path(__file__).with_name("mmc.png").write_bytes(to_png(figure(rows), 1.5))


if __name__ == "__main__":
    main()
