"""Commands that take pools from the chain into a file, and quote from there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from orderengine.cli.shared import SOLANA, date_of, require_extra
from orderengine.errors import InvalidData
from orderengine.pools import Direction, Pool, Swap, tokens_of
from orderengine.pools.snapshot import SECONDS_END
from orderengine.pools.units import base_units, shown_amount, shown_price, symbol_of

if TYPE_CHECKING:
    from orderengine.pools.snapshot import Snapshot
    from orderengine.venues.snapshots import LeftOut

__all__ = ["COMMANDS"]


@click.command()
@click.option("--rpc", metavar="URL", help="A Solana node's JSON-RPC; needs --pool.")
@click.option("--pool", "pools", metavar="ADDRESS…", multiple=True, help="Which pools to read.")
@click.option(
    "--from-files",
    "folders",
    metavar="DIR…",
    multiple=True,
    help="Take every pool whose accounts are complete from folders of account dumps.",
)
@click.option(
    "--reach",
    metavar="N",
    type=click.IntRange(0, 40),
    default=2,
    help="With --rpc: arrays of ticks or bins on each side of the price (2).",
)
@click.option("--out", metavar="FILE", required=True, help="Where to write the snapshot.")
@click.argument("more", nargs=-1, metavar="")
def snapshot(
    rpc: str | None,
    pools: tuple[str, ...],
    folders: tuple[str, ...],
    reach: int,
    out: str,
    more: tuple[str, ...],
) -> None:
    """Take pools as they are into a file: over JSON-RPC at one slot, or from dumped accounts.

    quote, simulate (market.snapshot) and serve (ORDERENGINE_SNAPSHOT) read it.
    """
    if folders:
        folders += more
    else:
        pools += more
    if bool(folders) == bool(rpc) or bool(rpc) != bool(pools):
        raise click.UsageError("give either --rpc URL --pool ADDRESS… or --from-files DIR…")
    require_extra("solana", *SOLANA)
    from orderengine.analysis.targets import replacing, require_writable  # noqa: PLC0415
    from orderengine.pools.snapshot import encode_snapshot  # noqa: PLC0415

    require_writable(out)
    left_out: tuple[LeftOut, ...] = ()
    if rpc:
        taken = _over_rpc(rpc, pools, reach)
    else:
        taken, left_out = _from_files(folders)
    for pool in taken.pools:
        price, unit = shown_price(pool, pool.price_x64)
        pair = f"{symbol_of(pool.token_a)}/{symbol_of(pool.token_b)}"
        click.echo(f"{pool.venue} {pool.address} {pair} {price} {unit}")
    for entry in left_out:
        click.echo(f"left out {entry.venue} {entry.address}: {entry.reason}")
    if not taken.pools:
        where = ", ".join(folders)
        raise InvalidData(where, "no pool whose accounts are complete", "at least one")
    data = encode_snapshot(taken)
    with replacing(out) as part:
        part.write_bytes(data)
    count = f"{len(taken.pools)} pool{'s' * (len(taken.pools) != 1)}"
    slot = f"slot {taken.slot}" if taken.slot else "slot not known"
    click.echo(f"{count}, {len(left_out)} left out; {slot}, {date_of(taken.time_s)}; {out}")


def _over_rpc(url: str, pools: tuple[str, ...], reach: int) -> Snapshot:
    import anyio  # noqa: PLC0415  (only this command needs it)

    from orderengine.solana.rpc import open_rpc  # noqa: PLC0415  (loads the extra)
    from orderengine.venues.snapshots import take_snapshot  # noqa: PLC0415

    async def run() -> Snapshot:
        async with open_rpc(url) as node:
            return await take_snapshot(node, pools, reach, tell=_progress)

    return anyio.run(run)


def _from_files(folders: tuple[str, ...]) -> tuple[Snapshot, tuple[LeftOut, ...]]:
    from orderengine.solana.dumps import read_dumps  # noqa: PLC0415  (loads the extra)
    from orderengine.venues.snapshots import snapshot_of_dumps  # noqa: PLC0415

    dumps = read_dumps(folders)
    held = len([*dumps.accounts])
    click.echo(
        f"{dumps.files} JSON files: {held} accounts, {dumps.passed_over} hold something else"
    )
    for problem in dumps.problems:
        click.echo(f"not used {problem.what}: {problem.reason}")
    return snapshot_of_dumps(dumps.accounts)


def _progress(said: str) -> None:
    """Tell somebody who watches; a file or a pipe gets results only."""
    if sys.stderr.isatty():
        click.echo(f"orderengine: {said}", err=True)


@click.command()
@click.option("--snapshot", "file", metavar="FILE", required=True, help="What snapshot has taken.")
@click.option("--pool", "address", metavar="ADDRESS", required=True, help="One of its pools.")
@click.option("--sell", metavar="TOKEN", required=True, help="Symbol or mint.")
@click.option("--amount", metavar="N", required=True, help="Base units, or 1.5SOL.")
@click.option("--exact-out", is_flag=True, help="The amount is what is received.")
@click.option(
    "--at",
    "at_s",
    metavar="UNIX_SECONDS",
    type=click.IntRange(0, SECONDS_END),
    help="When; dynamic fees depend on it. Default: the snapshot's time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def quote(  # noqa: PLR0913, PLR0917  (one argument a flag)
    file: str,
    address: str,
    sell: str,
    amount: str,
    exact_out: bool,
    at_s: int | None,
    as_json: bool,
) -> None:
    """Say what one pool of a snapshot would do with a swap, to the unit."""
    from orderengine.storage.snapshots import read_snapshot  # noqa: PLC0415

    held = read_snapshot(file)
    pool = held.find(address)
    if pool is None:
        known = ", ".join(found.address for found in held.pools) or "none: it holds no pool"
        raise InvalidData(file, f"no pool {address}", f"one of its pools ({known})")
    direction = _direction(pool, sell)
    sold, bought = tokens_of(pool, direction)
    number = base_units(amount, bought if exact_out else sold)
    now_s = held.time_s if at_s is None else at_s
    do = pool.swap_exact_out if exact_out else pool.swap_exact_in
    swap = do(direction, number, now_s)
    price, unit = shown_price(pool, swap.end_price_x64)
    if as_json:
        figures = _figures(pool, direction, swap)
        more = {"end_price": price, "end_price_unit": unit, "crossed": swap.crossed, "at_s": now_s}
        click.echo(msgspec.json.encode(figures | more))
        return
    click.echo(f"{pool.venue} {pool.address}, {date_of(now_s)}")
    for label, text in (
        ("sell", shown_amount(swap.amount_in, sold)),
        ("receive", shown_amount(swap.amount_out, bought)),
        ("fee", _fee(swap, sold, bought)),
        ("end price", f"{price} {unit}"),
        ("crossed", f"{swap.crossed} ticks or bins"),
    ):
        click.echo(f"{label:<9} {text}")


def _figures(pool: Pool, direction: Direction, swap: Swap) -> dict[str, object]:
    sold, bought = tokens_of(pool, direction)
    is_fee_out = not swap.fee_in and swap.fee_out > 0
    return {
        "amount_in": str(swap.amount_in),
        "amount_out": str(swap.amount_out),
        "fee": str(swap.fee_out if is_fee_out else swap.fee_in),
        "fee_token": symbol_of(bought if is_fee_out else sold),
        "fee_in": str(swap.fee_in),
        "fee_out": str(swap.fee_out),
        "end_price_x64": str(swap.end_price_x64),
        "sell": symbol_of(sold),
        "buy": symbol_of(bought),
        "venue": pool.venue,
        "pool": pool.address,
    }


def _fee(swap: Swap, sold: str, bought: str) -> str:
    """Return the fees by the token that they are charged in, and which side of the swap that is."""
    parts = []
    if swap.fee_in or not swap.fee_out:
        parts.append(f"{shown_amount(swap.fee_in, sold)}, part of what is sold")
    if swap.fee_out:
        parts.append(f"{shown_amount(swap.fee_out, bought)}, taken before what is received")
    return "; ".join(parts)


def _direction(pool: Pool, sell: str) -> Direction:
    for name, direction in (
        (pool.token_a, Direction.A_TO_B),
        (pool.token_b, Direction.B_TO_A),
    ):
        if sell in (name, symbol_of(name)) or symbol_of(sell) == symbol_of(name):
            return direction
    pair = " or ".join(
        name if symbol_of(name) == name else f"{symbol_of(name)} ({name})"
        for name in (pool.token_a, pool.token_b)
    )
    raise InvalidData("--sell", repr(sell), f"a token of pool {pool.address}, {pair}")


COMMANDS = (snapshot, quote)
