"""The command that routes an order over the pools of a snapshot, and says how good the route is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from orderengine.cli.shared import date_of
from orderengine.errors import InvalidRequest, Rejected
from orderengine.model.order import Leg, Mode, Route
from orderengine.pools.snapshot import SECONDS_END
from orderengine.pools.units import shown_amount

if TYPE_CHECKING:
    from orderengine.routing.view import MarketView

__all__ = ["COMMANDS"]

_Ask = Callable[[str], Route]


@click.command()
@click.option("--snapshot", "file", metavar="FILE", required=True, help="What snapshot has taken.")
@click.option("--sell", metavar="TOKEN", required=True, help="Symbol or mint.")
@click.option("--buy", metavar="TOKEN", required=True, help="Symbol or mint.")
@click.option("--amount", metavar="N", required=True, help="Base units, or 1.5SOL.")
@click.option("--exact-out", is_flag=True, help="The amount is what is received.")
@click.option(
    "--strategy",
    metavar="NAME",
    default="split",
    help="best, split (the default), network; or a heuristic: greedy1, greedy5, grid.",
)
@click.option("--pool", "pools", metavar="ADDRESS…", multiple=True, help="Use only these pools.")
@click.option(
    "--at",
    "at_s",
    metavar="UNIX_SECONDS",
    type=click.IntRange(0, SECONDS_END),
    help="When; dynamic fees depend on it. Default: the snapshot's time.",
)
@click.option("--max-legs", metavar="K", type=click.IntRange(1, 64), help="At most so many legs.")
@click.option(
    "--unit-price",
    metavar="MICRO_LAMPORTS",
    type=click.IntRange(0, 10**12),
    help="Count the network's fee, at this price of a compute unit; fit one transaction.",
)
@click.option("--cycles", is_flag=True, help="Of network: trade in cycles where that pays.")
@click.option("--explain", is_flag=True, help="Say why pools are left out, and what others pay.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def route(  # noqa: PLR0913, PLR0917  (one argument a flag)
    file: str,
    sell: str,
    buy: str,
    amount: str,
    exact_out: bool,
    strategy: str,
    pools: tuple[str, ...],
    at_s: int | None,
    max_legs: int | None,
    unit_price: int | None,
    cycles: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """Find the route of an order over a snapshot's pools, with a bound on what any could pay."""
    from orderengine.routing.strategies import STRATEGIES  # noqa: PLC0415  (only this command)
    from orderengine.study.routes import market_view  # noqa: PLC0415
    from orderengine.study.routes import route as ask  # noqa: PLC0415

    view = market_view(file, pools=pools, at_s=at_s)

    def routed(name: str) -> Route:
        return ask(
            view,
            sell,
            buy,
            amount,
            exact_out=exact_out,
            strategy=name,
            max_legs=max_legs,
            unit_price=unit_price,
            cycles=cycles,
        )

    found = routed(strategy)
    others = [name for name in STRATEGIES if name != strategy] if explain else []
    if as_json:
        click.echo(msgspec.json.encode(_figures(found, strategy) | _compared(routed, others)))
        return
    click.echo("\n".join(_lines(found, strategy, view, explain=explain, cycles=cycles)))
    for line in _beside(found, routed, others):
        click.echo(line)


def _figures(found: Route, strategy: str) -> dict[str, object]:
    net: dict[str, object] = {
        "network_cost": found.network_cost,
        "net_bound": found.net_bound,
        "net_gap_bps": found.net_gap_bps,
    }
    figures: dict[str, object] = {
        "strategy": strategy,
        "amount_in": str(found.amount_in),
        "amount_out": str(found.amount_out),
        "bound": str(found.bound),
        "gap_bps": found.gap_bps,
        "price_impact_bps": found.price_impact_bps,
        "legs": [
            {
                "pool": leg.pool,
                "venue": leg.venue,
                "sell": leg.sell,
                "buy": leg.buy,
                "amount_in": str(leg.amount_in),
                "amount_out": str(leg.amount_out),
                "fee": str(_fee(leg)[0]),
                "fee_token": _fee(leg)[1],
                "fee_in": str(leg.fee_in),
                "fee_out": str(leg.fee_out),
            }
            for leg in found.legs
        ],
        "left_out": [
            {"pool": said.pool, "venue": said.venue, "code": said.code, "reason": said.reason}
            for said in found.left_out or ()
        ],
    }
    for key, value in net.items():
        if value is not None:
            figures[key] = str(value) if isinstance(value, int) else value
    return figures


