"""Check that scenarios are written, read, changed and refused by the field's name."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.latency import LatencyConfig
from orderengine.study.plugin import Plugin
from orderengine.study.run import scenario
from orderengine.study.scenario import Scenario
from orderengine.study.scenario_form import named_scenarios, parse_setting
from tests.study import sources

DEFAULT = Scenario()

numbers = st.integers(0, 10**6)
changes: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(min_size=1, max_size=10).filter(lambda text: max(text) < "\ud800"),
    "seed": st.integers(0, 2**63 - 1),
    "orders": st.integers(1, 10_000_000),
    "start": st.sampled_from(["", "2026-01-01T00:00:00Z", "2021-09-17T00:00:00.000000001+02:00"]),
    "arrivals.model": st.sampled_from(["poisson", "even", "burst"]),
    "arrivals.rate_per_s": st.floats(1e-6, 1e9),
    "order.size_median": st.sampled_from(["1SOL", "0.5 SOL", 10**9]),
    "order.buy_share": st.floats(0, 1),
    "order.deadline": st.sampled_from(["0s", "1.5min", "24h", 0]),
    "order.users": st.integers(1, 10**6),
    "engine.workers": st.integers(1, 10**6),
    "engine.router": st.sampled_from(["best", sources.first, sources.Nth(1)]),
    "engine.retry": st.sampled_from(["backoff", sources.last]),
    "engine.slippage": st.sampled_from(["fixed", sources.nothing]),
    "market.slot": st.sampled_from(["1ms", "400ms", "60s"]),
    "market.price.volatility": st.floats(0, 10),
    "market.price.start": st.sampled_from(["81.80", "0.1", "150"]),
    "market.quote_latency.model": st.sampled_from(["constant", "lognormal"]),
    "market.landing.drop_rate": st.floats(0, 0.99),
    "market.fees.urgent_micro_lamports": numbers,
    "market.flow.trades_per_slot": st.floats(0, 1_000),
    "market.pools.0.trade_fee_rate": st.integers(0, 999_999),
    "market.pools.4.bins": st.integers(1, 5_000),
    "market.arbitrage": st.booleans(),
}


def found_at(struct: object, path: str) -> object:
    """Return the value at a dotted path."""
    for part in path.split("."):
        struct = struct[int(part)] if isinstance(struct, tuple) else getattr(struct, part)
    return struct


@pytest.mark.parametrize("name", named_scenarios())
def test_named_scenarios_read_and_print_alike(name: str) -> None:
    """A named scenario carries its name and survives TOML and dicts unchanged."""
    chosen = scenario(name)
    assert chosen.name == name
    assert Scenario.from_toml(chosen.to_toml()) == chosen
    assert Scenario.from_dict(chosen.to_dict()) == chosen
    assert str(chosen) == chosen.to_toml()


def test_names_that_stay() -> None:
    """Users rely on these three names; the default one is all defaults."""
    kept = {"default", "seed_default", "simpy_twin"}
    moods = {"attacked", "busy", "calm", "congested", "volatile"}
    assert kept | moods <= set(named_scenarios())
    assert scenario() == scenario("default") == DEFAULT
    twin = scenario("simpy_twin")
    assert (len(twin.market.pools), twin.arrivals.rate_per_s, twin.engine.workers) == (
        20,
        500,
        1024,
    )
    assert (twin.market.landing.drop_rate, twin.engine.attempts_max) == (0.15, 3)
    seed = scenario("seed_default")
    assert {pool.venue for pool in seed.market.pools} == {"raydium_cpmm", "meteora_dlmm"}
    assert seed.market.quote_latency.median == "200ms"


@given(st.fixed_dictionaries({}, optional=changes))
def test_changes_are_made_and_survive_toml(chosen: dict[str, object]) -> None:
    """Each changed field has its value, all others stay, and TOML reads back the same."""
    changed = DEFAULT.replace(chosen)
    for path, strategy in changes.items():
        del strategy
        found = found_at(changed, path)
        if path not in chosen:
            assert found == found_at(DEFAULT, path)
        elif isinstance(found, Plugin):
            assert found == Plugin.of(chosen[path])
        else:
            assert found == chosen[path]
    text = changed.to_toml()
    assert Scenario.from_toml(text).to_toml() == text
    assert Scenario.from_toml(text).to_dict() == changed.to_dict()
    assert tomllib.loads(text) == changed.to_dict()


def test_replace_takes_dots_underscores_and_indices() -> None:
    """Nested fields have dots in a dict, double underscores as keywords; lists go by index."""
    dotted = DEFAULT.replace({"engine.workers": 64, "market.pools.1.depth": "5USDC"})
    assert dotted == DEFAULT.replace(engine__workers=64, market__pools__1__depth="5USDC")
    assert dotted.engine.workers == 64
    assert [pool.depth for pool in dotted.market.pools][:2] == ["5433911USDC", "5USDC"]
    assert DEFAULT.engine.workers == 8_192
    assert DEFAULT.replace() == DEFAULT


def test_replace_takes_whole_parts() -> None:
    """A table, a list or a list's item may be given as a whole: a struct or a dict."""
    pool = replace(DEFAULT.market.pools[4], name="x")
    for value in (pool, {"name": "x", "venue": "meteora_dlmm", "depth": "9USDC"}):
        changed = DEFAULT.replace({"market.pools.0": value})
        assert changed.market.pools[0].venue == "meteora_dlmm"
        assert changed.market.pools[1:] == DEFAULT.market.pools[1:]
    assert DEFAULT.replace({"market.pools": [pool]}).market.pools == (pool,)
    twin = scenario("simpy_twin")
    assert DEFAULT.replace(market=twin.market, order=twin.order).market == twin.market


