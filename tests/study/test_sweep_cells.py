"""Check how a grid becomes points and cells, what they are called, and what names them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidScenario
from orderengine.model.order import Order, Quote
from orderengine.routing.request import Strategy
from orderengine.study.sweep.cells import Plan, plan_of, replicate_seed
from orderengine.study.sweep.identity import Keys
from tests.study.sources import Nth, directly, first, last
from tests.study.sweeping import SMALL


def plan(grid: Any, replicates: int = 1, measured: object = None) -> Plan:
    """Lay out a grid over the small scenario."""
    return plan_of(SMALL, grid, replicates, Keys(measured))


def keys(grid: Any, measured: object = None) -> list[str]:
    """Return the keys of a grid's cells."""
    return [cell.key for cell in plan(grid, measured=measured).cells]


def test_a_grid_is_the_full_product() -> None:
    """Each combination is a point, the last field turning fastest."""
    found = plan({"engine.workers": [1, 2], "engine.router": ["best", "split"]})
    assert found.fields == ("engine.workers", "engine.router")
    assert found.points == ((1, "best"), (1, "split"), (2, "best"), (2, "split"))
    assert [cell.scenario.engine.workers for cell in found.cells] == [1, 1, 2, 2]
    assert found.labels(1) == {"engine.workers": 1, "engine.router": "split"}


def test_an_empty_grid_is_one_point() -> None:
    """Then a sweep is replicates of one scenario."""
    found = plan({}, 3)
    assert found.points == ((),)
    assert len(found.cells) == 3


def test_a_list_of_points_is_taken_as_it_is() -> None:
    """A field that a point does not name stays the scenario's, and is called so."""
    found = plan([{"engine.workers": 4}, {"engine.router": "split"}])
    assert found.points == ((4, "best"), (8192, "split"))


def test_a_variant_is_what_a_point_is_called() -> None:
    """It stands first, is no field of the scenario, and no part of what names a run."""
    found = plan([{"engine.workers": 4, "variant": "few"}, {"variant": "as it is"}])
    assert found.fields == ("variant", "engine.workers")
    assert found.points == (("few", 4), ("as it is", 8192))
    assert [cell.scenario.engine.workers for cell in found.cells] == [4, 8192]
    assert keys([{"variant": "few", "engine.workers": 4}]) == keys([{"engine.workers": 4}])


@given(seed=st.integers(0, 2**63 - 1), replicates=st.integers(1, 20))
def test_replicates_share_their_seeds_over_the_points(seed: int, replicates: int) -> None:
    """Replicate r has one seed at every point, the first the scenario's own, and none twice."""
    study = SMALL.replace(seed=seed)
    found = plan_of(study, {"engine.workers": [1, 2, 3]}, replicates, Keys(None))
    by_point = [
        [cell.scenario.seed for cell in found.cells if cell.point == point] for point in range(3)
    ]
    assert by_point[0] == by_point[1] == by_point[2]
    assert by_point[0] == [replicate_seed(seed, r) for r in range(replicates)]
    assert by_point[0][0] == seed
    assert len(set(by_point[0])) == replicates


def test_values_are_called_what_they_are() -> None:
    """Numbers stay numbers, functions have their names, tables are JSON, mixtures are text."""
    assert plan({"order.buy_share": [0, 0.5]}).points == ((0.0,), (0.5,))
    assert plan({"engine.workers": np.array([1, 2])}).points == ((1,), (2,))
    assert plan({"engine.workers": range(1, 3)}).points == ((1,), (2,))
    assert plan({"market.arbitrage": [True, False]}).points == ((True,), (False,))
    own = Strategy("mine", directly)
    assert plan({"engine.router": ["best", first, own]}).points == (
        ("best",),
        ("first",),
        ("mine",),
    )
    table = {"model": "constant", "median": "5ms"}
    assert plan({"market.build_latency": [table]}).points == (
        ('{"model":"constant","median":"5ms"}',),
    )
    assert plan({"order.deadline": ["5s", 0]}).points == (("5s",), ("0",))


def test_functions_of_one_name_are_told_apart() -> None:
    """By a number, or by the names that a mapping gives them."""
    routers: list[Callable[..., Quote]] = [lambda order, quotes: quotes[0], Nth(0), Nth(1)]
    assert plan({"engine.router": routers}).points == (
        ("test_functions_of_one_name_are_told_apart.<locals>.<lambda>",),
        ("Nth",),
        ("Nth #2",),
    )
    named = {"first": Nth(0), "second": Nth(1), "plain": "best"}
    assert plan({"engine.router": named}).points == (("first",), ("second",), ("plain",))


