"""Read the deploy files of the project as the platforms do."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FILLED = {
    "POSTGRES_PASSWORD": "pg0secret",
    "REDIS_PASSWORD": "redis0secret",
    "ORDERENGINE_BOOTSTRAP_KEY": "oe_" + "k" * 43,
    "ORDERENGINE_ORDER_MAX": "1000SOL,200000USDC",
}
"""What an operator writes into ``.env``, or into a platform's page of secrets."""
ADDRESSES = {
    "DATABASE_URL": "postgresql://u:p@db.internal:5432/orderengine?sslmode=require",
    "REDIS_URL": "redis://:p@redis.internal:6379",
}


class Run(NamedTuple):
    """Hold one process that a file starts: where it says so, its words and its environment."""

    source: str
    words: list[str]
    env: dict[str, str]
    grace_s: int | None
    """How long it has from SIGTERM to SIGKILL; None where the file does not say."""


def text(name: str) -> str:
    """Return a file of the project."""
    return (ROOT / name).read_text("utf-8")


def filled(found: Any, values: dict[str, str]) -> Any:
    """Put values in the place of ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?why}``."""
    if isinstance(found, dict):
        return {key: filled(value, values) for key, value in found.items()}
    if isinstance(found, list):
        return [filled(value, values) for value in found]
    if not isinstance(found, str):
        return found

    def value(match: re.Match[str]) -> str:
        name, default = match[1], match[3] if match[2] == ":-" else None
        if name in values:
            return values[name]
        assert default is not None, f"{name} has no value and no default"
        return default

    return re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value, found)


def compose(values: dict[str, str]) -> dict[str, Any]:
    """Return compose.yaml with its variables filled in."""
    found: dict[str, Any] = filled(yaml.safe_load(text("compose.yaml")), values)
    return found


def image_env() -> dict[str, str]:
    """Return what the image sets for every process in it."""
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", text("Dockerfile"), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in shlex.split(block.replace("\\\n", " ")))


def _seconds(said: str) -> int:
    return int(said.removesuffix("s"))


def runs() -> list[Run]:
    """Return every process of ours that any file starts."""
    image = image_env()
    found: list[Run] = []
    for name, service in compose(FILLED)["services"].items():
        if "orderengine" in service.get("image", ""):
            env = image | service["environment"]
            grace_s = _seconds(service["stop_grace_period"])
            found.append(Run(f"compose.yaml {name}", service["command"], env, grace_s))
    render = yaml.safe_load(text("render.yaml"))
    (group,) = render["envVarGroups"]
    for service in render["services"]:
        if service["type"] not in {"web", "worker"}:
            continue
        env = image | _render_env(group["envVars"] + service["envVars"])
        grace_s = service["maxShutdownDelaySeconds"]
        for field in ("preDeployCommand", "dockerCommand"):
            if field in service:
                source = f"render.yaml {service['name']} {field}"
                found.append(Run(source, shlex.split(service[field]), env, grace_s))
    fly = tomllib.loads(text("fly.toml"))
    env = image | fly["env"] | FILLED | ADDRESSES
    commands = {"release": fly["deploy"]["release_command"]} | fly["processes"]
    for name, command in commands.items():
        grace_s = _seconds(fly["kill_timeout"])
        found.append(Run(f"fly.toml {name}", shlex.split(command), env, grace_s))
    railway = json.loads(text("railway.json"))["deploy"]
    for command in (*railway["preDeployCommand"], railway["startCommand"]):
        env = image | FILLED | ADDRESSES
        found.append(Run("railway.json", shlex.split(command), env, railway["drainingSeconds"]))
    for line in text("Procfile").splitlines():
        name, _, command = line.partition(":")
        env = {"ORDERENGINE_ENV": "production", "PORT": "5000"} | FILLED | ADDRESSES
        found.append(Run(f"Procfile {name}", shlex.split(command), env, None))
    return found


def _render_env(variables: list[dict[str, Any]]) -> dict[str, str]:
    """Return the variables that the file gives, with what an operator adds by hand."""
    found: dict[str, str] = {}
    for variable in variables:
        name = variable.get("key", "")
        if "value" in variable:
            found[name] = variable["value"]
        elif variable.get("sync") is False:
            found[name] = FILLED[name]
        elif "fromGroup" not in variable:
            found[name] = ADDRESSES[name]
    return found
