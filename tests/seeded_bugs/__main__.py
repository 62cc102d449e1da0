"""Apply each seeded bug to a copy of the project, and show which test catches it.

Exit code 1 if one is not caught, or if a test fails without any bug.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import msgspec
import rich_click as click

from tests.seeded_bugs.bug import Bug
from tests.seeded_bugs.catalogue import BUGS
from tests.seeded_bugs.trial import Copy, Trial, copies

_SAID_MAX = 3_000


def _chosen(names: Sequence[str]) -> list[Bug]:
    known = {bug.name: bug for bug in BUGS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"no such bug: {', '.join(unknown)}; --list shows them")
    return [known[name] for name in names] or list(BUGS)


def _report(bugs: Sequence[Bug], trials: Sequence[Trial], seconds: float, broken: str) -> bytes:
    told = [
        {
            "name": bug.name,
            "says": bug.says,
            "breaks": bug.breaks,
            "file": bug.file,
            "caught_by": trial.caught_by,
            "seconds": round(trial.seconds, 1),
        }
        for bug, trial in zip(bugs, trials, strict=True)
    ]
    caught = sum(trial.caught_by is not None for trial in trials)
    report = {
        "bugs": len(bugs),
        "caught": caught,
        "passes_without_a_bug": not broken,
        "seconds": round(seconds, 1),
        "trials": told,
    }
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


@contextmanager
def _one_of(free: SimpleQueue[Copy]) -> Iterator[Copy]:
    copy = free.get()
    try:
        yield copy
    finally:
        free.put(copy)


@click.command(help=__doc__)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "lists", is_flag=True, help="Only say which bugs there are.")
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write a report there, too.")
def main(names: tuple[str, ...], lists: bool, jobs: int, path: Path | None) -> None:
    """Try bugs, all or those that are named."""
    bugs = _chosen(names)
    width = max(len(bug.name) for bug in bugs)
    if lists:
        for bug in bugs:
            click.echo(f"{bug.name:<{width}}  {bug.says} Breaks {bug.breaks}.")
        return
    began = time.monotonic()
    tests = list(dict.fromkeys(test for bug in bugs for test in bug.caught_by))
    with copies(jobs) as free, ThreadPoolExecutor(jobs) as pool:

        def run_clean() -> str:
            with _one_of(free) as copy:
                return copy.run_tests(tests)

        def run_with(bug: Bug) -> Trial:
            with _one_of(free) as copy:
                return copy.try_bug(bug)

        clean = pool.submit(run_clean)
        trials: list[Trial] = []
        for bug, trial in zip(bugs, pool.map(run_with, bugs), strict=True):
            trials.append(trial)
            click.echo(f"{bug.name:<{width}}  {trial.line}")
            if trial.said:
                click.echo(trial.said[-_SAID_MAX:], err=True)
    seconds = time.monotonic() - began
    caught = sum(trial.caught_by is not None for trial in trials)
    click.echo(f"{caught} of {len(bugs)} caught in {seconds:.0f} s")
    broken = clean.result()
    if broken:
        click.echo(f"the tests fail without a bug:\n{broken[-_SAID_MAX:]}", err=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_report(bugs, trials, seconds, broken))
    sys.exit(0 if caught == len(bugs) and not broken else 1)


if __name__ == "__main__":
    main()
