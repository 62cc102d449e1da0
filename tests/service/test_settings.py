"""Check that settings are read as documented, and that a wrong one is named with what would do."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from orderengine.errors import InvalidData
from orderengine.market.config import MarketConfig
from orderengine.market.latency import LatencyConfig
from orderengine.market.profiles import PROFILES
from orderengine.pools.snapshot import Snapshot, encode_snapshot
from orderengine.service.settings import Settings
from orderengine.study.run import scenario
from tests.market.test_opening import cpmm


def test_without_environment_everything_has_a_value() -> None:
    """The port of the original, a queue in memory, a file beside the process."""
    found = Settings.from_env({})
    assert found == Settings()
    assert (found.host, found.port, found.redis_url) == ("127.0.0.1", 3000, "")
    assert (found.database_path, found.sim_profile) == ("orderengine.db", "original")


def test_every_variable_is_read() -> None:
    """Each under its documented name; flags win."""
    env = {
        "HOST": "::1",
        "PORT": "4000",
        "REDIS_URL": "redis://localhost:6379/3",
        "DATABASE_URL": "sqlite:////var/lib/orders.db",
        "ORDERENGINE_MARKET": "simulated",
        "ORDERENGINE_WORKERS": "0",
        "ORDERENGINE_WORKER_CONCURRENCY": "7",
        "ORDERENGINE_BATCH_MAX": "1",
        "ORDERENGINE_ROUTER": "split",
        "ORDERENGINE_SIM_PROFILE": "solana-fast",
        "ORDERENGINE_SIM_SEED": "9",
        "ORDERENGINE_SIM_FAIL_RATE": "0.25",
    }
    assert Settings.from_env(env, PORT="0", HOST=None) == Settings(
        host="::1",
        port=0,
        redis_url="redis://localhost:6379/3",
        database_path="/var/lib/orders.db",
        workers=0,
        worker_concurrency=7,
        batch_max=1,
        router="split",
        sim_profile="solana-fast",
        sim_seed=9,
        sim_fail_rate=0.25,
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HOST", "0.0.0.0", "no API keys yet"),  # noqa: S104  (it is to be refused)
        ("HOST", "example.org", "no API keys yet"),
        ("PORT", "70000", "from 0 to 65535"),
        ("PORT", "http", "a whole number"),
        ("PORT", "٣", "a whole number"),
        ("REDIS_URL", "http://localhost", "redis://"),
        ("DATABASE_URL", "postgresql://localhost/x", "sqlite:///"),
        ("DATABASE_URL", "sqlite://", "sqlite:///"),
        ("ORDERENGINE_MARKET", "mainnet", "simulated"),
        ("ORDERENGINE_WORKERS", "-1", "from 0 to 1"),
        ("ORDERENGINE_WORKER_CONCURRENCY", "0", "from 1 to 100000"),
        ("ORDERENGINE_BATCH_MAX", "1e3", "a whole number"),
        ("ORDERENGINE_ROUTER", "worst", "one of best, split, "),
        ("ORDERENGINE_SIM_PROFILE", "fast", "original, instant, solana, solana-fast"),
        ("ORDERENGINE_SIM_SEED", "1.5", "a whole number"),
        ("ORDERENGINE_SIM_FAIL_RATE", "nan", "from 0 to 1"),
        ("ORDERENGINE_SIM_FAIL_RATE", "2", "from 0 to 1"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str, expected: str) -> None:
    """The message names the variable and what was expected."""
    with pytest.raises(InvalidData) as raised:
        Settings.from_env({name: value})
    assert str(raised.value).startswith(f"{name}: expected")
    assert expected in str(raised.value)


def test_a_redis_password_is_not_shown() -> None:
    """A refused address says its scheme only: the rest may hold a secret."""
    with pytest.raises(InvalidData) as raised:
        Settings.from_env({"REDIS_URL": "rediz://user:hunter2@localhost"})
    assert "hunter2" not in str(raised.value)


def drawn_from(config: LatencyConfig) -> LatencyConfig:
    """Return a description without what its model does not read."""
    if config.model == "uniform":
        return LatencyConfig(model="uniform", low=config.low, high=config.high)
    return LatencyConfig(model=config.model, median=config.median)


def test_the_original_profile_is_the_world_of_the_originals_study() -> None:
    """The same live as in the scenario ``seed_default``."""

    def meant(market: MarketConfig) -> MarketConfig:
        landing = market.landing
        return replace(
            market,
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