def _compared(routed: _Ask, others: list[str]) -> dict[str, object]:
    if not others:
        return {}
    said: dict[str, object] = {}
    for name in others:
        try:
            other = routed(name)
            amounts = {"amount_in": str(other.amount_in), "amount_out": str(other.amount_out)}
            if other.network_cost is not None:
                amounts["network_cost"] = str(other.network_cost)
            said[name] = amounts | {"legs": len(other.legs)}
        except (Rejected, InvalidRequest) as error:
            said[name] = {"error": str(error)}
    return {"others": said}


def _fee(leg: Leg) -> tuple[int, str]:
    """Return the pool's fee and its token: of what is sold, unless only the other is charged."""
    if leg.fee_out and not leg.fee_in:
        return leg.fee_out, leg.buy
    return leg.fee_in, leg.sell


def _lines(
    found: Route, strategy: str, view: MarketView, *, explain: bool, cycles: bool
) -> Iterator[str]:
    sell, buy = found.legs[0].sell, found.legs[-1].buy
    is_exact_in = found.mode is Mode.EXACT_IN
    when = f"slot {found.slot}, " if found.slot else ""
    count = f"{len(found.legs)} leg{'s' * (len(found.legs) != 1)}"
    yield f"{strategy}, {count}; {when}{date_of(view.now_s)}"
    yield f"sell      {shown_amount(found.amount_in, sell)}"
    yield f"receive   {shown_amount(found.amount_out, buy)}"
    bound = shown_amount(found.bound or 0, buy if is_exact_in else sell)
    side = "pays more" if is_exact_in else "costs less"
    which = "no route" if cycles else "no route without cycles"
    yield f"bound     {bound}: {which} {side}"
    where = "below" if is_exact_in else "above"
    before = "" if found.network_cost is None else ", before the network's fee"
    yield f"gap       {_small(found.gap_bps)} bps {where} the bound{before}"
    yield f"impact    {_small(found.price_impact_bps)} bps against the first unit's price"
    if found.network_cost is not None:
        varies = buy if is_exact_in else sell
        yield f"fee       of the network: {shown_amount(found.network_cost, varies)}"
        net = shown_amount(_net(found), varies)
        left = "is left" if is_exact_in else "is paid"
        gap = found.net_gap_bps
        told = "" if gap is None else f", {_small(gap)} bps {where} its bound"
        yield f"net       {net} {left} after it{told}"
    for leg in found.legs:
        fee, fee_token = _fee(leg)
        yield (
            f"leg       {leg.venue} {leg.pool}: {shown_amount(leg.amount_in, leg.sell)} → "
            f"{shown_amount(leg.amount_out, leg.buy)}, fee {shown_amount(fee, fee_token)}"
        )
    for said in found.left_out or ():
        if explain:
            yield f"left out  {said.venue} {said.pool}: {said.reason}"
    if found.left_out and not explain:
        yield f"left out  {len(found.left_out)} (--explain says why)"


def _beside(found: Route, routed: _Ask, others: list[str]) -> Iterator[str]:
    """Yield what the other strategies would do with the same order."""
    is_exact_in = found.mode is Mode.EXACT_IN
    for name in others:
        try:
            other = routed(name)
        except (Rejected, InvalidRequest) as error:
            yield f"{name:<9} {error}"
            continue
        # After the network's fee, where that is counted.
        bps = 1e4 * abs(_net(other) - _net(found)) / max(abs(_net(found)), 1)
        is_better = _net(other) > _net(found) if is_exact_in else _net(other) < _net(found)
        words = f"{_small(bps)} bps {'better' if is_better else 'worse'}" if bps else "the same"
        token = other.legs[-1].buy if is_exact_in else other.legs[0].sell
        count = f"{len(other.legs)} leg{'s' * (len(other.legs) != 1)}"
        yield f"{name:<9} {shown_amount(_net(other), token)}, {count}: {words}"


def _net(found: Route) -> int:
    """Return what is received, or paid, with the network's fee where that is counted."""
    cost = found.network_cost or 0
    if found.mode is Mode.EXACT_OUT:
        return found.amount_in + cost
    return found.amount_out - cost


def _small(number: float | None) -> str:
    return "not known" if number is None else f"{number:,.2f}" if number >= 1 else f"{number:.2g}"


COMMANDS = (route,)
