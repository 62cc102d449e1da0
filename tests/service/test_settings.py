"""Check that settings are read as documented, and that a wrong one is named with what would do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from orderengine.errors import InvalidData
from orderengine.market.config import MarketConfig
from orderengine.market.latency import LatencyConfig
from orderengine.market.profiles import PROFILES
from orderengine.pools.snapshot import Snapshot, encode_snapshot
from orderengine.service.settings import SETTINGS, Setting, Settings
from orderengine.study.run import scenario
from tests.market.test_opening import cpmm
from tests.service.serving import Process

MARK = "hunter2"
"""Stands in every wrong value, for none of it may be shown."""
SECRET = "oe_" + "A" * 43

PRODUCTION = {
    "ORDERENGINE_ENV": "production",
    "DATABASE_URL": "postgresql://service:pw@db.example.com/orders",
    "REDIS_URL": "redis://cache.example.com:6379/0",
    "ORDERENGINE_ORDER_MAX": "1000SOL,200000USDC",
}
"""All that a production needs to start."""


def test_without_environment_everything_has_a_value() -> None:
    """The port of the original, a queue in memory, a file beside the process, no keys."""
    found = Settings.from_env({})
    assert found == Settings()
    assert (found.host, found.port, found.redis_url) == ("127.0.0.1", 3000, "")
    assert (found.database_url, found.sim_profile) == ("sqlite:///orderengine.db", "original")
    assert (found.auth, found.is_production, found.rate_user) == ("none", False, 0)


def test_every_variable_is_read() -> None:
    """Each under its documented name; flags win."""
    env = {
        "HOST": "::1",
        "PORT": "4000",
        "REDIS_URL": "redis://localhost:6379/3",
        "DATABASE_URL": "sqlite:////var/lib/orders.db",
        "ORDERENGINE_ENV": "development",
        "ORDERENGINE_AUTH": "keys",
        "ORDERENGINE_BOOTSTRAP_KEY": SECRET,
        "ORDERENGINE_HOSTS": "api.example.com, [::1]",
        "ORDERENGINE_CORS_ORIGINS": "https://App.example.com",
        "ORDERENGINE_TRUSTED_HOPS": "2",
        "ORDERENGINE_RATE_USER": "10",
        "ORDERENGINE_RATE_ADDRESS": "20",
        "ORDERENGINE_ORDER_MAX": "1.5SOL, 200 USDC",
        "ORDERENGINE_OPEN_ORDERS_MAX": "30",
        "ORDERENGINE_OPEN_ORDERS_USER_MAX": "31",
        "ORDERENGINE_SOCKETS_MAX": "32",
        "ORDERENGINE_SOCKETS_USER_MAX": "33",
        "ORDERENGINE_MARKET": "simulated",
        "ORDERENGINE_WORKERS": "0",
        "ORDERENGINE_WORKER_CONCURRENCY": "7",
        "ORDERENGINE_BATCH_MAX": "1",
        "ORDERENGINE_DRAIN_S": "8",
        "ORDERENGINE_GRACE_S": "9",
        "ORDERENGINE_LOG": "json",
        "ORDERENGINE_LOG_LEVEL": "error",
        "ORDERENGINE_ROUTER": "split",
        "ORDERENGINE_SIM_PROFILE": "solana-fast",
        "ORDERENGINE_SIM_SEED": "9",
        "ORDERENGINE_SIM_FAIL_RATE": "0.25",
    }
    assert Settings.from_env(env, PORT="0", HOST=None) == Settings(
        host="::1",
        port=0,
        redis_url="redis://localhost:6379/3",
        database_url="sqlite:////var/lib/orders.db",
        auth="keys",
        bootstrap_key=SECRET,
        hosts=("api.example.com", "::1"),
        cors_origins=("https://app.example.com",),
        trusted_hops=2,
        rate_user=10,
        rate_address=20,
        order_max={"SOL": 1_500_000_000, "USDC": 200_000_000},
        open_orders_max=30,
        open_orders_user_max=31,
        sockets_max=32,
        sockets_user_max=33,
        workers=0,
        worker_concurrency=7,
        batch_max=1,
        drain_s=8,
        grace_s=9,
        log="json",
        log_level="error",
        router="split",
        sim_profile="solana-fast",
        sim_seed=9,
        sim_fail_rate=0.25,
    )
    assert {setting.variable for setting in SETTINGS} - set(env) == {"ORDERENGINE_SNAPSHOT"}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_every_setting_tells_of_itself(setting: Setting) -> None:
    """Its field is there, its default is one that it reads, and rubbish is refused."""
    assert hasattr(Settings(), setting.field)
    if setting.default:
        assert setting.read(setting.default) == getattr(Settings(), setting.field)
    if setting.in_production is not None:
        setting.read(setting.in_production)
    with pytest.raises(InvalidData) as raised:
        setting.read(f"{MARK} \0")
    assert MARK not in str(raised.value)


BROKEN = [
    ("HOST", f"{MARK} host", "a host name or an address"),
    ("HOST", "-x", "a host name or an address"),
    ("HOST", "12::34::56", "a host name or an address"),
    ("HOST", "http://localhost", "a host name or an address"),
    ("PORT", "70000", "from 0 to 65535"),
    ("PORT", "-1", "from 0 to 65535"),
    ("PORT", "http", "a whole number"),
    ("PORT", "\u0663", "a whole number"),
    ("PORT", "3000.0", "a whole number"),
    ("REDIS_URL", f"http://:{MARK}@localhost", "redis://"),
    ("REDIS_URL", f"redis://:{MARK}/x@127.0.0.1:6379/0", "special characters escaped"),
    ("REDIS_URL", f"redis://:{MARK}@127.0.0.1:port/0", "redis://"),
    ("REDIS_URL", f"redis://127.0.0.1/0?password={MARK}", "redis://"),
    ("REDIS_URL", f"redis://127.0.0.1/{MARK}", "redis://"),
    ("REDIS_URL", "redis:///0", "redis://"),
    ("REDIS_URL", "unix://", "redis://"),
    ("DATABASE_URL", f"mysql://u:{MARK}@localhost/x", "postgresql://"),
    ("DATABASE_URL", f"postgresql://u:{MARK}@localhost", "postgresql://"),
    ("DATABASE_URL", f"postgresql://u:{MARK}@localhost:port/x", "postgresql://"),
    ("DATABASE_URL", f"postgresql://u:{MARK}#x@localhost/x", "special characters escaped"),
    ("DATABASE_URL", "sqlite://", "sqlite:///"),
    ("DATABASE_URL", f"sqlite://{MARK}.db", "sqlite:///"),
    ("DATABASE_URL", f"{MARK}.db", "sqlite:///"),
    ("ORDERENGINE_ENV", f"prod {MARK}", "one of development, production"),
    ("ORDERENGINE_AUTH", "no", "one of none, keys"),
    ("ORDERENGINE_BOOTSTRAP_KEY", MARK, "oe_ and 43 characters"),
    ("ORDERENGINE_BOOTSTRAP_KEY", f"oe_{MARK}", "oe_ and 43 characters"),
    ("ORDERENGINE_BOOTSTRAP_KEY", f"{SECRET}{MARK}", "oe_ and 43 characters"),
    ("ORDERENGINE_HOSTS", f"https://{MARK}", "host names"),
    ("ORDERENGINE_HOSTS", f"{MARK}.example.com:443", "host names"),
    ("ORDERENGINE_CORS_ORIGINS", "*", "never *"),
    ("ORDERENGINE_CORS_ORIGINS", f"{MARK}.example.com", "origins such as"),
    ("ORDERENGINE_CORS_ORIGINS", f"https://{MARK}.example.com/page", "origins such as"),
    ("ORDERENGINE_CORS_ORIGINS", f"https://u:{MARK}@example.com", "origins such as"),
    ("ORDERENGINE_TRUSTED_HOPS", "11", "from 0 to 10"),
    ("ORDERENGINE_RATE_USER", "-5", "a whole number"),
    ("ORDERENGINE_RATE_ADDRESS", "many", "a whole number"),
    ("ORDERENGINE_ORDER_MAX", f"1000{MARK}", "amounts such as"),
    ("ORDERENGINE_ORDER_MAX", "1000SOL,1SOL", "amounts such as"),
    ("ORDERENGINE_ORDER_MAX", "0SOL", "amounts such as"),
    ("ORDERENGINE_ORDER_MAX", "-1SOL", "amounts such as"),
    ("ORDERENGINE_ORDER_MAX", "99999999999999999999SOL", "amounts such as"),
    ("ORDERENGINE_OPEN_ORDERS_MAX", "0", "from 1 to"),
    ("ORDERENGINE_OPEN_ORDERS_USER_MAX", "0", "from 1 to"),
    ("ORDERENGINE_SOCKETS_MAX", "1e4", "a whole number"),
    ("ORDERENGINE_SOCKETS_USER_MAX", "0", "from 1 to"),
    ("ORDERENGINE_MARKET", f"mainnet {MARK}", "simulated"),
    ("ORDERENGINE_WORKERS", "-1", "from 0 to 1"),
    ("ORDERENGINE_WORKERS", "2", "from 0 to 1"),
    ("ORDERENGINE_WORKER_CONCURRENCY", "0", "from 1 to 100000"),
    ("ORDERENGINE_BATCH_MAX", "1e3", "a whole number"),
    ("ORDERENGINE_DRAIN_S", "301", "from 0 to 300"),
    ("ORDERENGINE_GRACE_S", "5s", "a whole number"),
    ("ORDERENGINE_LOG", "xml", "one of text, json"),
    ("ORDERENGINE_LOG_LEVEL", "trace", "one of debug"),
    ("ORDERENGINE_SNAPSHOT", f"/nowhere/{MARK}.json", "a readable file"),
    ("ORDERENGINE_SNAPSHOT", "/dev/null", "a readable file"),
    ("ORDERENGINE_ROUTER", f"worst {MARK}", "one of best, split, "),
    ("ORDERENGINE_SIM_PROFILE", "fast", "original, instant, solana, solana-fast"),
    ("ORDERENGINE_SIM_SEED", "1.5", "a whole number"),
    ("ORDERENGINE_SIM_SEED", "9" * 5_000, "a whole number"),
    ("ORDERENGINE_SIM_FAIL_RATE", "nan", "from 0 to 1"),
    ("ORDERENGINE_SIM_FAIL_RATE", "2", "from 0 to 1"),
    ("ORDERENGINE_RATE_USR", MARK, "such as ORDERENGINE_RATE_USER"),
    ("ORDERENGINE_API_SECRET", MARK, "a known variable"),
]
"""Variables, wrong values, and what is said to be expected."""


@pytest.mark.parametrize(("name", "value", "expected"), BROKEN, ids=range(len(BROKEN)))
def test_a_wrong_value_is_named_and_not_shown(name: str, value: str, expected: str) -> None:
    """The message names the variable and what was expected, and nothing of the value."""
    with pytest.raises(InvalidData) as raised:
        Settings.from_env({name: value})
    said = str(raised.value)
    assert said.startswith(f"{name}: expected")
    assert expected in said
    assert "\n" not in said
    assert MARK not in said


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"HOST": "0.0.0.0", "ORDERENGINE_AUTH": "none"}, "ORDERENGINE_AUTH"),  # noqa: S104
        ({"HOST": "example.org", "ORDERENGINE_AUTH": "none"}, "ORDERENGINE_AUTH"),
        (PRODUCTION | {"ORDERENGINE_AUTH": "none"}, "ORDERENGINE_AUTH"),
        (PRODUCTION | {"DATABASE_URL": ""}, "DATABASE_URL"),
        (PRODUCTION | {"REDIS_URL": " "}, "REDIS_URL"),
        (PRODUCTION | {"ORDERENGINE_ORDER_MAX": ""}, "ORDERENGINE_ORDER_MAX"),
        (PRODUCTION | {"ORDERENGINE_RATE_USER": "0"}, "ORDERENGINE_RATE_USER"),
        (PRODUCTION | {"ORDERENGINE_RATE_ADDRESS": "0"}, "ORDERENGINE_RATE_ADDRESS"),
        (PRODUCTION | {"ORDERENGINE_RATE_ADDRESS": "00"}, "ORDERENGINE_RATE_ADDRESS"),
        (PRODUCTION | {"ORDERENGINE_SIM_FAIL_RATE": "0.1"}, "ORDERENGINE_SIM_FAIL_RATE"),
        (
            PRODUCTION | {"ORDERENGINE_CORS_ORIGINS": "http://app.example.com"},
            "ORDERENGINE_CORS_ORIGINS",
        ),
    ],
    ids=range(11),
)
def test_open_doors_are_refused(env: dict[str, str], named: str) -> None:
    """What would let strangers in, and in production all that was left to chance."""
    with pytest.raises(InvalidData) as raised:
        Settings.from_env(env)
    assert str(raised.value).startswith(f"{named}: expected")


def test_production_has_safe_defaults() -> None:
    """Keys, limits, JSON logs, and no workers in the process that serves."""
    found = Settings.from_env(PRODUCTION)
    assert (found.auth, found.log, found.log_level) == ("keys", "json", "info")
    assert (found.rate_user, found.rate_address, found.workers) == (1_200, 2_400, 0)
    assert found.drain_s == 5


@pytest.mark.parametrize(
    "env",
    [{"HOST": "0.0.0.0"}, {"ORDERENGINE_BOOTSTRAP_KEY": SECRET}],  # noqa: S104
    ids=["beyond loopback", "with a bootstrap key"],
)
def test_keys_are_asked_for_where_others_may_come(env: dict[str, str]) -> None:
    """Without being told so."""
    assert Settings.from_env(env).auth == "keys"


def test_secrets_are_known_so_that_logs_can_hide_them() -> None:
    """The passwords of both URLs and the bootstrap key."""
    env = {
        "DATABASE_URL": "postgresql://u:one@localhost/x",
        "REDIS_URL": "redis://:two@localhost",
        "ORDERENGINE_BOOTSTRAP_KEY": SECRET,
    }
    assert set(Settings.from_env(env).secrets()) == {"one", "two", SECRET}
    assert Settings().secrets() == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", f"redis://:{MARK}/x@127.0.0.1:6379/0"),
        ("ORDERENGINE_BOOTSTRAP_KEY", MARK),
        ("ORDERENGINE_RATE_USR", MARK),
        ("DATABASE_URL", f"sqlite:///nowhere/{MARK}.db"),
        ("DATABASE_URL", f"sqlite:///{MARK}.db"),
    ],
    ids=["redis", "bootstrap", "unknown", "no folder", "no database"],
)
@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_process_with_a_wrong_setting_ends_at_once(
    tmp_path: Path, command: str, name: str, value: str
) -> None:
    """One line that names the variable and shows nothing of its value; exit code 2."""
    (tmp_path / f"{MARK}.db").write_bytes(b"This is no database at all. " * 40)
    process = Process(tmp_path, command, name="refused", PORT="0", **{name: value})
    assert process.wait() == 2
    (line,) = process.log.read_text().splitlines()
    assert line.startswith(f"orderengine: {name}: expected ")
    assert MARK not in line


@pytest.mark.parametrize(
    ("name", "meant"),
    [("ORDERENGINE_PORT", "PORT"), ("ORDERENGINE_RATE_USERS", "ORDERENGINE_RATE_USER")],
)
def test_a_misspelt_variable_is_told_what_was_meant(name: str, meant: str) -> None:
    """What all names begin with makes none of them alike."""
    with pytest.raises(InvalidData, match=f"such as {meant},"):
        Settings.from_env({name: "1"})
    with pytest.raises(InvalidData, match="expected a known variable, found"):
        Settings.from_env({"ORDERENGINE_XYZZY": "1"})


@pytest.mark.parametrize("host", [f"{MARK}.invalid", "192.0.2.77"])
def test_a_host_that_is_nobodys_is_named(tmp_path: Path, host: str) -> None:
    """The variable, not the port that could not be taken there."""
    env = {"HOST": host, "ORDERENGINE_AUTH": "keys"}
    process = Process(tmp_path, "serve", name="refused", PORT="0", **env)
    assert process.wait() == 2
    assert process.log.read_text().startswith("orderengine: HOST: expected ")


@pytest.mark.parametrize("is_silent", [False, True], ids=["refuses", "never answers"])
@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_server_that_is_not_there_ends_the_start(
    tmp_path: Path, command: str, *, is_silent: bool
) -> None:
    """A closed port and a black hole alike: named soon, without the password."""
    pytest.importorskip("orderengine.storage.postgres")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if is_silent:
            listener.listen()
        port = listener.getsockname()[1]
        url = f"postgresql://service:{MARK}@127.0.0.1:{port}/orders"
        process = Process(tmp_path, command, name="refused", PORT="0", DATABASE_URL=url)
        assert process.wait() == 2
    (line,) = process.log.read_text().splitlines()
    assert line.startswith("orderengine: DATABASE_URL: expected ")
    assert MARK not in line


def drawn_from(config: LatencyConfig) -> LatencyConfig:
    """Return a description without what its model does not read."""
    if config.model == "uniform":
        return LatencyConfig(model="uniform", low=config.low, high=config.high)
    return LatencyConfig(model=config.model, median=config.median)


def test_the_original_profile_is_the_world_of_the_originals_study() -> None:
    """The same live as in the scenario ``seed_default``, but for pools that bear any load."""

    def meant(market: MarketConfig) -> MarketConfig:
        landing = market.landing
        return replace(
            market,
            pools=tuple(replace(pool, depth="1USDC") for pool in market.pools),
            quote_latency=drawn_from(market.quote_latency),
            build_latency=drawn_from(market.build_latency),
            landing=replace(
                landing, delay=drawn_from(landing.delay), confirm=drawn_from(landing.confirm)
            ),
        )

    assert meant(scenario("seed_default").market) == meant(PROFILES["original"])


def test_a_network_trades_on_what_connects_the_pair(tmp_path: Path) -> None:
    """Under that router a snapshot's pools of other pairs are taken in, under others not."""
    file = tmp_path / "pools.json"
    file.write_bytes(encode_snapshot(Snapshot(slot=1, time_s=1_783_355_400, pools=(cpmm("p"),))))
    env = {"ORDERENGINE_SNAPSHOT": str(file)}
    assert not Settings.from_env(env).market.hops
    assert Settings.from_env(env | {"ORDERENGINE_ROUTER": "network"}).market.hops
    assert not Settings.from_env({"ORDERENGINE_ROUTER": "network"}).market.hops
