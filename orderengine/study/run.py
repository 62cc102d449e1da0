"""Run a scenario: the real engine, in the simulated world, in virtual time."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio

from orderengine import virtualtime
from orderengine.errors import InvalidScenario, InvariantViolated
from orderengine.market.fields import FieldError
from orderengine.market.world import World
from orderengine.model.events import Event
from orderengine.model.wire import event_log_sha256
from orderengine.study.collector import seldom_collected
from orderengine.study.files import file_sha256
from orderengine.study.forgetting import Forgetting
from orderengine.study.placing import place_orders
from orderengine.study.progress import Progress, progress_of
from orderengine.study.recording import DiskRecording, require_one_end
from orderengine.study.result import Result, in_time_order
from orderengine.study.saved import SavedLogs
from orderengine.study.scenario import Scenario
from orderengine.study.scenario_form import named_scenarios
from orderengine.study.wiring import build_world, wire

__all__ = ["first_error", "peak_rss_mb", "scenario", "simulate"]


def scenario(name_or_path: str | os.PathLike[str] = "default") -> Scenario:
    """Return a scenario by its name, or from a TOML file.

    Raises:
        InvalidScenario: no such name or file, or a field is wrong.
    """
    text = os.fspath(name_or_path)
    named = named_scenarios()
    if text in named:
        return Scenario.from_toml(named[text])
    if not text.endswith(".toml"):
        expected = f"a scenario's name ({', '.join(named)}) or a .toml file"
        raise InvalidScenario("scenario", text, expected)
    try:
        with open(text, encoding="utf-8") as file:
            found = Scenario.from_toml(file.read())
            return found.replace(name=Path(text).stem) if found.name in named else found
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InvalidScenario("scenario", text, f"a readable .toml file ({reason})") from None


def simulate(
    study: Scenario | str = "default",
    *,
    out: str | os.PathLike[str] | None = None,
    progress: bool | Callable[[int, int], None] | None = None,
    **changes: object,
) -> Result:
    """Run a study and return its result.

    Args:
        study: a scenario, or the name or path of one.
        out: a folder to write events and orders to while the study runs, as Parquet; memory then
            does not grow with the number of orders, and the result reads from there when asked.
            ``load`` opens it again. None keeps everything in memory.
        progress: True shows a bar, False none, None one where somebody watches; a function is
            called with the orders ended so far and in all.
        changes: fields to change first, as in ``Scenario.replace``.

    Raises:
        InvalidScenario: a field is wrong, or a function that the scenario names is not at hand.
        InvalidData: a file that the scenario names is not what it should be, or ``out`` cannot be
            written; no half-written file is left there.
        InvariantViolated: an order did not end exactly once, or tokens were not conserved.
    """
    chosen = study if isinstance(study, Scenario) else scenario(study)
    # Validate once more: a scenario built by hand was not converted, so types were not checked.
    chosen = chosen.replace(**changes)
    try:
        world = build_world(chosen)
        run = _Run(chosen, world, progress_of(progress, chosen.orders))
        return run.result() if out is None else run.result_in(Path(out))
    except FieldError as error:
        raise InvalidScenario(error.field, error.found, error.expected) from None


class _Run:
    def __init__(self, study: Scenario, world: World, progress: Progress) -> None:
        self._scenario = study
        self._world = world
        self._progress = progress
        self._ended = 0
        self._began = 0.0
        """The process time when all was built and the run began."""

    def result(self) -> Result:
        """Run to the end in memory, and check what must hold."""
        logs = self._run(None)
        digest = event_log_sha256(in_time_order(logs))
        cpu_seconds = time.process_time() - self._began
        for log in logs:
            require_one_end(log)
        return self._checked(logs, digest, cpu_seconds)

    def result_in(self, folder: Path) -> Result:
        """Do the same, with events and orders written to a folder meanwhile."""
        recording = DiskRecording(folder)
        with recording.whole():
            self._run(recording)
        digest, cpu_seconds = recording.event_log_sha256, time.process_time() - self._began
        result = self._checked(SavedLogs(folder, recording.orders), digest, cpu_seconds)
        result.save(folder)
        return result

    def _run(self, recording: DiskRecording | None) -> list[list[Event]]:
        """Return the logs that are kept in memory."""
        with self._progress, seldom_collected():
            try:
                return virtualtime.run(self._main, recording)
            except BaseExceptionGroup as group:
                raise first_error(group) from None

    def _checked(self, logs: Sequence[Sequence[Event]], digest: str, cpu_seconds: float) -> Result:
        """Return the result, after checking that every order is there and so is every token."""
        if len(logs) != self._scenario.orders:
            raise InvariantViolated(f"{self._scenario.orders} orders were placed, {len(logs)} kept")
        supply, price = self._world.require_conserved(), self._scenario.market.price
        return Result(
            scenario=self._scenario,
            logs=logs,
            event_log_sha256=digest,
            cpu_seconds=cpu_seconds,
            peak_rss_mb=peak_rss_mb(),
            supply=supply,
            prices_sha256=file_sha256(price.file) if price.model == "trace" else "",
            attacks=self._world.attacks,
        )

    async def _main(self, recording: DiskRecording | None) -> list[list[Event]]:
        clock = virtualtime.VirtualClock(self._world.start_ns)
        all_ended, orders = anyio.Event(), self._scenario.orders

        def observe(event: Event) -> None:
            if event.status.is_terminal:
                self._ended += 1
                self._progress.update(self._ended)
                if self._ended == orders:
                    all_ended.set()

        def record(event: Event) -> None:
            if recording is not None:
                recording.observe(event)
                if event.status.is_terminal:
                    recording.end(forgetting.end(event.order_id))
                    observe(event)

        wired = wire(self._scenario, self._world, clock, observe if recording is None else record)
        forgetting = Forgetting(wired.store, wired.settlement, self._world)
        self._began = time.process_time()
        async with anyio.create_task_group() as group:
            group.start_soon(wired.workers.run)
            group.start_soon(wired.deadlines.run)
            await place_orders(self._scenario, wired, group)
            await all_ended.wait()
            await wired.workers.drain(grace_s=0)
            group.cancel_scope.cancel()  # deadlines, and cancellations that come too late
        return wired.store.logs


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group of groups: orders of one instant often fail alike."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def peak_rss_mb() -> float:
    """Return the most memory that this process ever held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
