"""The command that checks swap math against recorded answers."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import rich_click as click

from orderengine.cli.shared import lines_of

__all__ = ["COMMANDS"]


@click.command()
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
        for number, line in enumerate(lines_of(file), start=1):
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


COMMANDS = (verify,)
