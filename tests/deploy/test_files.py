"""Check that the deploy files say what the code understands."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from orderengine.cli import main
from orderengine.service.settings import SETTINGS, Settings
from orderengine.service.web.app import create_app
from tests.deploy.files import FILLED, ROOT, Run, compose, image_env, runs, text

CLOSE_S = 10
"""What closing sockets and the database takes at most, on top of what is set."""
_OTHERS = {"PATH", "PYTHONUNBUFFERED", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}


def settings_of(run: Run) -> Settings:
    """Return the settings that a process would start with, its flags included."""
    words = run.words[2:] if run.words[1] == "serve" else []
    flags = zip(words[::2], words[1::2], strict=True)
    return Settings.from_env(run.env, **{name.strip("-").upper(): value for name, value in flags})


def require_known(words: list[str]) -> None:
    """Fail if the program does not know a command or a flag."""
    command: click.Command = main
    assert words[0] == "orderengine"
    for word in words[1:]:
        if isinstance(command, click.Group):
            assert word in command.commands, words
            command = command.commands[word]
        elif word.startswith("--"):
            name = word.partition("=")[0]
            assert any(name in option.opts for option in command.params), words


@pytest.mark.parametrize("run", runs(), ids=lambda run: f"{run.source}: {' '.join(run.words)}")
def test_a_process_starts_with_what_its_file_says(run: Run) -> None:
    """Its command exists, its variables are known, production accepts them, and it may end well."""
    require_known(run.words)
    assert set(run.env) <= {setting.variable for setting in SETTINGS} | _OTHERS
    settings = settings_of(run)
    assert settings.is_production
    assert settings.auth == "keys"
    if run.words[1] == "serve":
        assert settings.host == "0.0.0.0"  # noqa: S104  (in a container)
    if run.grace_s is not None:
        assert run.grace_s >= settings.drain_s + settings.grace_s + CLOSE_S


def test_each_file_serves_works_and_upgrades() -> None:
    """Railway starts one program a service: its workers are set up by hand, as the docs say."""
    by_file: dict[str, set[str]] = {}
    for run in runs():
        by_file.setdefault(run.source.split()[0], set()).add(" ".join(run.words[1:3]))
    for file, commands in by_file.items():
        wanted = {"serve", "db upgrade"} | (set() if file == "railway.json" else {"work"})
        assert {command.split(" --")[0] for command in commands} == wanted, file


def test_health_paths_are_routes() -> None:
    """A platform that asks for another path would restart a healthy process for ever."""
    fly = tomllib.loads(text("fly.toml"))["http_service"]
    asked = [check["path"] for check in fly["checks"]]
    asked.append(json.loads(text("railway.json"))["deploy"]["healthcheckPath"])
    asked += re.findall(r"healthCheckPath: (\S+)", text("render.yaml"))
    asked += re.findall(r"http://[^/]+(/\S+?)\"", text("compose.yaml"))
    assert len(asked) == 4
    routes = {route.path for route in create_app(Settings()).app.routes}
    assert {path.partition("?")[0] for path in asked} <= routes
    assert {path.partition("?")[2] for path in asked} <= {"", "degraded=ok"}
    prometheus = yaml.safe_load(text("deploy/prometheus/prometheus.yml"))
    (scraped,) = prometheus["scrape_configs"]
    assert scraped["metrics_path"] in routes


def test_ports_agree() -> None:
    """The image's, and those that proxies are told of."""
    port = image_env()["PORT"]
    assert int(port) == Settings().port
    fly = tomllib.loads(text("fly.toml"))
    assert fly["env"]["PORT"] == port == str(fly["http_service"]["internal_port"])
    (mapped,) = compose(FILLED)["services"]["api"]["ports"]
    assert mapped.endswith(f":{port}")
    assert f"EXPOSE {port}" in text("Dockerfile")
    (scraped,) = yaml.safe_load(text("deploy/prometheus/prometheus.yml"))["scrape_configs"]
    assert [found["port"] for found in scraped["dns_sd_configs"]] == [int(port)]


def test_redis_keeps_what_it_has() -> None:
    """It refuses writes rather than forget keys, and writes a file."""
    words = compose(FILLED)["services"]["redis"]["command"]
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
    assert words[words.index("--appendonly") + 1] == "yes"
    assert "maxmemoryPolicy: noeviction" in text("render.yaml")


def test_sockets_fit_the_limits_around_them() -> None:
    """A process may open as many files as it takes sockets, and a proxy lets them all come."""
    sockets_max = Settings().sockets_max
    assert compose(FILLED)["services"]["api"]["ulimits"]["nofile"] > sockets_max
    fly = tomllib.loads(text("fly.toml"))
    assert fly["http_service"]["concurrency"]["hard_limit"] >= sockets_max


def test_the_image_is_not_root_and_holds_what_it_needs() -> None:
    """Its last user is a number above 0, and every file that it copies is in the context."""
    lines = text("Dockerfile").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert int(users[-1]) > 0
    allowed = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}
    copied = {
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_an_env_file_names_what_compose_needs() -> None:
    """Every variable that must be filled in, and none that nothing reads."""
    offered = set(re.findall(r"^(\w+)=", text("deploy/compose.env"), re.MULTILINE))
    named = set(re.findall(r"\$\{(\w+)", text("compose.yaml")))
    assert offered == named


def test_every_alert_has_its_place_in_the_runbook() -> None:
    """And the runbook knows no alert that is not there."""
    rules = yaml.safe_load(text("deploy/prometheus/alerts.yml"))["groups"][0]["rules"]
    headings = re.findall(r"^## ([A-Z]\w+)$", text("docs/service/runbook.md"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules]


def test_the_page_of_settings_is_current() -> None:
    """docs/service/settings.md is what docs/make_settings.py writes today."""
    drawn = runpy.run_path(str(ROOT / "docs" / "make_settings.py"))["page"]()
    assert text("docs/service/settings.md") == drawn


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "service").glob("*.md")), ids=str)
def test_the_docs_name_commands_that_exist(page: Path) -> None:
    """In consoles and in the text, with flags that they have."""
    said = page.read_text("utf-8")
    found = re.findall(r"`(orderengine [^`]+)`", said)
    found += re.findall(r"(?m)^\$ (?:.*[ /])?(orderengine [a-z].*)$", said)
    for command in found:
        words = command.replace("[", "").replace("]", "").partition(" | ")[0].split()
        require_known([word for word in words if word[0].isascii()])
