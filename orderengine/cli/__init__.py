"""The command line: read what people write, call one function, print what they asked for.

Exit codes: 0 done, 1 a check failed, 2 bad input, said in one line on standard error; 130 stopped
by Ctrl-C, 141 nobody reads the output any more. A module a group of commands; ``shared`` has what
several need.
"""

from __future__ import annotations

import rich_click as click

from orderengine import __version__
from orderengine.cli import (
    database,
    keys,
    operations,
    orders,
    pools,
    routing,
    serving,
    studies,
    sweeping,
    verifying,
)
from orderengine.cli.shared import OneLine

__all__ = ["main"]


@click.group(cls=OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="orderengine")
def main() -> None:
    """Route and execute token-swap orders over Solana DEX pools: studies and a service."""


for _command in (
    *serving.COMMANDS,
    *keys.COMMANDS,
    *database.COMMANDS,
    *orders.COMMANDS,
    *operations.COMMANDS,
    *studies.COMMANDS,
    *sweeping.COMMANDS,
    *pools.COMMANDS,
    *routing.COMMANDS,
    *verifying.COMMANDS,
):
    main.add_command(_command)
