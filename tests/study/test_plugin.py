"""Check that functions of the user's own are carried, named and told apart."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from orderengine.errors import InvalidScenario
from orderengine.routing.request import Strategy
from orderengine.study.plugin import Plugin
from tests.study import sources

BUILT_IN = {"best": sources.first}


def written(text: str) -> Any:
    """Return a function that has no source to be read."""
    scope: dict[str, Any] = {}
    exec(text, scope)  # noqa: S102  (as a console or a pickle would make it)
    return scope["f"]


def closure_over(n: int) -> Callable[..., object]:
    """Return a function that holds a value."""
    return lambda order, quotes: quotes[n]


def test_name_is_a_built_in() -> None:
    """A name alone is written as itself and finds its function."""
    plugin = Plugin.of("best")
    assert (plugin.name, plugin.source_sha256, plugin.function) == ("best", "", None)
    assert plugin.to_builtin() == "best"
    assert plugin.resolve("engine.router", BUILT_IN) is sources.first


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    """The error names the field, the name found and what there is."""
    with pytest.raises(InvalidScenario) as caught:
        Plugin.of("worst").resolve("engine.router", BUILT_IN)
    assert str(caught.value) == "engine.router: expected one of best, or a function, found 'worst'"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        pytest.param(sources.first, "first", id="function"),
        pytest.param(lambda order, quotes: quotes[0], "<lambda>", id="lambda"),
        pytest.param(closure_over(1), "closure_over.<locals>.<lambda>", id="closure"),
        pytest.param(sources.Nth(1), "Nth", id="callable object"),
        pytest.param(sources.Nth(1).__call__, "Nth.__call__", id="method"),
        pytest.param(functools.partial(sources.last), "last", id="partial"),
        pytest.param(written("def f(order, quotes): return quotes[0]"), "f", id="no source"),
        pytest.param(max, "max", id="built in C"),
        pytest.param(sources.Nth, "Nth", id="class"),
    ],
)
def test_function_is_carried_with_name_and_hash(function: Callable[..., object], name: str) -> None:
    """Any callable is resolved to itself and written as its name and 64 hex digits."""
    plugin = Plugin.of(function)
    assert plugin.resolve("engine.router", BUILT_IN) is function
    said = plugin.to_builtin()
    assert isinstance(said, dict)
    assert said["name"].endswith(name)
    assert len(bytes.fromhex(said["source_sha256"])) == 32
    assert Plugin.of(function) == plugin
    assert hash(Plugin.of(function)) == hash(plugin)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(sources.first, sources.last, id="functions"),
        pytest.param(
            functools.partial(sources.first), functools.partial(sources.last), id="partials"
        ),
        pytest.param(
            written("def f(o, q): return q[0]"),
            written("def f(o, q): return q[1]"),
            id="without source, by a constant",
        ),
        pytest.param(
            written("def f(o, q): return q.a"),
            written("def f(o, q): return q.b"),
            id="without source, by an attribute",
        ),
        pytest.param(
            written("def f(o, q): return max(q, key=lambda x: x + 1)"),
            written("def f(o, q): return max(q, key=lambda x: x + 2)"),
            id="without source, inside",
        ),
    ],
)
def test_different_sources_differ(one: Callable[..., object], other: Callable[..., object]) -> None:
    """Two functions of the same name that do different things have different hashes."""
    assert Plugin.of(one).source_sha256 != Plugin.of(other).source_sha256


def test_same_source_is_the_same() -> None:
    """What is written again alike is the same function, wherever it is indented."""
    text = "def f(o, q): return q[0] if o in {'a', 'b', 'c'} else None"
    assert Plugin.of(written(text)).source_sha256 == Plugin.of(written(text)).source_sha256
    assert Plugin.of(closure_over(1)).source_sha256 == Plugin.of(closure_over(2)).source_sha256


def test_hash_without_source_is_the_same_in_every_process() -> None:
    """Neither addresses nor the order of a set reach the hash."""
    program = (
        "from orderengine.study.plugin import Plugin\n"
        "f = lambda o, q: [x for x in q if x in {'a', 'b', 'c', 'd'}]\n"
        "print(Plugin.of(f).source_sha256)\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_reference_without_its_function_says_what_to_do() -> None:
    """A name and a hash from TOML cannot run: the function itself must be given."""
    said = Plugin.of(sources.first).to_builtin()
    plugin = Plugin.of(said)
    assert plugin.to_builtin() == said
    with pytest.raises(InvalidScenario, match=r"engine\.router: .*replace\(engine__router=first\)"):
        plugin.resolve("engine.router", BUILT_IN)


@pytest.mark.parametrize("value", [3, None, {"name": "x"}, ["best"], 1.5])
def test_anything_else_is_refused(value: object) -> None:
    """A number is neither a name nor a function."""
    with pytest.raises(ValueError, match="expected a name or a function"):
        Plugin.of(value)


def test_plugins_with_other_functions_differ() -> None:
    """Equality is of name, source and function."""
    assert Plugin.of("best") == Plugin.of("best")
    assert Plugin.of("best") != Plugin.of(sources.first)
    assert Plugin.of(closure_over(1)) != Plugin.of(closure_over(2))
    assert repr(Plugin.of("best")) == "Plugin('best')"
    assert repr(Plugin.of(sources.first)) == "Plugin(first, …)"


def test_strategy_is_carried_by_the_source_of_its_function() -> None:
    """Its name is its own; two of one name are told apart by what they do."""
    strategies = [Strategy("mine", sources.by_way), Strategy("mine", sources.directly)]
    one, other = (Plugin.of(strategy) for strategy in strategies)
    assert one.name == other.name == "mine"
    assert one.to_builtin() != other.to_builtin()
    assert one.resolve("engine.router", {}) is strategies[0]
