"""Run ``orderengine db`` as an operator does, on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from orderengine.storage.opening import open_database
from tests.execution.store_contract import accepted, cancelled
from tests.servers import PostgresServer, running_postgres

SECRET = "s3cr3t-of-the-database"  # noqa: S105  (of no database)
DAY_NS = 86_400 * 10**9


def db(folder: Path, url: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {} if url is None else {"DATABASE_URL": url}
    program = "import sys; from orderengine.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, "db", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Give a server that does not wait for the disk."""
    with running_postgres(fsync=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a database that does not exist yet, or holds nothing."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/orders.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


async def _fill(url: str) -> None:
    """Store an open order, and orders that ended 1 to 5 days ago."""
    now_ns = time.time_ns()
    async with open_database(url) as database:
        await database.orders.create(accepted("open"))
        for days in range(1, 6):
            order_id = f"o-{days}"
            await database.orders.create(accepted(order_id))
            end = cancelled(2, order_id)
            fields = {name: getattr(end, name) for name in end.__struct_fields__}
            fields["at_ns"] = now_ns - days * DAY_NS - 10**9
            await database.orders.append(type(end)(**fields))


def test_a_database_is_upgraded_told_of_and_pruned(url: str, tmp_path: Path) -> None:
    """From nothing on; what is pruned still counts."""
    assert db(tmp_path, url, "status").returncode == 2
    made = db(tmp_path, url, "upgrade")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("schema version 0 -> ")
    again = db(tmp_path, url, "upgrade")
    assert "nothing to do" in again.stdout
    anyio.run(_fill, url, backend="asyncio")
    pruned = db(tmp_path, url, "prune", "--older-than", "3d", "--batch", "2")
    assert (pruned.returncode, pruned.stdout) == (0, "3 orders deleted\n")
    assert pruned.stderr.splitlines() == ["2 orders", "3 orders"]
    assert db(tmp_path, url, "prune", "--older-than", "72h").stdout == "0 orders deleted\n"
    status = json.loads(db(tmp_path, url, "status", "--json").stdout)
    assert status["orders"] == {"cancelled": 5, "pending": 1}
    assert status["size_bytes"] > 4_096
    assert f"schema version {status['schema_version']}," in db(tmp_path, url, "status").stdout


def test_a_copy_is_made_of_a_file_only(url: str, tmp_path: Path) -> None:
    """PostgreSQL has a program of its own for that, which is named."""
    db(tmp_path, url, "upgrade")
    done = db(tmp_path, url, "backup", "copy.db")
    if url.startswith("sqlite"):
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("copy.db: ")
        status = db(tmp_path, "sqlite:///copy.db", "status")
        assert "no orders" in status.stdout
        again = db(tmp_path, url, "backup", "copy.db")
        assert (again.returncode, again.stdout) == (2, "")
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert "pg_dump" in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_the_default_is_a_file_here(tmp_path: Path) -> None:
    """As for the service."""
    assert db(tmp_path, None, "upgrade").returncode == 0
    assert (tmp_path / "orderengine.db").exists()


WRONG = {
    "no such age": ("sqlite:///o.db", ("prune", "--older-than", "30x")),
    "too young": ("sqlite:///o.db", ("prune", "--older-than", "59m")),
    "no age": ("sqlite:///o.db", ("prune",)),
    "a batch of none": ("sqlite:///o.db", ("prune", "--older-than", "1d", "--batch", "0")),
    "no such file": ("sqlite:///o.db", ("status",)),
    "no such file to prune": ("sqlite:///o.db", ("prune", "--older-than", "1d")),
    "another scheme": (f"mysql://u:{SECRET}@127.0.0.1/x", ("status",)),
    "no server": (f"postgresql://u:{SECRET}@127.0.0.1:1/x", ("status",)),
    "no server to upgrade": (f"postgresql://u:{SECRET}@127.0.0.1:1/x", ("upgrade",)),
}


@pytest.mark.parametrize(("url", "arguments"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_line(
    url: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """With exit code 2, without a secret, and without leaving a file."""
    done = db(tmp_path, url, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert SECRET not in done.stderr
    assert list(tmp_path.iterdir()) == []
