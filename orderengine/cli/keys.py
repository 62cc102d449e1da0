"""Commands that make, list and revoke API keys, in the database that DATABASE_URL names."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import anyio
import msgspec
import rich_click as click

from orderengine.cli.shared import SERVICE, age_ns, date_of, require_extra
from orderengine.errors import InvalidData
from orderengine.model.api_key import ApiKey, Role
from orderengine.model.instants import rfc3339

if TYPE_CHECKING:
    from orderengine.storage.database import Keys

__all__ = ["COMMANDS"]

T = TypeVar("T")

_RATE_MAX = 10_000_000


@click.group()
def keys() -> None:
    """Make, list and revoke API keys in the database of DATABASE_URL."""
    require_extra("service", *SERVICE)


@keys.command()
@click.option("--user", required=True, metavar="NAME", help="Whose orders the key reaches.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.USER.value,
    help="An operator also sees metrics.",
)
@click.option(
    "--expires", metavar="90d", help="When the key ends, in min, h, d or w; never without."
)
@click.option(
    "--order-max",
    metavar="1000SOL,5000USDC",
    help="The most that one order may name of each token; other tokens are then refused.",
)
@click.option("--rate", metavar="N", help="Requests a minute, instead of the service's limit.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def create(
    user: str,
    role: str,
    expires: str | None,
    order_max: str | None,
    rate: str | None,
    as_json: bool,
) -> None:
    """Make a key and print its secret, which is shown this once and kept nowhere."""
    from orderengine.service.clock import WallClock  # noqa: PLC0415
    from orderengine.service.credentials import (  # noqa: PLC0415  (only this needs it)
        USER_NAME,
        new_key_id,
        new_secret,
        sha256_of,
    )

    if USER_NAME.fullmatch(user) is None:
        expected = "1 to 64 of a-z 0-9 . _ @ -, the first a letter or a digit"
        raise InvalidData("--user", repr(user), expected)
    now_ns = WallClock().now_ns()
    key = ApiKey(
        key_id=new_key_id(),
        user=user,
        role=Role(role),
        created_at_ns=now_ns,
        expires_at_ns=None if expires is None else now_ns + age_ns("--expires", expires),
        order_max=None if order_max is None else _amounts(order_max),
        requests_per_minute=None if rate is None else _rate(rate),
    )
    secret = new_secret()

    async def add(stored: Keys) -> bool:
        return await stored.add(key, sha256_of(secret))

    _run(add)
    if as_json:
        click.echo(msgspec.json.encode({**_view(key), "secret": secret}))
        return
    click.echo(f"key {key.key_id} of user {user}: the secret is shown this once", err=True)
    click.echo(secret)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def list_keys(as_json: bool) -> None:
    """List all keys, without their secrets, which nobody has."""
    from orderengine.service.clock import WallClock  # noqa: PLC0415  (only this needs it)

    found = _run(lambda stored: stored.all())
    if as_json:
        click.echo(msgspec.json.encode({"keys": [_view(key) for key in found]}))
        return
    now_ns = WallClock().now_ns()
    rows = [("KEY", "USER", "ROLE", "CREATED", "STATE"), *(_row(key, now_ns) for key in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@keys.command()
@click.argument("key_id", metavar="KEY_ID")
def revoke(key_id: str) -> None:
    """Revoke a key; within a second nothing answers to it and its sockets are closed."""
    from orderengine.service.clock import WallClock  # noqa: PLC0415  (only this needs it)

    now_ns = WallClock().now_ns()
    if not _run(lambda stored: stored.revoke(key_id, now_ns)):
        raise InvalidData("KEY_ID", "one that no key has", "an id of orderengine keys list")
    click.echo(f"key {key_id} is revoked")


def _run(act: Callable[[Keys], Awaitable[T]]) -> T:
    """Return what comes of acting on the keys of the database."""
    from orderengine.service.preflight import opened  # noqa: PLC0415  (only this needs it)
    from orderengine.service.settings import Settings  # noqa: PLC0415

    given = {name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}
    url = Settings.from_env(given).database_url

    async def run() -> T:
        async with opened(url) as database:
            return await act(database.keys)

    return anyio.run(run)


def _amounts(text: str) -> dict[str, int]:
    from orderengine.service.variables import amounts  # noqa: PLC0415  (only this needs it)

    try:
        return amounts(text)
    except ValueError:
        raise InvalidData("--order-max", repr(text), "amounts such as 1000SOL,5000USDC") from None


def _rate(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 8 and 1 <= int(text) <= _RATE_MAX):
        raise InvalidData("--rate", repr(text), f"a whole number from 1 to {_RATE_MAX}")
    return int(text)


def _view(key: ApiKey) -> dict[str, object]:
    """Return what is told of a key."""
    return {
        "key_id": key.key_id,
        "user": key.user,
        "role": key.role.value,
        "created_at": rfc3339(key.created_at_ns),
        "expires_at": None if key.expires_at_ns is None else rfc3339(key.expires_at_ns),
        "revoked_at": None if key.revoked_at_ns is None else rfc3339(key.revoked_at_ns),
        "order_max": None
        if key.order_max is None
        else {token: str(amount) for token, amount in key.order_max.items()},
        "requests_per_minute": key.requests_per_minute,
    }


def _row(key: ApiKey, now_ns: int) -> tuple[str, str, str, str, str]:
    state = "valid"
    if key.revoked_at_ns is not None:
        state = f"revoked {_date(key.revoked_at_ns)}"
    elif key.expires_at_ns is not None:
        verb = "expired" if key.is_dead(now_ns) else "valid until"
        state = f"{verb} {_date(key.expires_at_ns)}"
    return key.key_id, key.user, key.role.value, _date(key.created_at_ns), state


def _date(at_ns: int) -> str:
    return date_of(at_ns // 10**9)


COMMANDS = (keys,)