def test_functions_are_written_by_name_and_hash() -> None:
    """TOML says which function it was; without the function it cannot run."""
    carried = DEFAULT.replace(engine__router=sources.first)
    written = tomllib.loads(carried.to_toml())["engine"]["router"]
    assert written == {"name": "first", "source_sha256": Plugin.of(sources.first).source_sha256}
    read = Scenario.from_toml(carried.to_toml())
    assert read.engine.router.function is None
    assert read.replace(engine__router=sources.first) == carried
    assert carried != DEFAULT.replace(engine__router=sources.last)


def test_extends_takes_the_named_values() -> None:
    """What is not written comes from the named scenario; lists are taken whole."""
    text = """
        extends = "simpy_twin"
        orders = 7
        [market.price]
        volatility = 0.5
        [[market.pools]]
        name = "one"
        venue = "raydium_cpmm"
        depth = "5USDC"
    """
    read, twin = Scenario.from_toml(text), scenario("simpy_twin")
    assert (read.orders, read.market.price.volatility, len(read.market.pools)) == (7, 0.5, 1)
    assert (read.name, read.market.base, read.engine) == ("simpy_twin", "USDT", twin.engine)
    assert read.market.price.start == twin.market.price.start
    assert "extends" not in read.to_toml()


def test_partial_tables_keep_what_they_do_not_write() -> None:
    """A table in TOML changes its own keys only, over the defaults or a named scenario."""
    read = Scenario.from_toml('[market.quote_latency]\nmodel="lognormal"\nmedian="100ms"')
    assert read == DEFAULT.replace({"market.quote_latency.median": "100ms"})
    assert read.market.quote_latency.sigma == 0.531
    read = Scenario.from_toml('[market.landing.delay]\nmedian = "1s"')
    delay = read.market.landing.delay
    assert (delay.model, delay.median, delay.sigma) == ("lognormal", "1s", 0.42)
    text = 'extends = "simpy_twin"\n[market.landing.confirm]\nmedian = "1s"'
    confirm = Scenario.from_toml(text).market.landing.confirm
    assert (confirm.model, confirm.median, confirm.sigma) == ("lognormal", "1s", 0.3)
    read = Scenario.from_toml('[order.cancel_after]\nmodel = "constant"')
    assert (read.order.cancel_after.model, read.order.cancel_after.sigma) == ("constant", 1.0)


def test_replace_takes_partial_tables() -> None:
    """A dict changes the keys it has, as in TOML; a struct replaces the table."""
    changed = DEFAULT.replace({"market.quote_latency": {"median": "100ms"}})
    assert changed == DEFAULT.replace({"market.quote_latency.median": "100ms"})
    latency = LatencyConfig(median="100ms")
    assert DEFAULT.replace(market__quote_latency=latency).market.quote_latency == latency