@pytest.mark.parametrize(
    ("grid", "replicates", "message"),
    [
        pytest.param({"engine.worker": [1]}, 1, "engine.worker: expected one of", id="field"),
        pytest.param({"engine.workers": [1, 0]}, 1, "engine.workers: expected from 1", id="value"),
        pytest.param({"engine.workers": 4}, 1, "expected a list of values, found 4", id="scalar"),
        pytest.param({"engine.router": "best"}, 1, "a list of values, found 'best'", id="text"),
        pytest.param({"engine.workers": []}, 1, "at least one value", id="no value"),
        pytest.param({"engine.workers": [1, 1]}, 1, "points that differ", id="twice"),
        pytest.param({"seed": [1, 2]}, 1, "derive their seeds from the scenario's", id="seed"),
        pytest.param([], 1, "a mapping of fields to lists", id="no points"),
        pytest.param("grid", 1, "a mapping of fields to lists", id="words"),
        pytest.param([["a", 1]], 1, "a mapping of fields to lists", id="no mapping"),
        pytest.param({"variant": ["a"]}, 1, "a list of points", id="variants of a product"),
        pytest.param([{"variant": "a"}, {}], 1, "a name of its own", id="no name"),
        pytest.param([{"variant": "a"}] * 2, 1, "a name of its own", id="one name twice"),
        pytest.param({}, 0, "replicates: expected an integer from 1", id="no replicate"),
        pytest.param({}, 2.0, "replicates: expected an integer from 1", id="half a replicate"),
        pytest.param(
            {"engine.workers": range(1, 2000), "order.users": range(1, 2000)},
            1,
            "at most 1000000 cells, found 3996001",
            id="too many",
        ),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_runs(
    grid: Any, replicates: Any, message: str
) -> None:
    """In one line that names the field."""
    with pytest.raises(InvalidScenario) as told:
        plan(grid, replicates)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_key_names_the_scenario_and_not_its_place() -> None:
    """Equal scenarios have one key wherever they stand; the name of a scenario is no part."""
    assert keys({"engine.workers": [1, 2]})[1] == keys({"engine.workers": [2, 3]})[0]
    assert len(set(keys({"engine.workers": [1, 2, 3]}))) == 3
    renamed = plan_of(SMALL.replace(name="other"), {}, 1, Keys(None)).cells[0].key
    assert renamed == keys({})[0]
    assert keys({}, measured=len) != keys({})


def around(n: int) -> Callable[[Order, Sequence[Quote]], Quote]:
    """Return a router that takes its choice from around it."""

    def chosen(order: Order, quotes: Sequence[Quote]) -> Quote:
        return Nth(n)(order, quotes)

    return chosen


LIMIT = 1


def by_global(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Take what a global says."""
    del order
    return quotes[LIMIT]


def by_number(n: int, order: Order, quotes: Sequence[Quote]) -> Quote:
    """Take the n-th."""
    del order
    return quotes[n]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(first, last, id="source"),
        pytest.param(around(0), around(1), id="closure"),
        pytest.param(Nth(0), Nth(1), id="attribute"),
        pytest.param(
            functools.partial(by_number, 0), functools.partial(by_number, 1), id="partial"
        ),
    ],
)
def test_functions_that_do_another_thing_have_other_keys(one: object, other: object) -> None:
    """Although the scenario's own text calls some of them the same."""
    apart = keys({"engine.router": {"one": one, "other": other}})
    assert apart[0] != apart[1]
    assert keys({"engine.router": [one]}) == apart[:1]


def test_a_global_that_a_function_reads_is_part_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed constant in a notebook cell is another study."""
    before = keys({"engine.router": [by_global]})
    monkeypatch.setitem(by_global.__globals__, "LIMIT", 0)
    assert keys({"engine.router": [by_global]}) != before


def test_a_file_counts_with_its_bytes(tmp_path: Path) -> None:
    """Not with its name alone; one that is not there fails later, in its cell."""
    file = tmp_path / "prices.csv"
    grid = {"market.price": [{"model": "trace", "file": str(file)}]}
    absent = keys(grid)
    file.write_text("timestamp,price\n")
    present = keys(grid)
    file.write_text("timestamp,price\n1,2\n")
    assert len({*absent, *present, *keys(grid)}) == 3
