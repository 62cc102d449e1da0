"""Hold what several commands need: our errors in one line, files that are what they should be."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from orderengine.errors import InvalidData, InvariantViolated, OrderEngineError
from orderengine.model.instants import rfc3339

if TYPE_CHECKING:
    from orderengine.study.scenario import Scenario

__all__ = [
    "SERVICE",
    "SOLANA",
    "STUDY",
    "OneLine",
    "age_ns",
    "date_of",
    "found_scenario",
    "lines_of",
    "require_extra",
    "require_regular",
]

SERVICE = ("litestar", "uvicorn", "saq", "redis", "websockets")
"""What the extra service brings."""

SOLANA = ("httpx", "solders")
"""What the extra solana brings."""

STUDY = ("polars", "altair", "tomli_w", "tqdm")
"""What the extra study brings."""


_AGE = re.compile(r"([1-9][0-9]{0,8})(ms|s|min|m|h|d|w)", re.ASCII)
_SECOND_NS = 1_000_000_000
_AGE_UNITS_NS = {
    "ms": 1_000_000,
    "s": _SECOND_NS,
    "m": 60 * _SECOND_NS,
    "min": 60 * _SECOND_NS,
    "h": 3_600 * _SECOND_NS,
    "d": 86_400 * _SECOND_NS,
    "w": 604_800 * _SECOND_NS,
}
_AGE_NS_MAX = 36_500 * _AGE_UNITS_NS["d"]
"""A hundred years: dates before and after stay numbers of 64 bits."""


class OneLine(click.RichGroup):
    """Turn our errors into one clear line and an exit code, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  (click's own signature)
        """Run a command."""
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


def found_scenario(scenario: str) -> Scenario:
    """Return the scenario of a name or a file; a pipe or a device is not waited for."""
    from orderengine.study.run import scenario as find  # noqa: PLC0415  (loads the extra)

    if scenario.endswith(".toml"):
        require_regular(scenario, "a readable .toml file")
    return find(scenario)


def require_regular(file: str, expected: str) -> None:
    """Refuse what is there and is no regular file, before it is opened and read from for ever."""
    path = Path(file)
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "a pipe or device"
        raise InvalidData(file, found, expected)


def lines_of(file: str) -> Iterator[bytes]:
    """Yield the lines that are not empty, of a plain or gzip file."""
    import gzip  # noqa: PLC0415  (only for such files)
    import zlib  # noqa: PLC0415

    require_regular(file, "a readable JSONL file")
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


def age_ns(option: str, text: str) -> int:
    """Return how long a time such as 90d is, the same for every command that asks for one."""
    found = _AGE.fullmatch(text.strip())
    if found is not None:
        length_ns = int(found[1]) * _AGE_UNITS_NS[found[2]]
        if length_ns <= _AGE_NS_MAX:
            return length_ns
    raise InvalidData(option, repr(text), "a number of s, min, h, d or w, such as 90d")


def date_of(time_s: int) -> str:
    """Return Unix seconds as people read them; 0 is not known."""
    return f"{rfc3339(time_s * 10**9)[:19]}Z" if time_s else "time not known"


def require_extra(extra: str, *modules: str) -> None:
    """Refuse to go on without the packages of an extra, and say how to get them."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise InvalidData(
            "this command", f"no {', '.join(missing)}", f"pip install 'orderengine[{extra}]'"
        )