def test_paths_of_errors_can_be_set() -> None:
    """An index in brackets, as errors show it, is the same as one after a dot."""
    for path in ("market.pools[1].depth", "market.pools.1.depth"):
        assert DEFAULT.replace({path: "5USDC"}).market.pools[1].depth == "5USDC"


@pytest.mark.parametrize(
    ("number", "text"), [(81.8, "81.8"), (150, "150"), (1e-5, "0.00001"), (1e11, "100000000000.0")]
)
def test_numbers_are_taken_where_decimals_are_text(number: float, text: str) -> None:
    """A price may be written without quotes."""
    assert DEFAULT.replace(market__price__start=number).market.price.start == text
    assert Scenario.from_toml(f"[market.price]\nstart = {number}").market.price.start == text


def test_byte_order_mark_is_no_part_of_the_text() -> None:
    """Some editors begin a file with one."""
    assert Scenario.from_toml("\ufefforders = 3").orders == 3


@pytest.mark.parametrize("text", ["orders=5\nseed=3", "orders=5\rseed", "name=a\u2028b"])
def test_setting_is_one_line(text: str) -> None:
    """What follows a line break would be dropped or hide in an error."""
    with pytest.raises(InvalidScenario, match="--set: expected one line"):
        parse_setting(text)


@pytest.mark.parametrize("name", ["nobody", 3, ["default"], {"a": 1}, ""])
def test_extends_of_no_scenario_is_refused(name: object) -> None:
    """Only names can be extended, and the error lists them."""
    written = {"a": 1} if isinstance(name, dict) else name
    text = f"extends = {written!r}".replace("'a': 1", "a = 1")
    with pytest.raises(InvalidScenario, match=r"extends: expected one of .*default, seed_default"):
        Scenario.from_toml(text)


def test_dates_of_toml_are_instants() -> None:
    """An unquoted date is read as the text that our fields hold."""
    read = Scenario.from_toml("start = 2026-07-06T16:30:00Z")
    assert read.start == "2026-07-06T16:30:00+00:00"
    assert parse_setting("start=2026-07-06T16:30:00.000000001Z") == (
        "start",
        "2026-07-06T16:30:00.000000001Z",
    )


