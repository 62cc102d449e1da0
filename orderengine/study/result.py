"""Hold what a study gave: every order's log, and from it tables, figures, charts and a report.

Everything shown is computed from the events, when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orderengine.analysis.targets import replacing
from orderengine.errors import UnknownOrder
from orderengine.model.events import Event
from orderengine.model.wire import encode_lines
from orderengine.study.assumptions.sentences import (
    LIVE_ASSUMPTION,
    assumptions_of,
    live_sentence_of,
    sentence_of,
)
from orderengine.study.saved import (
    EVENTS_FILE,
    LINES_FILE,
    ORDERS_FILE,
    SCENARIO_FILE,
    SUMMARY_FILE,
    SavedLogs,
)
from orderengine.study.scenario import Scenario
from orderengine.study.targets import writable

if TYPE_CHECKING:
    import polars

    from orderengine.analysis.plots import AnyChart
    from orderengine.analysis.summary import Summary
    from orderengine.analysis.timeline import Timeline
    from orderengine.market.traders.sandwich import Attack
    from orderengine.study.load_report import LoadReport

__all__ = ["Plots", "Result", "in_time_order"]


def in_time_order(logs: Sequence[Sequence[Event]]) -> list[Event]:
    """Return the events of all orders sorted by (at_ns, order number, seq)."""
    # They stand by (order number, seq), and sorting is stable.
    return sorted(chain.from_iterable(logs), key=attrgetter("at_ns"))


class Result:
    """Hold one run of a scenario: in virtual time, or put to a live service."""

    def __init__(  # noqa: PLR0913  (a record, made in one place, by name)
        self,
        *,
        scenario: Scenario,
        logs: Sequence[Sequence[Event]],
        event_log_sha256: str,
        cpu_seconds: float,
        peak_rss_mb: float,
        supply: dict[str, int],
        prices_sha256: str,
        attacks: Mapping[str, Attack] | None = None,
        load: LoadReport | None = None,
    ) -> None:
        self.scenario = scenario
        self.logs = logs
        """The events of each order, in the order of arrival; of a run that was written to disk they
        are read from there, one order's or one after the other."""
        self.event_log_sha256 = event_log_sha256
        """SHA-256 of ``events.jsonl``, the log that ``save`` writes."""
        self.cpu_seconds = cpu_seconds
        """CPU time of the run, events recorded and hashed; without building the world. Of a live
        run: the client's own."""
        self.peak_rss_mb = peak_rss_mb
        self.supply = supply
        """Base units issued of each token, all found again at the end in accounts and vaults.
        Empty for a live run, whose accounts the client does not see."""
        self.prices_sha256 = prices_sha256
        """SHA-256 of the price file; empty if prices were drawn, or a live run."""
        self.attacks: dict[str, Attack] = dict(attacks or {})
        """What the sandwich attacker did, by its victim's signature."""
        self.load = load
        """What the client of a live run measured; None for a study."""

    @cached_property
    def orders(self) -> polars.DataFrame:
        """One row an order: ending, amounts, fees, stages in ns, costs in bps."""
        if isinstance(self.logs, SavedLogs):
            return self.logs.order_table()
        from orderengine.analysis.tables import order_table  # noqa: PLC0415  (loads polars)

        return order_table(self.logs)

    @cached_property
    def events(self) -> polars.DataFrame:
        """One row an event."""
        if isinstance(self.logs, SavedLogs):
            return self.logs.event_table()
        from orderengine.analysis.tables import event_table  # noqa: PLC0415  (loads polars)

        return event_table(self.logs)

    @cached_property
    def attack_table(self) -> polars.DataFrame:
        """One row an attack: whom, where, what it brought and what it cost the order."""
        from orderengine.analysis.attacks import attack_table  # noqa: PLC0415  (loads polars)

        rows = [
            {"signature": signature} | msgspec.structs.asdict(attack)
            for signature, attack in self.attacks.items()
        ]
        return attack_table(rows, self.logs)

    @cached_property
    def _summary(self) -> Summary:
        from orderengine.analysis.summary import summarise  # noqa: PLC0415  (loads polars)

        return summarise(self.orders)

    @property
    def virtual_seconds(self) -> float:
        """From the first accepted order to the last end, in virtual time or, live, real."""
        return self._summary.virtual_seconds

    @property
    def us_cpu_per_order(self) -> float:
        """CPU time an order, in µs."""
        return self.cpu_seconds / max(len(self.logs), 1) * 1e6

    def summary(self) -> Summary:
        """Return the headline figures; they print as a table."""
        return self._summary

    def timeline(self, order: str | int) -> Timeline:
        """Return the life of one order, by its id or its number (from 0).

        Raises:
            UnknownOrder: no such order.
        """
        from orderengine.analysis.timeline import timeline  # noqa: PLC0415  (loads polars)

        return timeline(self._log(order))

    def _log(self, order: str | int) -> Sequence[Event]:
        if isinstance(order, int):
            if 0 <= order < len(self.logs):
                return self.logs[order]
        elif isinstance(self.logs, SavedLogs):
            number = self.logs.number_of(order)
            if number is not None:
                return self.logs[number]
        else:
            for log in self.logs:
                if log[0].order_id == order:
                    return log
        raise UnknownOrder(str(order))

    @property
    def plot(self) -> Plots:
        """The charts of this result."""
        return Plots(self)

    def figures(self) -> dict[str, Any]:
        """Return the figures that ``orderengine simulate --json`` prints."""
        summary = self._summary
        ended = {
            name: getattr(summary, name)
            for name in ("orders", "confirmed", "failed", "cancelled", "expired")
        }
        load = {} if self.load is None else {"load": self.load.figures()}
        return ended | {
            "event_log_sha256": self.event_log_sha256,
            "latency_ms": summary.latency_ms,
            "shortfall_bps": summary.shortfall_bps,
            "venues": summary.venues,
            "fill_rate": summary.fill_rate,
            "in_flight_max": summary.in_flight_max,
            "virtual_seconds": self.virtual_seconds,
            "cpu_seconds": round(self.cpu_seconds, 6),
            "us_cpu_per_order": round(self.us_cpu_per_order, 3),
            "peak_rss_mb": round(self.peak_rss_mb, 1),
            "seed": self.scenario.seed,
            "scenario": self.scenario.name,
            "prices_sha256": self.prices_sha256,
            "supply": {token: str(amount) for token, amount in self.supply.items()},
            **self._attack_figures(),
            **load,
        }

    def _attack_figures(self) -> dict[str, Any]:
        """Return what attacks cost, where there is an attacker."""
        if self.load is not None or self.scenario.market.sandwich.seen_share == 0:
            return {}
        from orderengine.analysis.attacks import attack_figures  # noqa: PLC0415  (loads polars)

        return {"attacks": attack_figures(self.attack_table, self.orders)}

    def report(self, path: str | os.PathLike[str], command: str = "") -> Path:
        """Write a report: one self-contained HTML page, whole or not at all.

        Raises:
            InvalidData: the path cannot be written.
        """
        from orderengine.analysis.report import (  # noqa: PLC0415  (loads polars and altair)
            ReportFacts,
            write_report,
        )

        scenario = self.scenario
        facts: dict[str, object] = {
            "seed": scenario.seed,
            self._clock: f"{self.virtual_seconds:,.3f} s",
            "CPU": f"{self.cpu_seconds:,.2f} s",
            "CPU an order": f"{self.us_cpu_per_order:,.0f} µs",
        }
        if self.supply:
            facts["conserved to the unit"] = ", ".join(self.supply)
        if self.prices_sha256:
            facts["prices"] = f"{Path(scenario.market.price.file).name}"
        return write_report(
            Path(path),
            title=f"Study {scenario.name}",
            facts=ReportFacts(
                lead=self._lead,
                facts=facts,
                assumptions=self._assumptions,
                scenario_toml=scenario.to_toml(),
                event_log_sha256=self.event_log_sha256,
                command=command,
                workers=0 if self.load else scenario.engine.workers,
            ),
            logs=self.logs,
            table=self.orders,
        )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``events.jsonl``, ``orders.parquet``, ``scenario.toml`` and ``summary.json``.

        Where the run itself has written its events and orders, only the last two are written.
        Each file is written beside its place and then moved there, so none is ever half there; the
        summary comes last. ``load`` opens the folder again.

        Raises:
            InvalidData: the folder cannot be written.
        """
        target = Path(folder)
        with writable(target):
            target.mkdir(parents=True, exist_ok=True)
            (target / SUMMARY_FILE).unlink(missing_ok=True)
            if not (isinstance(self.logs, SavedLogs) and self.logs.is_in(target)):
                self._save_events(target)
            with replacing(target / SCENARIO_FILE) as part:
                part.write_text(self.scenario.to_toml(), "utf-8")
            with replacing(target / SUMMARY_FILE) as part:
                part.write_bytes(msgspec.json.format(msgspec.json.encode(self.figures())) + b"\n")
        return target

    def _save_events(self, target: Path) -> None:
        logs = self.logs
        lines = logs.lines() if isinstance(logs, SavedLogs) else encode_lines(in_time_order(logs))
        with replacing(target / LINES_FILE) as part, part.open("wb") as file:
            file.writelines(lines)
        with replacing(target / ORDERS_FILE) as part:
            self.orders.write_parquet(part)
        (target / EVENTS_FILE).unlink(missing_ok=True)  # of an earlier run

    @property
    def _clock(self) -> str:
        return "virtual time" if self.load is None else "real time"

    @property
    def _lead(self) -> str:
        return sentence_of(self.scenario) if self.load is None else live_sentence_of(self.scenario)

    @property
    def _assumptions(self) -> list[str]:
        return assumptions_of(self.scenario) if self.load is None else [LIVE_ASSUMPTION]

    def __str__(self) -> str:
        from orderengine.analysis.summary import render_summary  # noqa: PLC0415  (loads polars)

        return render_summary(self._summary, self._clock)

    def __repr__(self) -> str:
        return f"<Result of {self.scenario.name}: {len(self.logs):,} orders>"

    def _repr_html_(self) -> str:
        from orderengine.analysis.report_figures import (  # noqa: PLC0415  (loads polars)
            notebook_summary,
        )

        return notebook_summary(self._summary, escape(self._lead))


class Plots:
    """Draw a result; each method returns an Altair chart."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def latency(self) -> AnyChart:
        """Draw how long each stage took: cumulative shares."""
        from orderengine.analysis import plots  # noqa: PLC0415  (loads altair)

        return plots.latency(self._result.orders)

    def in_flight(self) -> AnyChart:
        """Draw how many orders were in each status over time."""
        from orderengine.analysis import plots  # noqa: PLC0415  (loads altair)

        return plots.in_flight(self._result.logs)

    def shortfall(self) -> AnyChart:
        """Draw the parts of the cost by order size."""
        from orderengine.analysis import plots  # noqa: PLC0415  (loads altair)

        return plots.shortfall(self._result.orders)

    def price(self) -> AnyChart:
        """Draw the outside price and the prices of the fills."""
        from orderengine.analysis import plots  # noqa: PLC0415  (loads altair)

        return plots.price(self._result.orders)

    def venues(self) -> AnyChart:
        """Draw how much each venue filled."""
        from orderengine.analysis import plots  # noqa: PLC0415  (loads altair)

        return plots.venues(self._result.orders)

    def hdr_latency(self, *stages: str) -> AnyChart:
        """Draw latency by percentile into the tail; without a stage, of the whole."""
        from orderengine.analysis import plots  # noqa: PLC0415  (loads altair)

        return plots.hdr_latency(self._result.orders, stages or ("total",))

    def markout(self, prices: polars.DataFrame | None = None) -> AnyChart:
        """Draw the price after the fills; None takes the prices that the run's orders saw."""
        from orderengine.analysis import plots, spreads  # noqa: PLC0415  (loads altair)

        return plots.markout(spreads.markout_table(self._result.orders, prices))

    def cost_by_size(self) -> AnyChart:
        """Draw the mean shortfall by order size, with intervals."""
        from orderengine.analysis import plots, sizes  # noqa: PLC0415  (loads altair)

        return plots.cost_by_size(sizes.cost_by_size(self._result.orders))

    def revert_rates(self) -> AnyChart:
        """Draw why attempts came to nothing, with intervals."""
        from orderengine.analysis import plots, reverts  # noqa: PLC0415  (loads altair)

        return plots.revert_rates(reverts.revert_table(reverts.attempt_table(self._result.logs)))

    def timeline(self, order: str | int) -> AnyChart:
        """Draw one order's life as bars over time."""
        from orderengine.analysis import plots  # noqa: PLC0415  (loads altair)

        return plots.timeline(self._result._log(order))  # noqa: SLF001  (the same module)
