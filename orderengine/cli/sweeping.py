"""The command that runs a scenario over a grid."""

from __future__ import annotations

from pathlib import Path

import msgspec
import rich_click as click

from orderengine.cli.shared import STUDY, require_extra, require_regular

__all__ = ["COMMANDS"]


@click.command()
@click.argument("study", metavar="STUDY.toml")
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    help="Keep each run here as it ends, and at last sweep.parquet; goes on with what is there.",
)
@click.option(
    "--executor",
    metavar="processes|dask://HOST:PORT",
    default="processes",
    show_default=True,
    help="Who runs the cells.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 4_096),
    help="How many processes; one a core unless given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def sweep(
    context: click.Context,
    study: str,
    out: str,
    executor: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Run a scenario at each point of a grid, several times each.

    STUDY.toml has a scenario, a [grid] of fields to lists of values, and replicates = N. A sweep
    that was stopped goes on when it is started again with the same DIR. The exit code is 1 if a
    cell failed.
    """
    require_extra("study", *STUDY, "cloudpickle", "scipy")
    from orderengine.study.sweep.run import sweep as run  # noqa: PLC0415  (loads the extra)
    from orderengine.study.sweep.study_file import read_study  # noqa: PLC0415

    require_regular(study, "a readable .toml file")
    asked = read_study(study)
    try:
        result = run(
            asked.scenario,
            asked.grid,
            asked.replicates,
            executor,
            out=out,
            workers=workers,
            progress=False if as_json else None,
        )
    except KeyboardInterrupt:
        click.echo(f"what is done is kept in {out}; the same command goes on", err=True)
        raise
    if as_json:
        click.echo(msgspec.json.encode(result.figures()))
    else:
        click.echo(str(result))
        click.echo()
        if result.resumed:
            click.echo(f"{result.resumed:,} runs were there already")
        click.echo(f"table: {Path(out) / 'sweep.parquet'}; sha256 {result.sha256}")
        if result.failures:
            click.echo("the same command runs what failed again")
    context.exit(1 if result.failures else 0)


COMMANDS = (sweep,)
