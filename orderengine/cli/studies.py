"""Commands that run studies in virtual time."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from orderengine.cli.shared import STUDY, found_scenario, require_extra
from orderengine.errors import InvalidData

if TYPE_CHECKING:
    from orderengine.study.result import Result

__all__ = ["COMMANDS"]

_STREAMED_FROM = 100_000
"""Orders from which on events go to disk while the study runs: they would take 600 MB of memory."""


@click.command()
@click.argument("scenario", default="default")
@click.option("--orders", metavar="N", help="How many orders.")
@click.option("--seed", metavar="S", help="What every random draw derives from.")
@click.option(
    "--prices",
    metavar="FILE",
    help="A price trace: CSV or Parquet, plain or gzip; columns timestamp and price (or open).",
)
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change any field of the scenario, for example engine.workers=64.",
)
@click.option("--report", metavar="FILE", help="Write one self-contained HTML page.")
@click.option(
    "--out",
    metavar="DIR",
    help="Write events.jsonl, orders.parquet, summary.json; from 100,000 orders on events.parquet, "
    "while the study runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def simulate(  # noqa: PLR0913, PLR0917  (one argument a flag)
    scenario: str,
    orders: str | None,
    seed: str | None,
    prices: str | None,
    settings: tuple[str, ...],
    report: str | None,
    out: str | None,
    as_json: bool,
) -> None:
    """Run a study in virtual time.

    SCENARIO is a name (default, seed_default, simpy_twin) or a TOML file.
    """
    require_extra("study", *STUDY)
    from orderengine.analysis.targets import (  # noqa: PLC0415  (loads the extra)
        replaceable,
        require_writable,
        require_writable_folder,
    )
    from orderengine.study.run import simulate as run  # noqa: PLC0415
    from orderengine.study.scenario_form import parse_setting  # noqa: PLC0415

    changes: dict[str, object] = {}
    for name, text in (("orders", orders), ("seed", seed)):
        if text is not None:
            changes[name] = parse_setting(f"{name}={text}")[1]
    if prices is not None:
        changes |= {"market.price.model": "trace", "market.price.file": prices}
    changes |= dict(parse_setting(setting) for setting in settings)
    chosen = found_scenario(scenario).replace(changes)
    if report is not None:
        replaceable(report)
    if out is not None:
        if not out:
            raise InvalidData("--out", "an empty path", "a folder that can be written")
        require_writable_folder(out)
    will_be_made = out is not None and not Path(out).exists()
    if report is not None and not (will_be_made and Path(report).parent == Path(str(out))):
        require_writable(report)
    streams = out is not None and chosen.orders >= _STREAMED_FROM
    result = run(chosen, out=out if streams else None, progress=False if as_json else None)
    if out is not None and not streams:
        result.save(out)
    if report is not None:
        result.report(report, command=shlex.join(["orderengine", *sys.argv[1:]]))
    if as_json:
        click.echo(msgspec.json.encode(result.figures()))
        return
    _tell(result)
    for what, where in (("report", report), ("events and tables", out)):
        if where is not None:
            click.echo(f"{what}: {where}")


def _tell(result: Result) -> None:
    """Print a result for people."""
    from orderengine.study.wiring import read_opening  # noqa: PLC0415

    click.echo(str(result))
    click.echo()
    if result.scenario.market.snapshot:
        click.echo(f"Pools: {read_opening(result.scenario.market).said}")
    click.echo(f"Conserved to the unit over users, pools and fees: {', '.join(result.supply)}")
    click.echo(
        f"CPU {result.cpu_seconds:.2f} s, {result.cpu_seconds / len(result.logs) * 1e6:,.0f} µs an "
        f"order; event log sha256 {result.event_log_sha256}"
    )


@click.command()
@click.argument("scenario", default="default")
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change any field of the scenario, for example engine.workers=64.",
)
def scenario(scenario: str, settings: tuple[str, ...]) -> None:
    """Print a whole scenario as TOML, to start one's own from.

    SCENARIO is a name (default, seed_default, simpy_twin) or a TOML file.
    """
    require_extra("study", *STUDY)
    from orderengine.study.scenario_form import parse_setting  # noqa: PLC0415  (loads the extra)

    chosen = found_scenario(scenario).replace(dict(parse_setting(setting) for setting in settings))
    click.echo(chosen.to_toml(), nl=False)


COMMANDS = (simulate, scenario)