REFUSED: list[Any] = [
    ({"orders": 0}, "orders", 0, "from 1 to 10000000"),
    ({"orders": 10_000_001}, "orders", 10_000_001, "from 1 to 10000000"),
    ({"orders": "5"}, "orders", "5", "int"),
    ({"orders": 5.5}, "orders", 5.5, "int"),
    ({"orders": True}, "orders", True, "int"),
    ({"orders": None}, "orders", None, "int"),
    ({"seed": -1}, "seed", -1, "from 0 to 2^63 - 1"),
    ({"seed": 2**63}, "seed", 2**63, "from 0 to 2^63 - 1"),
    ({"name": ""}, "name", "", "a name"),
    ({"start": "noon"}, "start", "noon", "RFC 3339"),
    ({"start": "2026-01-01T00:00:00"}, "start", "2026-01-01T00:00:00", "RFC 3339"),
    ({"start": "1969-12-31T23:59:59Z"}, "start", "1969-12-31T23:59:59Z", "from 1970 to 2199"),
    ({"start": "2200-01-01T00:00:00Z"}, "start", "2200-01-01T00:00:00Z", "from 1970 to 2199"),
    ({"wrokers": 5}, "wrokers", 5, "one of the keys name, seed, orders"),
    ({"engine.wrokers": 5}, "engine.wrokers", 5, "one of the keys workers"),
    ({"engine.workers.more": 5}, "engine.workers.more", 5, "one of the keys of a table"),
    ({"engine": {"wrokers": 5}}, "engine.wrokers", 5, "one of the keys workers, discipline"),
    ({"engine": 5}, "engine", 5, "a table"),
    ({"engine.workers": 0}, "engine.workers", 0, "from 1 to 1000000"),
    ({"engine.attempts_max": 101}, "engine.attempts_max", 101, "from 1 to 100"),
    ({"engine.router": "worst"}, "engine.router", "worst", "one of best, split, "),
    ({"engine.retry": "best"}, "engine.retry", "best", "one of backoff, or a function"),
    (
        {"engine.slippage": "best"},
        "engine.slippage",
        "best",
        "one of fixed, volatility, or a function",
    ),
    ({"engine.router": 3}, "engine.router", 3, "a name or a function"),
    ({"engine.router": {"name": "x"}}, "engine.router", {"name": "x"}, "a name or a function"),
    ({"engine.quote_deadline": "0ms"}, "engine.quote_deadline", "0ms", "above 0"),
    ({"engine.resend": "1us"}, "engine.resend", "1us", "at least 1ms"),
    ({"engine.backoff_first": "1 day"}, "engine.backoff_first", "1 day", "a duration with a unit"),
    ({"order.size_median": "1USDC"}, "order.size_median", "1USDC", "an amount of SOL"),
    ({"order.size_median": "1XYZ"}, "order.size_median", "1XYZ", "an amount of SOL"),
    ({"order.size_median": "0SOL"}, "order.size_median", "0SOL", "at least one base unit of SOL"),
    ({"order.size_median": 2**64}, "order.size_median", 2**64, "from 0 to 2^64 - 1"),
    ({"order.size_median": -1}, "order.size_median", -1, "base units or shown units"),
    ({"order.size_median": 1.5}, "order.size_median", 1.5, "such as 60s or 1.5SOL"),
    ({"order.deadline": "24.1h"}, "order.deadline", "24.1h", "at most 24h"),
    ({"order.deadline": 60}, "order.deadline", 60, "a duration with a unit"),
    ({"market.slot": 400_000_000}, "market.slot", 400_000_000, "such as 60s"),
    ({"order.size_median": "5sol"}, "order.size_median", "5sol", "an amount of SOL such as 1.5SOL"),
    ({"order.deadline": "-1s"}, "order.deadline", "-1s", "a duration with a unit"),
    ({"order.buy_share": 1.01}, "order.buy_share", 1.01, "from 0 to 1"),
    ({"order.buy_share": "half"}, "order.buy_share", "half", "float"),
    ({"order.bulk_share": 0.95}, "order.bulk_share", 0.95, "at most 1 - urgent_share"),
    ({"order.slippage_bps": 10_001}, "order.slippage_bps", 10_001, "from 0 to 10000"),
    ({"order.users": 0}, "order.users", 0, "from 1 to 1000000"),
    ({"order.cancel_after.sigma": 6}, "order.cancel_after.sigma", 6, "from 0 to 5"),
    ({"arrivals.rate_per_s": 0}, "arrivals.rate_per_s", 0, "above 0"),
    ({"arrivals.model": "gauss"}, "arrivals.model", "gauss", "poisson, even, burst, hawkes"),
    ({"arrivals.model": 3}, "arrivals.model", 3, "poisson, even, burst, hawkes"),
    (
        {"market.pools[1].venue": "x"},
        "market.pools[1].venue",
        "x",
        "meteora_dlmm or orca_whirlpool",
    ),
    ({"market.base": "XYZ"}, "market.base", "XYZ", "one of SOL, USDC"),
    ({"market.slot": "0.5ms"}, "market.slot", "0.5ms", "from 1ms to 60s"),
    ({"market.pools": []}, "market.pools", 0, "at least one pool"),
    ({"market.pools.6.depth": 1}, "market.pools.6", 1, "an index from 0 to 5"),
    ({"market.pools.²": 1}, "market.pools.²", 1, "an index from 0 to 5"),
    ({"market.pools.-1": 1}, "market.pools.-1", 1, "an index from 0 to 5"),
    ({"market.pools.0.depth": "5SOL"}, "market.pools[0].depth", "5SOL", "an amount of USDC"),
    ({"market.pools.1.bins": 0}, "market.pools[1].bins", 0, "from 1 to 5000"),
    ({"market.pools.0": 5}, "market.pools[0]", 5, "a table"),
    ({"market.pools": 5}, "market.pools", 5, "a list"),
    ({"market.pools[6].depth": 1}, "market.pools.6", 1, "an index from 0 to 5"),
    ({"market.price.model": "trace"}, "market.price.file", "", "a file of prices"),
    ({"market.price.start": -150}, "market.price.start", "-150", "a positive decimal"),
    ({"market.price.start": True}, "market.price.start", True, "str"),
    ({"name": 5}, "name", 5, "str"),
]


