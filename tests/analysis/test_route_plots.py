"""Check the drawings of routes: they render, and their bands are the legs."""

from __future__ import annotations

from typing import Any

import pytest

from orderengine.analysis import plots
from orderengine.model.order import Leg, Mode, Route
from tests.analysis.test_plots import data_of, encoded


def leg(pool: str, sell: str, buy: str, amount_in: int, amount_out: int) -> Leg:
    """Return a leg without fees."""
    return Leg(
        pool=pool,
        venue="orca_whirlpool",
        sell=sell,
        buy=buy,
        amount_in=amount_in,
        amount_out=amount_out,
    )


LONG = "9" * 44
ROUTES = {
    "one": Route(legs=(leg("p", "SOL", "USDC", 10, 20),), amount_in=10, amount_out=20),
    "hop": Route(
        legs=(
            leg("p", "SOL", "USDT", 10**9, 10**8),
            leg("q", "SOL", "USDC", 3 * 10**9, 3 * 10**8),
            leg(LONG, "USDT", "USDC", 10**8, 10**8),
        ),
        amount_in=4 * 10**9,
        amount_out=4 * 10**8,
        mode=Mode.EXACT_IN,
        bound=4 * 10**8 + 100,
        network_cost=2_000,
    ),
    "unknown": Route(legs=(leg(LONG, LONG, "x" * 44, 5, 6),), amount_in=5, amount_out=6),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_renders(name: str) -> None:
    """With one leg, with hops, with tokens that are not built in."""
    drawn = plots.route(ROUTES[name])
    assert len(data_of(drawn)) <= 2_000
    svg = plots.to_svg(drawn, "r-")
    assert svg.startswith("<svg")
    assert "NaN" not in svg


def test_a_band_is_as_wide_as_its_part() -> None:
    """A quarter goes over USDT, on both hops; the token stands between them."""
    spec = plots.route(ROUTES["hop"]).to_dict()

    def rows(layer: int) -> list[dict[str, Any]]:
        data: list[dict[str, Any]] = spec["datasets"][spec["layer"][layer]["data"]["name"]]
        return data

    bands = rows(0)
    wide = {row["leg"]: round(row["high"] - row["low"], 9) for row in bands}
    assert wide == {0: 0.25, 1: 0.75, 2: 0.25}
    middles = {row["token"]: row["middle"] for row in rows(1)}
    assert middles == {"SOL": 0, "USDT": 1, "USDC": 2}


def test_legs_are_drawn_before_and_after_costs() -> None:
    """A route without a bound has nothing to be measured against."""
    drawn = encoded(plots.legs([ROUTES["hop"]]))
    assert "before costs" in drawn
    assert "after costs" in drawn
    assert "no route carries a bound" in encoded(plots.legs([ROUTES["one"]]))
