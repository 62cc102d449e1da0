"""Commands of who runs the service: pause and resume work, and check what production needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
import rich_click as click

from orderengine.cli.shared import SERVICE, require_extra
from orderengine.errors import InvalidData, Unavailable

if TYPE_CHECKING:
    from orderengine.service.operations.checkups.finding import Finding
    from orderengine.storage.database import Database

__all__ = ["COMMANDS", "with_database"]

T = TypeVar("T")
_ANSWER_S_MAX = 30.0
_MARKS = {"ok": ("✓", "green"), "look": ("!", "yellow"), "failed": ("✗", "red")}


def with_database(act: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database that DATABASE_URL names, which must be there, and do something with it."""
    require_extra("service", *SERVICE)
    import anyio  # noqa: PLC0415  (only these commands need it)

    from orderengine.service.settings import SETTINGS, Settings  # noqa: PLC0415
    from orderengine.storage.opening import open_database  # noqa: PLC0415

    (setting,) = [setting for setting in SETTINGS if setting.variable == "DATABASE_URL"]
    url = setting.read(os.environ.get("DATABASE_URL", "").strip() or Settings().database_url)
    _require_there(url)

    async def run() -> T:
        with anyio.move_on_after(_ANSWER_S_MAX):
            async with open_database(url) as database:
                return await act(database)
        raise Unavailable(f"the database did not answer within {_ANSWER_S_MAX:g} s")

    return anyio.run(run)


def _require_there(url: str) -> None:
    """Refuse a file that is not there: opening it would make an empty one."""
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415  (only these commands need it)

    path = unquote(urlsplit(url).path[1:])
    if url.startswith("sqlite:") and not os.path.exists(path):
        raise InvalidData("DATABASE_URL", "no such file", "the database of a service")


def _require_venue(venue: str) -> None:
    from orderengine.pools.footprint import COMPUTE_UNITS  # noqa: PLC0415  (only this command)

    if venue not in COMPUTE_UNITS:
        raise InvalidData("--venue", repr(venue), f"one of {', '.join(COMPUTE_UNITS)}")


@click.command()
@click.option("--venue", metavar="V", help="Only this one; left out, all work.")
@click.option("--reason", metavar="TEXT", default="", help="Kept beside it, for others to read.")
def pause(venue: str | None, reason: str) -> None:
    """Pause work, or one venue, on all processes within a second; orders go on being accepted.

    Orders wait; what is out is settled, and cancellations and deadlines hold.
    """
    if venue is not None:
        _require_venue(venue)

    async def act(database: Database) -> None:
        from orderengine.service.clock import WallClock  # noqa: PLC0415  (loads the extra)
        from orderengine.service.operations.pauses import ALL  # noqa: PLC0415
        from orderengine.storage.database import Pause  # noqa: PLC0415

        rests = Pause(name=venue or ALL, since_ns=WallClock().now_ns(), reason=reason[:1_000])
        await database.operations.pause(rests)

    with_database(act)
    click.echo(f"paused: {venue or 'all work'}")


@click.command()
@click.option("--venue", metavar="V", help="Only this one; left out, all work.")
def resume(venue: str | None) -> None:
    """Let work, or one venue, go on."""
    if venue is not None:
        _require_venue(venue)

    async def act(database: Database) -> bool:
        from orderengine.service.operations.pauses import ALL  # noqa: PLC0415  (loads the extra)

        return await database.operations.resume(venue or ALL)

    did_rest = with_database(act)
    name = venue or "all work"
    click.echo(f"resumed: {name}" if did_rest else f"{name} was not paused")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def doctor(as_json: bool) -> None:
    """Check what production needs: settings, database, Redis, keys, workers, limits.

    Reads the environment as serve does. Exit code 1 if something must be mended.
    """
    require_extra("service", *SERVICE)
    import anyio  # noqa: PLC0415  (only this command needs it)

    from orderengine.service.operations.doctor import examine  # noqa: PLC0415  (loads the extra)

    findings = anyio.run(examine, os.environ)
    is_fit = all(finding.state != "failed" for finding in findings)
    if as_json:
        click.echo(msgspec.json.encode({"ok": is_fit, "checks": findings}))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(_line(finding, width))
    sys.exit(0 if is_fit else 1)


def _line(finding: Finding, width: int) -> str:
    mark, colour = _MARKS[finding.state]
    do = f" → {finding.do}" if finding.do else ""
    return f"{click.style(mark, fg=colour)} {finding.name:<{width}}  {finding.said}{do}"


COMMANDS = (pause, resume, doctor)
