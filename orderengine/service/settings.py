"""Read the service's settings from the environment, and refuse what cannot work."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidData, InvalidRequest
from orderengine.market.config import MarketConfig
from orderengine.market.opening import opening_of
from orderengine.market.profiles import PROFILES
from orderengine.routing.choose import ROUTERS
from orderengine.storage.snapshots import read_snapshot

__all__ = ["Settings"]


class Settings(Struct, frozen=True, kw_only=True):
    """Hold what an operator decides. Every field has the name of its variable."""

    host: str = "127.0.0.1"
    port: int = 3000
    redis_url: str = ""
    """Empty for a queue in memory, inside this process."""
    database_path: str = "orderengine.db"
    """The SQLite file of ``DATABASE_URL`` (``sqlite:///path``)."""
    workers: int = 1
    """``ORDERENGINE_WORKERS``: whether the serving process executes orders too; 0 for not."""
    worker_concurrency: int = 2048
    """Orders that a process executes at once; one that waits costs only memory."""
    batch_max: int = 100
    """Order ids that one job of the queue carries at most."""
    snapshot: str = ""
    """``ORDERENGINE_SNAPSHOT``: a file of pools to trade in; empty for the profile's own."""
    router: str = "best"
    """``ORDERENGINE_ROUTER``: ``best`` quote, or the strategy that computes every route."""
    sim_profile: str = "original"
    sim_seed: int = 1
    sim_fail_rate: float = 0.0
    """Share of transactions that the simulated chain lets fail."""

    @property
    def market(self) -> MarketConfig:
        """The world to trade in."""
        hops = bool(self.snapshot) and self.router == "network"
        return replace(PROFILES[self.sim_profile], snapshot=self.snapshot, hops=hops)

    @classmethod
    def from_env(cls, env: Mapping[str, str], **flags: str | None) -> Settings:
        """Return the settings of an environment; flags of the command line win over it.

        Raises:
            InvalidData: a variable has a wrong value; says which, and what was expected.
        """
        given = {**env, **{name: value for name, value in flags.items() if value is not None}}
        given = {name: value.strip() for name, value in given.items() if value.strip()}
        market = given.get("ORDERENGINE_MARKET", "simulated")
        if market != "simulated":
            raise InvalidData("ORDERENGINE_MARKET", market, "simulated")
        default = cls()
        return cls(
            host=_loopback(given.get("HOST", default.host)),
            port=_integer(given, "PORT", default.port, 0, 65_535),
            redis_url=_redis_url(given.get("REDIS_URL", "")),
            database_path=_database_path(
                given.get("DATABASE_URL", f"sqlite:///{default.database_path}")
            ),
            workers=_integer(given, "ORDERENGINE_WORKERS", default.workers, 0, 1),
            worker_concurrency=_integer(
                given, "ORDERENGINE_WORKER_CONCURRENCY", default.worker_concurrency, 1, 100_000
            ),
            batch_max=_integer(given, "ORDERENGINE_BATCH_MAX", default.batch_max, 1, 10_000),
            snapshot=_snapshot(given.get("ORDERENGINE_SNAPSHOT", "")),
            router=_named(
                "ORDERENGINE_ROUTER", given.get("ORDERENGINE_ROUTER", default.router), ROUTERS
            ),
            sim_profile=_named(
                "ORDERENGINE_SIM_PROFILE",
                given.get("ORDERENGINE_SIM_PROFILE", default.sim_profile),
                PROFILES,
            ),
            sim_seed=_integer(given, "ORDERENGINE_SIM_SEED", default.sim_seed, 0, 2**63 - 1),
            sim_fail_rate=_share(given, "ORDERENGINE_SIM_FAIL_RATE"),
        )


def _integer(given: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = given.get(name, str(default))
    digits = text.removeprefix("-")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= 20
    if not (is_number and least <= int(text) <= most):
        raise InvalidData(name, repr(text), f"a whole number from {least} to {most}")
    return int(text)


def _share(given: Mapping[str, str], name: str) -> float:
    text = given.get(name, "0")
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidData(name, repr(text), "a number from 0 to 1")
    return share


def _loopback(host: str) -> str:
    """Refuse to be reached from outside: there are no keys yet that would tell users apart."""
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        expected = "127.0.0.1, ::1 or localhost, because this version has no API keys yet"
        raise InvalidData("HOST", repr(host), expected)
    return host


def _split(name: str, url: str) -> SplitResult:
    """Return a URL's parts. It is never quoted: it may hold a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        found = "a URL that cannot be read"
        raise InvalidData(name, found, "one whose special characters are escaped") from None
    if parts.query or parts.fragment:
        raise InvalidData(name, "a query or a fragment", "a URL without ? and #")
    return parts


def _redis_url(url: str) -> str:
    scheme = _split("REDIS_URL", url).scheme
    if url and scheme not in {"redis", "rediss", "unix"}:
        raise InvalidData("REDIS_URL", repr(scheme), "redis://, rediss:// or unix://")
    return url


def _database_path(url: str) -> str:
    parts = _split("DATABASE_URL", url)
    path = unquote(parts.path[1:])  # as everywhere: three slashes relative, four absolute
    if parts.scheme != "sqlite" or parts.netloc or not path.strip("/") or "\0" in path:
        raise InvalidData("DATABASE_URL", repr(parts.scheme), "sqlite:///path/to/file")
    return path


def _named(variable: str, name: str, known: Collection[str]) -> str:
    if name not in known:
        raise InvalidData(variable, repr(name), f"one of {', '.join(known)}")
    return name


def _snapshot(path: str) -> str:
    """Refuse a file that holds no pool of the pair that every profile trades."""
    if path:
        try:
            opening_of(MarketConfig(snapshot=path), read_snapshot(path))
        except InvalidRequest as error:
            expected = "a file of orderengine snapshot with a pool of SOL/USDC"
            raise InvalidData("ORDERENGINE_SNAPSHOT", str(error), expected) from None
    return path
