"""Lay out the sandwich attacks of a run, and say what they cost its orders.

The world records each attack with what the same transaction would have done without it, so a loss
is exact and no estimate. It is stated in basis points of what the order would have received, or
paid, without the attack:

    exact_in:  lost_out / (amount_out + lost_out)
    exact_out: lost_in / (amount_in - lost_in)

Where it misleads: only the order's own transaction is counted anew. What the attack did to the
pools and so to later orders is not in the loss; it is in their price impact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import polars as pl

from orderengine.errors import InvalidData
from orderengine.model.events import Accepted, Confirmed, Event, Submitted
from orderengine.model.order import Mode

__all__ = ["AttackFigures", "attack_figures", "attack_table"]

_BPS = 10_000.0
_COLUMNS: dict[str, type[pl.DataType]] = {
    "number": pl.Int64,
    "order_id": pl.String,
    "signature": pl.String,
    "slot": pl.Int64,
    "pool": pl.String,
    "sold": pl.String,
    "front_in": pl.UInt64,
    "bought": pl.UInt64,
    "back_out": pl.UInt64,
    "gain": pl.Int64,
    "tip_lamports": pl.UInt64,
    "sell": pl.String,
    "buy": pl.String,
    "lost_in": pl.Int64,
    "lost_out": pl.Int64,
    "lost_bps": pl.Float64,
}


class AttackFigures(TypedDict):
    """Hold the headline figures of a run's attacks; None where no order gives one."""

    count: int
    attacked_share: float | None
    """Of the filled orders."""
    lost_bps: float | None
    """Mean over all filled orders; one that was not attacked lost 0."""
    lost_bps_attacked: float | None
    """Mean over those that were attacked."""


def attack_table(
    attacks: Iterable[Mapping[str, Any]], logs: Sequence[Sequence[Event]]
) -> pl.DataFrame:
    """Return one row an attack, in the order of the orders' numbers.

    ``attacks`` is one mapping an attack: the victim's ``signature``, and the fields of the world's
    record. Columns: ``number`` and ``order_id`` as in the order table, these fields (amounts in
    base units), ``gain`` (what the attacker has more of ``sold``, before its tip), ``lost_bps``.

    Raises:
        InvalidData: an attack whose transaction filled no order of the logs.
    """
    victims = {
        event.signature: number
        for number, log in enumerate(logs)
        for event in log
        if isinstance(event, Submitted)
    }
    rows = []
    for attack in attacks:
        number = victims.get(attack["signature"])
        log = logs[number] if number is not None else ()
        if not log or not isinstance(log[-1], Confirmed):
            raise InvalidData("an attack", str(attack["signature"]), "one on an order that filled")
        rows.append(
            {
                **attack,
                "number": number,
                "order_id": log[0].order_id,
                "gain": attack["back_out"] - attack["front_in"],
                "lost_bps": _lost_bps(log[0], log[-1], attack),
            }
        )
    return pl.DataFrame(rows, schema=_COLUMNS).sort("number")


def _lost_bps(accepted: Event, filled: Confirmed, attack: Mapping[str, Any]) -> float:
    if isinstance(accepted, Accepted) and accepted.order.mode is Mode.EXACT_OUT:
        lost = int(attack["lost_in"])
        return lost / (filled.amount_in - lost) * _BPS
    lost = int(attack["lost_out"])
    return lost / (filled.amount_out + lost) * _BPS


def attack_figures(attacks: pl.DataFrame, orders: pl.DataFrame) -> AttackFigures:
    """Return the headline figures of ``attack_table`` over the run's order table."""
    filled = orders.filter(pl.col("status") == "confirmed").height
    count, lost = attacks.height, float(attacks["lost_bps"].sum())
    return AttackFigures(
        count=count,
        attacked_share=count / filled if filled else None,
        lost_bps=lost / filled if filled else None,
        lost_bps_attacked=lost / count if count else None,
    )
