"""The command line: read what people write, call one function, print what they asked for.

Exit codes: 0 done, 1 a check failed, 2 bad input, said in one line on standard error; 130 stopped
by Ctrl-C, 141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import rich_click as click

from orderengine import __version__
from orderengine.errors import InvalidData, InvariantViolated, OrderEngineError

if TYPE_CHECKING:
    from orderengine.study.result import Result
    from orderengine.study.scenario import Scenario

__all__ = ["main"]

_SERVICE = ("litestar", "uvicorn", "saq", "redis", "websockets")
"""What the extra service brings."""

_STUDY = ("polars", "altair", "tomli_w", "tqdm")
"""What the extra study brings."""


class _OneLine(click.RichGroup):
    """Turn our errors into one clear line and an exit code, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  (click's own signature)
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            click.echo(f"orderengine: {' '.join(error.format_message().split())}", err=True)
            ctx.exit(2)
        except OrderEngineError as error:
            click.echo(f"orderengine: {' '.join(str(error).split())}", err=True)
            ctx.exit(1 if isinstance(error, InvariantViolated) else 2)
        except (KeyboardInterrupt, click.Abort):
            # It may have come between the making of a coroutine and its first step.
            never = "coroutine .* was never awaited"
            warnings.filterwarnings("ignore", message=never, category=RuntimeWarning)
            click.echo("orderengine: stopped", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            # Nothing more can be told: let Python's last flush of standard output go nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(141)


@click.group(cls=_OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="orderengine")
def main() -> None:
    """Route and execute token-swap orders over Solana DEX pools: studies and a service."""


@main.command()
@click.option("--host", metavar="H", help="Where to listen; loopback only. Also HOST.")
@click.option("--port", metavar="P", help="Default 3000; 0 takes a free one. Also PORT.")
def serve(host: str | None, port: str | None) -> None:
    """Accept orders over HTTP, execute them, and stream what happens over WebSockets.

    Without any setting: a queue in memory, orders kept in orderengine.db, a simulated market.
    """
    _require_extra("service", *_SERVICE)
    from orderengine.service.serve import serve as run  # noqa: PLC0415  (loads the extra)
    from orderengine.service.settings import Settings  # noqa: PLC0415

    raise SystemExit(run(Settings.from_env(os.environ, HOST=host, PORT=port)))


@main.command()
def work() -> None:
    """Execute the orders that serving processes accept; settings as for serve."""
    _require_extra("service", *_SERVICE)
    from orderengine.service.serve import work as run  # noqa: PLC0415  (loads the extra)
    from orderengine.service.settings import Settings  # noqa: PLC0415

    raise SystemExit(run(Settings.from_env(os.environ)))


@main.command()
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
@click.option("--out", metavar="DIR", help="Write events.jsonl, orders.parquet, summary.json.")
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
    _require_extra("study", *_STUDY)
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
    chosen = _found(scenario).replace(changes)
    if report is not None:
        replaceable(report)
    if out is not None:
        if not out:
            raise InvalidData("--out", "an empty path", "a folder that can be written")
        require_writable_folder(out)
    will_be_made = out is not None and not Path(out).exists()
    if report is not None and not (will_be_made and Path(report).parent == Path(str(out))):
        require_writable(report)
    result = run(chosen, progress=False if as_json else None)
    if out is not None:
        result.save(out)
    if report is not None:
        result.report(report, command=shlex.join(["orderengine", *sys.argv[1:]]))
    if as_json:
        click.echo(msgspec.json.encode(result.figures()))
        return
    click.echo(str(result))
    click.echo()
    click.echo(f"Conserved to the unit over users, pools and fees: {', '.join(result.supply)}")
    click.echo(
        f"CPU {result.cpu_seconds:.2f} s, {result.cpu_seconds / len(result.logs) * 1e6:,.0f} µs an "
        f"order; event log sha256 {result.event_log_sha256}"
    )
    for what, where in (("report", report), ("events and tables", out)):
        if where is not None:
            click.echo(f"{what}: {where}")


@main.command()
@click.option("--url", required=True, help="Where the service listens: http://127.0.0.1:3000.")
@click.option("--orders", metavar="N", help="How many orders.")
@click.option("--rate", metavar="R", type=float, help="Open loop: orders a second, on average.")
@click.option("--concurrency", metavar="C", type=int, help="Closed loop: so many orders at once.")
@click.option(
    "--ws",
    type=click.Choice(["one", "per-order"]),
    default="one",
    help="Read events over one socket for all orders, or one for each.",
)
@click.option("--key", metavar="K", help="The API key.")
@click.option("--scenario", "study", metavar="S", default="default", help="A name or .toml file.")
@click.option(
    "--lost-after",
    metavar="SECONDS",
    type=float,
    default=120,
    help="How long after its receipt an order without an end counts as lost (120).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def load(  # noqa: PLR0913, PLR0917  (one argument a flag)
    url: str,
    orders: str | None,
    rate: float | None,
    concurrency: int | None,
    ws: Literal["one", "per-order"],
    key: str | None,
    study: str,
    lost_after: float,
    as_json: bool,
) -> None:
    """Put a scenario's orders to a running service and measure what it does with them.

    Exit code 1 if an order was lost, or an event was sent twice, late or never.
    """
    _require_extra("client", "httpx", "websockets")
    _require_extra("study", *_STUDY)
    import anyio  # noqa: PLC0415  (only this command needs it)

    from orderengine.study.live import Client  # noqa: PLC0415  (loads the extra)
    from orderengine.study.scenario_form import parse_setting  # noqa: PLC0415

    chosen = _found(study)
    if orders is not None:
        chosen = chosen.replace(dict([parse_setting(f"orders={orders}")]))

    async def run() -> Result:
        async with Client(url, key=key) as client:
            return await client.load(
                chosen,
                rate_per_s=rate,
                concurrency=concurrency,
                ws=ws,
                lost_after_s=lost_after,
                progress=False if as_json else None,
            )

    result = anyio.run(run)
    report = result.load
    if report is None:
        raise InvariantViolated("a live run gave no load report")
    if as_json:
        more = {"event_log_sha256": result.event_log_sha256, "scenario": chosen.name}
        click.echo(msgspec.json.encode(report.figures() | more))
    else:
        click.echo(str(report))
        if result.logs:
            click.echo(f"\n{result}")
        click.echo()
        click.echo(
            f"CPU of the client {report.cpu_seconds:.2f} s; "
            f"event log sha256 {result.event_log_sha256}"
        )
    if not report.is_whole:
        sys.exit(1)


@main.command()
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
    _require_extra("study", *_STUDY)
    from orderengine.study.scenario_form import parse_setting  # noqa: PLC0415  (loads the extra)

    chosen = _found(scenario).replace(dict(parse_setting(setting) for setting in settings))
    click.echo(chosen.to_toml(), nl=False)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE.jsonl…")
@click.option("--venue", help="The program, if it is not the start of the file's name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def verify(files: tuple[str, ...], venue: str | None, as_json: bool) -> None:
    """Check our swap math against recorded answers of the venues' own SDKs, to the unit."""
    from orderengine.pools.verify import (  # noqa: PLC0415  (only this command needs it)
        CaseStatus,
        check_line,
        venue_of_file_name,
    )

    counts = dict.fromkeys(CaseStatus, 0)
    details: list[dict[str, str]] = []
    for file in files:
        program = venue or venue_of_file_name(Path(file).name)
        for number, line in enumerate(_lines(file), start=1):
            case = check_line(program, line, f"{file}:{number}")
            counts[case.status] += 1
            if case.status is not CaseStatus.PASSED:
                differs = "; ".join(
                    f"{entry.field} is {entry.got}, expected {entry.expected}"
                    for entry in case.mismatches
                )
                why = case.reason or differs
                details.append(
                    {"file": file, "id": case.case_id, "status": case.status, "why": why}
                )
    if as_json:
        click.echo(msgspec.json.encode({**counts, "details": details}))
    else:
        for detail in details:
            click.echo(f"{detail['status']} {detail['id']}: {detail['why']}")
        skipped = f", {counts[CaseStatus.SKIPPED]} skipped" if counts[CaseStatus.SKIPPED] else ""
        passed, failed = counts[CaseStatus.PASSED], counts[CaseStatus.FAILED]
        click.echo(f"{passed} passed, {failed} failed{skipped}")
    if counts[CaseStatus.FAILED]:
        sys.exit(1)


def _found(scenario: str) -> Scenario:
    """Return the scenario of a name or a file; a pipe or a device is not waited for."""
    from orderengine.study.run import scenario as find  # noqa: PLC0415  (loads the extra)

    if scenario.endswith(".toml"):
        _require_regular(scenario, "a readable .toml file")
    return find(scenario)


def _require_regular(file: str, expected: str) -> None:
    """Refuse what is there and is no regular file, before it is opened and read from for ever."""
    path = Path(file)
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "a pipe or device"
        raise InvalidData(file, found, expected)


def _lines(file: str) -> Iterator[bytes]:
    """Yield the lines that are not empty, of a plain or gzip file."""
    import gzip  # noqa: PLC0415  (only for such files)
    import zlib  # noqa: PLC0415

    _require_regular(file, "a readable JSONL file")
    try:
        data = Path(file).read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidData(file, reason, "a readable JSONL file") from None
    lines = [line for line in data.splitlines() if line.strip()]
    if not lines:
        raise InvalidData(file, "no lines", "one case a line")
    yield from lines


def _require_extra(extra: str, *modules: str) -> None:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise InvalidData(
            "this command", f"no {', '.join(missing)}", f"pip install 'orderengine[{extra}]'"
        )
