"""Commands that run a service, and put load on one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

import msgspec
import rich_click as click

from orderengine.cli.shared import SERVICE, STUDY, found_scenario, require_extra
from orderengine.errors import InvariantViolated

if TYPE_CHECKING:
    from orderengine.study.result import Result

__all__ = ["COMMANDS"]


@click.command()
@click.option(
    "--host", metavar="H", help="Where to listen; beyond loopback keys are asked for. Also HOST."
)
@click.option("--port", metavar="P", help="Default 3000; 0 takes a free one. Also PORT.")
def serve(host: str | None, port: str | None) -> None:
    """Accept orders over HTTP, execute them, and stream what happens over WebSockets.

    Without any setting: a queue in memory, orders kept in orderengine.db, a simulated market.
    """
    require_extra("service", *SERVICE)
    from orderengine.service import preflight  # noqa: PLC0415  (only this command needs it)
    from orderengine.service.settings import Settings  # noqa: PLC0415

    settings = Settings.from_env(os.environ, HOST=host, PORT=port)
    preflight.require_free_port(settings)
    preflight.require_database(settings)
    preflight.require_redis(settings)

    from orderengine.service.serve import serve as run  # noqa: PLC0415  (loads the extra)

    raise SystemExit(run(settings))


@click.command()
def work() -> None:
    """Execute the orders that serving processes accept; settings as for serve."""
    require_extra("service", *SERVICE)
    from orderengine.service import preflight  # noqa: PLC0415  (only this command needs it)
    from orderengine.service.settings import Settings  # noqa: PLC0415

    settings = Settings.from_env(os.environ)
    preflight.require_database(settings)
    preflight.require_redis(settings)

    from orderengine.service.serve import work as run  # noqa: PLC0415  (loads the extra)

    raise SystemExit(run(settings))


@click.command()
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
    require_extra("client", "httpx", "websockets")
    require_extra("study", *STUDY)
    import anyio  # noqa: PLC0415  (only this command needs it)

    from orderengine.study.live import Client  # noqa: PLC0415  (loads the extra)
    from orderengine.study.scenario_form import parse_setting  # noqa: PLC0415

    chosen = found_scenario(study)
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


COMMANDS = (serve, work, load)
