"""Run commands of the command line in a folder, with the settings that are named and no others."""

from __future__ import annotations

import os
from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner

from orderengine.cli import main
from tests.service.serving import is_setting

__all__ = ["run"]


def run(folder: Path, *arguments: str, **env: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error."""
    unset: dict[str, str | None] = dict.fromkeys(filter(is_setting, os.environ))
    with chdir(folder):
        done = CliRunner().invoke(main, arguments, env=unset | env, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr
