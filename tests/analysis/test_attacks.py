"""Check the table of attacks against the world's own records, and its losses by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import orderengine as oe
from orderengine.analysis.attacks import attack_figures, attack_table
from orderengine.analysis.tables import order_table
from orderengine.errors import InvalidData
from orderengine.model.order import Mode
from tests.analysis.logs import an_order, filled_log, x64


def record(**fields: Any) -> dict[str, Any]:
    """Return an attack on a sale of SOL that took 4 of 804 USDC, changed by ``fields``."""
    given = {
        "signature": "sig-1",
        "slot": 7,
        "pool": "pool-orca",
        "sold": "SOL",
        "front_in": 100,
        "bought": 90,
        "back_out": 130,
        "tip_lamports": 5,
        "sell": "SOL",
        "buy": "USDC",
        "lost_in": 0,
        "lost_out": 4_000_000,
    }
    return given | fields


def test_a_sale_loses_what_it_would_have_received() -> None:
    """4 of 804 USDC are 49.75 bps; the attacker gains 30 base units."""
    logs = [filled_log(an_order(), price=x64(0.08), amounts=(10 * 10**9, 800_000_000)).events]
    table = attack_table([record()], logs)
    assert table.select("number", "order_id", "gain").row(0) == (0, "order-1", 30)
    assert table["lost_bps"].item() == pytest.approx(4 / 804 * 10_000)
    figures = attack_figures(table, order_table(logs))
    assert figures["attacked_share"] == 1.0
    assert figures["lost_bps"] == figures["lost_bps_attacked"] == table["lost_bps"].item()


def test_a_fixed_output_loses_what_it_paid_too_much() -> None:
    """Half a SOL more than 10 are 500 bps."""
    order = an_order(mode=Mode.EXACT_OUT, amount=800_000_000)
    logs = [filled_log(order, price=x64(0.08), amounts=(10_500_000_000, 800_000_000)).events]
    table = attack_table([record(lost_in=500_000_000, lost_out=0)], logs)
    assert table["lost_bps"].item() == pytest.approx(500)


def test_no_attack_is_no_loss() -> None:
    """An empty table has its columns; a mean over nobody is none."""
    logs = [filled_log(an_order(), price=x64(0.08), amounts=(10 * 10**9, 800_000_000)).events]
    none = attack_table([], logs)
    assert none.columns == attack_table([record()], logs).columns
    assert attack_figures(none, order_table(logs)) == {
        "count": 0,
        "attacked_share": 0.0,
        "lost_bps": 0.0,
        "lost_bps_attacked": None,
    }
    assert attack_figures(none, order_table([]))["lost_bps"] is None


def test_an_attack_on_nobody_is_refused() -> None:
    """A signature that no order sent, or of an order that was not filled."""
    log = filled_log(an_order(), price=x64(0.08), amounts=(10 * 10**9, 800_000_000)).events
    with pytest.raises(InvalidData, match="sig-2"):
        attack_table([record(signature="sig-2")], [log])
    with pytest.raises(InvalidData, match="sig-1"):
        attack_table([record()], [log[:-1]])


def test_a_study_tells_its_attacks() -> None:
    """Each is on a filled order and within its tolerance; without an attacker nothing is told."""
    study = oe.scenario("attacked").replace(orders=150, order__size_median="300SOL")
    result = oe.simulate(study, progress=False)
    table = result.attack_table
    assert len(table) == len(result.attacks) > 5
    filled = result.orders.filter(pl.col("status") == "confirmed")
    assert set(table["number"]) <= set(filled["number"])
    # A limit is 100 bps below the quote. What the order would have had may be better than that
    # quote, so a loss can be a little above the tolerance, but nobody loses twice as much.
    assert table["lost_bps"].min() > 0  # type: ignore[operator]
    assert table["lost_bps"].max() < 200  # type: ignore[operator]
    told = result.figures()["attacks"]
    assert told["count"] == len(table)
    assert told["lost_bps"] == pytest.approx(table["lost_bps"].sum() / len(filled))
    calm = oe.simulate(study.replace(market__sandwich__seen_share=0.0), progress=False)
    assert "attacks" not in calm.figures()
    assert calm.attack_table.is_empty()