@pytest.mark.parametrize(
    ("wrong", "field", "found", "expected"),
    REFUSED,
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_change_is_refused(
    wrong: dict[str, object], field: str, found: object, expected: str
) -> None:
    """One line names the field by its path, the value found and what was expected."""
    with pytest.raises(InvalidScenario) as caught:
        DEFAULT.replace(wrong)
    error = caught.value
    assert error.field == field
    assert error.found == found
    assert expected in error.expected
    assert "\n" not in str(error)
    assert "expected expected" not in str(error)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_that_are_none_are_refused(value: str) -> None:
    """TOML can write them; no field takes them."""
    for path in ("order.buy_share", "arrivals.rate_per_s", "market.price.volatility"):
        with pytest.raises(InvalidScenario, match=path):
            DEFAULT.replace(dict([parse_setting(f"{path}={value}")]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a = ", "scenario: expected TOML", id="no value"),
        pytest.param(f"seed = {'9' * 5_000}", "scenario: expected TOML", id="endless integer"),
        pytest.param(f"a = {'[' * 5_000}", "scenario: expected TOML", id="endless nesting"),
        pytest.param("seed = 1\nseed = 2", "scenario: expected TOML", id="key twice"),
        pytest.param(
            "orders = 5\nwhat = 3", "what: expected one of the keys name, seed", id="unknown key"
        ),
        pytest.param(
            "[engine]\nwhat = 3", "engine.what: expected one of the keys workers", id="nested key"
        ),
        pytest.param("market = 3", "market: expected a table, found 3", id="value for a table"),
        pytest.param(
            '[[market.pools]]\nname = "a"\nvenue = "raydium_cpmm"',
            "market.pools\\[0\\].depth: expected a value, found nothing",
            id="missing key",
        ),
    ],
)
def test_wrong_toml_is_refused(text: str, said: str) -> None:
    """A text that is no scenario is refused in one line."""
    with pytest.raises(InvalidScenario, match=said) as caught:
        Scenario.from_toml(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["nonsense", "=5", "  =5"])
def test_setting_needs_a_key_and_a_value(text: str) -> None:
    """The error shows the form."""
    with pytest.raises(InvalidScenario, match="expected key=value"):
        parse_setting(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=5", 5),
        ("a = 5", 5),
        ("a=0.5", 0.5),
        ("a=true", True),
        ("a=400ms", "400ms"),
        ('a="5"', "5"),
        ("a=[1, 2]", [1, 2]),
        ("a={b=1}", {"b": 1}),
        ("a=", ""),
        ("a=b=c", "b=c"),
        ("a=2SOL", "2SOL"),
    ],
)
def test_setting_is_toml_or_else_text(text: str, value: object) -> None:
    """What TOML cannot read is taken as it stands."""
    assert parse_setting(text) == ("a", value)


def test_scenario_is_found_by_name_or_file(tmp_path: Any) -> None:
    """A path must end in .toml, and be readable UTF-8."""
    file = tmp_path / "mine.toml"
    file.write_text("orders = 3", "utf-8")
    assert scenario(str(file)).orders == scenario(file).orders == 3
    with pytest.raises(InvalidScenario, match="default, seed_default, simpy_twin"):
        scenario("nobody")
    with pytest.raises(InvalidScenario, match="No such file"):
        scenario(tmp_path / "none.toml")
    file.write_bytes(b"\xff")
    with pytest.raises(InvalidScenario, match="not UTF-8"):
        scenario(file)


def test_notebook_shows_the_scenario() -> None:
    """What a cell shows is the whole TOML, escaped."""
    shown = DEFAULT.replace(name="<b>")._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>&lt;b&gt;" not in shown.replace("<b>Scenario</b>", "")
    assert "rate_per_s = 5000.0" in shown
