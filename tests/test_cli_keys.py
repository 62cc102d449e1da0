"""Check the commands about API keys: what they print, where, and what they never print."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import click.testing
import pytest

from orderengine.cli import main
from orderengine.service.credentials import is_secret, sha256_of


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)


def run(*arguments: str) -> click.testing.Result:
    """Run a command."""
    return click.testing.CliRunner().invoke(main, ["keys", *arguments])


def made(*arguments: str) -> dict[str, object]:
    """Make a key and return what is said of it."""
    done = run("create", "--json", *arguments)
    assert done.exit_code == 0, done.stderr
    said: dict[str, object] = json.loads(done.stdout)
    return said


def test_a_secret_is_printed_alone() -> None:
    """On standard output, so that a script can take it; what is said about it goes elsewhere."""
    done = run("create", "--user", "alice")
    assert done.exit_code == 0
    secret = done.stdout.removesuffix("\n")
    assert is_secret(secret)
    (line,) = done.stderr.splitlines()
    assert "shown this once" in line
    listed = json.loads(run("list", "--json").stdout)["keys"]
    assert listed[0]["key_id"] in line


def test_only_the_hash_of_a_secret_is_kept(tmp_path: Path) -> None:
    """Neither the file nor a list has the secret, and a list has not the hash either."""
    secret = str(made("--user", "alice")["secret"])
    with closing(sqlite3.connect(tmp_path / "orderengine.db")) as db:
        ((kept,),) = db.execute("SELECT secret_sha256 FROM api_keys").fetchall()
    assert kept == sha256_of(secret)
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()
    for shown in (run("list").output, run("list", "--json").output):
        assert secret not in shown
        assert kept not in shown


def test_a_key_is_what_was_asked_for() -> None:
    """Role, end, limits; amounts in base units."""
    key = made(
        *("--user", "bob", "--role", "operator", "--expires", "90d"),
        *("--order-max", "1.5SOL,200USDC", "--rate", "30"),
    )
    listed = json.loads(run("list", "--json").stdout)["keys"]
    assert [key] == [listed[0] | {"secret": key["secret"]}]
    assert (key["user"], key["role"], key["requests_per_minute"]) == ("bob", "operator", 30)
    assert key["order_max"] == {"SOL": "1500000000", "USDC": "200000000"}
    assert str(key["expires_at"]) > str(key["created_at"])
    assert "valid until" in run("list").stdout


def test_a_revoked_key_shows_as_one() -> None:
    """The first date stays; a key that nobody has cannot be revoked."""
    key_id = str(made("--user", "alice")["key_id"])
    assert run("revoke", key_id).exit_code == 0
    first = json.loads(run("list", "--json").stdout)["keys"][0]["revoked_at"]
    assert first is not None
    assert run("revoke", key_id).exit_code == 0
    assert json.loads(run("list", "--json").stdout)["keys"][0]["revoked_at"] == first
    assert "revoked" in run("list").stdout
    unknown = run("revoke", "oe_" + "x" * 43)
    assert unknown.exit_code == 2
    assert "xxx" not in unknown.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["create"], "--user"),
        (["create", "--user", "Bob"], "--user"),
        (["create", "--user", ""], "--user"),
        (["create", "--user", "-bob"], "--user"),
        (["create", "--user", "b" * 65], "--user"),
        (["create", "--user", "b\u00f6b"], "--user"),
        (["create", "--user", "bob\n"], "--user"),
        (["create", "--user", "bob", "--role", "root"], "--role"),
        (["create", "--user", "bob", "--expires", "0d"], "--expires"),
        (["create", "--user", "bob", "--expires", "90"], "--expires"),
        (["create", "--user", "bob", "--expires", "9999999d"], "--expires"),
        (["create", "--user", "bob", "--order-max", "SOL"], "--order-max"),
        (["create", "--user", "bob", "--order-max", ""], "--order-max"),
        (["create", "--user", "bob", "--rate", "0"], "--rate"),
        (["create", "--user", "bob", "--rate", "1.5"], "--rate"),
        (["revoke"], "KEY_ID"),
    ],
    ids=str,
)
def test_what_cannot_be_is_named(arguments: list[str], named: str, tmp_path: Path) -> None:
    """In one line, with exit code 2, and nothing is made."""
    done = run(*arguments)
    assert done.exit_code == 2
    assert named in done.stderr
    assert not done.stdout
    assert not (tmp_path / "orderengine.db").exists()


def test_a_database_that_cannot_be_opened_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable, without its value."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:///nowhere/hunter2.db")
    done = run("list")
    assert done.exit_code == 2
    assert done.stderr.startswith("orderengine: DATABASE_URL: expected ")
    assert "hunter2" not in done.stderr
