"""Say what an operator decides, read it from the environment, and refuse what cannot work.

``SETTINGS`` is the table of all of it: the variable, what it must be, its default and its meaning.
``docs/service/settings.md`` is drawn from it. A wrong value is named by its variable and by what
was expected, never by what it was: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidData, InvalidRequest
from orderengine.market.config import MarketConfig
from orderengine.market.opening import opening_of
from orderengine.market.profiles import PROFILES
from orderengine.routing.choose import ROUTERS
from orderengine.service import variables
from orderengine.storage.snapshots import read_snapshot

__all__ = ["SETTINGS", "Setting", "Settings"]

Auth = Literal["none", "keys"]


class Settings(Struct, frozen=True, kw_only=True):
    """Hold what an operator decides; ``SETTINGS`` says what each field means."""

    env: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = 3000
    database_url: str = "sqlite:///orderengine.db"
    redis_url: str = ""
    auth: Auth = "none"
    bootstrap_key: str = ""
    hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    trusted_hops: int = 0
    rate_user: int = 0
    rate_address: int = 0
    order_max: dict[str, int] = {}
    open_orders_max: int = 100_000
    open_orders_user_max: int = 20_000
    sockets_max: int = 12_000
    sockets_user_max: int = 12_000
    workers: int = 1
    worker_concurrency: int = 2048
    batch_max: int = 100
    drain_s: int = 0
    grace_s: int = 5
    log: Literal["text", "json"] = "text"
    log_level: str = "warning"
    snapshot: str = ""
    router: str = "best"
    sim_profile: str = "original"
    sim_seed: int = 1
    sim_fail_rate: float = 0.0

    @property
    def is_production(self) -> bool:
        """Whether the service is open to others than its developer."""
        return self.env == "production"

    @property
    def market(self) -> MarketConfig:
        """The world to trade in."""
        hops = bool(self.snapshot) and self.router == "network"
        return replace(PROFILES[self.sim_profile], snapshot=self.snapshot, hops=hops)

    @classmethod
    def from_env(cls, env: Mapping[str, str], **flags: str | None) -> Settings:
        """Return the settings of an environment; flags of the command line win over it.

        Raises:
            InvalidData: a variable has a wrong value, is not known, or is missing in production.
        """
        given = {**env, **{name: value for name, value in flags.items() if value is not None}}
        given = {name: value.strip() for name, value in given.items() if value.strip()}
        _refuse_unknown(given)
        market = given.get("ORDERENGINE_MARKET", "simulated")
        if market != "simulated":
            raise InvalidData("ORDERENGINE_MARKET", "something else", "simulated")
        is_production = given.get("ORDERENGINE_ENV") == "production"
        values: dict[str, Any] = {}
        for setting in SETTINGS:
            text = given.get(setting.variable)
            if text is None and is_production:
                text = setting.in_production
            if text is not None:
                values[setting.field] = setting.read(text)
        found = cls(**values)
        if "ORDERENGINE_AUTH" not in given and (
            is_production or found.bootstrap_key or not _is_loopback(found.host)
        ):
            found = replace(found, auth="keys")
        _refuse_open_doors(found, given)
        return found

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown anywhere: passwords, and the bootstrap key."""
        urls = (urlsplit(url) for url in (self.database_url, self.redis_url))
        found = (self.bootstrap_key, *(url.password or "" for url in urls))
        return tuple(secret for secret in found if secret)


class Setting(Struct, frozen=True, kw_only=True):
    """Describe one variable."""

    variable: str
    field: str
    parse: Callable[[str], Any]
    expected: str
    meaning: str
    in_production: str | None = None
    """Its default under ``ORDERENGINE_ENV=production``, where that differs."""

    @property
    def default(self) -> str:
        """The default as the variable would have it; empty for none."""
        value = getattr(Settings(), self.field)
        return str(value) if isinstance(value, int | float | str) else ""

    def read(self, text: str) -> Any:  # noqa: ANN401  (of the field's type)
        """Return the value of a text. Raises ``InvalidData``, without the text."""
        try:
            return self.parse(text)
        except ValueError:
            raise InvalidData(self.variable, "something else", self.expected) from None


def _count(
    variable: str, least: int, most: int, meaning: str, *, in_production: str | None = None
) -> Setting:
    """Describe a whole number; its field is named as its variable."""
    return Setting(
        variable=variable,
        field=variable.removeprefix("ORDERENGINE_").lower(),
        parse=variables.integer(least, most),
        expected=f"a whole number from {least} to {most}",
        meaning=meaning,
        in_production=in_production,
    )


def _choice(
    variable: str, known: tuple[str, ...], meaning: str, *, in_production: str | None = None
) -> Setting:
    """Describe one of some names; its field is named as its variable."""
    return Setting(
        variable=variable,
        field=variable.removeprefix("ORDERENGINE_").lower(),
        parse=variables.named(known),
        expected=f"one of {', '.join(known)}",
        meaning=meaning,
        in_production=in_production,
    )


def _snapshot(path: str) -> str:
    """Return the path of a file that holds a pool of the pair that every profile trades."""
    try:
        opening_of(MarketConfig(snapshot=path), read_snapshot(path))
    except InvalidRequest:
        raise ValueError from None
    return path


SETTINGS: tuple[Setting, ...] = (
    _choice(
        "ORDERENGINE_ENV",
        ("development", "production"),
        "`production` refuses to start with unsafe defaults, and logs JSON",
    ),
    Setting(
        variable="HOST",
        field="host",
        parse=variables.host,
        expected="a host name or an address to listen on",
        meaning="where `serve` listens (also `--host`); beyond loopback keys are asked for",
    ),
    Setting(
        variable="PORT",
        field="port",
        parse=variables.integer(0, 65_535),
        expected="a whole number from 0 to 65535",
        meaning="where `serve` listens (also `--port`); 0 takes a free one",
    ),
    Setting(
        variable="DATABASE_URL",
        field="database_url",
        parse=variables.database_url,
        expected="sqlite:///path/to/file or postgresql://user:password@host:port/name,"
        " special characters escaped",
        meaning="where orders are kept; after `sqlite:` three slashes for a path from here, four"
        " for one from the root",
    ),
    Setting(
        variable="REDIS_URL",
        field="redis_url",
        parse=variables.redis_url,
        expected="redis://[:password@]host:port/db, rediss:// or unix://, special characters"
        " escaped",
        meaning="what wakes workers, nudges sockets and counts rates; without it all of that is in"
        " memory, for one process",
    ),
    _choice(
        "ORDERENGINE_AUTH",
        ("none", "keys"),
        "whether requests need an API key; `keys` in production, beyond loopback, and with a"
        " bootstrap key",
    ),
    Setting(
        variable="ORDERENGINE_BOOTSTRAP_KEY",
        field="bootstrap_key",
        parse=variables.secret_key,
        expected="oe_ and 43 characters of A-Z a-z 0-9 _ -, as `orderengine keys create` makes",
        meaning="a key of an operator that is there from the first start on",
    ),
    Setting(
        variable="ORDERENGINE_HOSTS",
        field="hosts",
        parse=variables.hosts,
        expected="host names with commas between, without ports",
        meaning="names that the service answers to; empty: loopback without keys, all with keys",
    ),
    Setting(
        variable="ORDERENGINE_CORS_ORIGINS",
        field="cors_origins",
        parse=variables.origins,
        expected="origins such as https://app.example.com, with commas between, never *",
        meaning="pages of other origins that may ask; none if left out",
    ),
    _count(
        "ORDERENGINE_TRUSTED_HOPS",
        0,
        10,
        "proxies in front whose `X-Forwarded-For` counts, from the right; 0 believes no header",
    ),
    _count(
        "ORDERENGINE_RATE_USER",
        0,
        10_000_000,
        "requests a minute of a user, sockets opened included; 0 for no limit",
        in_production="1200",
    ),
    _count(
        "ORDERENGINE_RATE_ADDRESS",
        0,
        10_000_000,
        "requests a minute of an address, sockets opened included; 0 for no limit",
        in_production="2400",
    ),
    Setting(
        variable="ORDERENGINE_ORDER_MAX",
        field="order_max",
        parse=variables.amounts,
        expected="amounts such as 1000SOL,200000USDC",
        meaning="the most that one order may name of each token; with it, other tokens are refused",
    ),
    _count("ORDERENGINE_OPEN_ORDERS_MAX", 1, 10_000_000, "open orders of all users together"),
    _count("ORDERENGINE_OPEN_ORDERS_USER_MAX", 1, 10_000_000, "open orders of one user"),
    _count("ORDERENGINE_SOCKETS_MAX", 1, 1_000_000, "WebSockets of a process"),
    _count(
        "ORDERENGINE_SOCKETS_USER_MAX",
        1,
        1_000_000,
        "WebSockets of one user in a process",
        in_production="1000",
    ),
    _count(
        "ORDERENGINE_WORKERS", 0, 1, "0: the serving process executes nothing", in_production="0"
    ),
    _count("ORDERENGINE_WORKER_CONCURRENCY", 1, 100_000, "orders that a process executes at once"),
    _count("ORDERENGINE_BATCH_MAX", 1, 10_000, "order ids that one job of the queue carries"),
    _count(
        "ORDERENGINE_DRAIN_S",
        0,
        300,
        "seconds between saying not ready and closing the port, for balancers to notice",
        in_production="5",
    ),
    _count(
        "ORDERENGINE_GRACE_S",
        0,
        300,
        "seconds that orders at hand may go on when a process is told to stop; then they are handed"
        " back",
    ),
    _choice("ORDERENGINE_LOG", ("text", "json"), "how lines are logged", in_production="json"),
    _choice(
        "ORDERENGINE_LOG_LEVEL",
        ("debug", "info", "warning", "error"),
        "the least that is logged; `info` has a line an event of an order",
        in_production="info",
    ),
    Setting(
        variable="ORDERENGINE_SNAPSHOT",
        field="snapshot",
        parse=_snapshot,
        expected="a readable file of orderengine snapshot with a pool of SOL/USDC",
        meaning="its SOL/USDC pools take the place of the profile's; under the router `network`"
        " also those that join the two by way of other tokens",
    ),
    _choice(
        "ORDERENGINE_ROUTER",
        tuple(ROUTERS),
        "how orders are routed: `best` takes the best quote, any other computes the route",
    ),
    _choice(
        "ORDERENGINE_SIM_PROFILE",
        tuple(PROFILES),
        "`original`: quotes after 200 ms, execution after 2 to 3 s; `instant`: no delay (the pools"
        " of both bear any load); `solana`: slots, landing, drops; `solana-fast`: the same with"
        " 20 ms slots",
    ),
    _count("ORDERENGINE_SIM_SEED", 0, 2**63 - 1, "what the simulated world draws from"),
    Setting(
        variable="ORDERENGINE_SIM_FAIL_RATE",
        field="sim_fail_rate",
        parse=variables.share,
        expected="a number from 0 to 1",
        meaning="share of transactions that land and fail",
    ),
)

_PREFIX = "ORDERENGINE_"
_ELSEWHERE = frozenset(
    {
        "ORDERENGINE_MARKET",
        "ORDERENGINE_DATA",
        "ORDERENGINE_NOTEBOOK_ORDERS",
        "ORDERENGINE_PEER",
        "ORDERENGINE_BENCH_ROUNDS",
    }
)
"""Variables of ours that are no settings of the service."""


def _refuse_unknown(given: Mapping[str, str]) -> None:
    """Refuse a variable of ours that nobody reads: a limit that is misspelt limits nothing."""
    known = [setting.variable for setting in SETTINGS]
    by_word = {name.removeprefix(_PREFIX): name for name in known}  # what they share is no likeness
    for name in sorted(given):
        if name.startswith(_PREFIX) and name not in known and name not in _ELSEWHERE:
            near = get_close_matches(name.removeprefix(_PREFIX), by_word, 1)
            expected = f"a known variable{', such as ' + by_word[near[0]] if near else ''}"
            raise InvalidData(name, "one that nothing reads", expected)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_open_doors(settings: Settings, given: Mapping[str, str]) -> None:
    """Refuse what would let strangers in, and in production all that was left to chance."""
    if settings.auth == "none" and not _is_loopback(settings.host):
        raise InvalidData("ORDERENGINE_AUTH", "none", "keys, because HOST is not loopback")
    if not settings.is_production:
        return
    if settings.auth == "none":
        raise InvalidData("ORDERENGINE_AUTH", "none", "keys in production")
    for name in ("DATABASE_URL", "REDIS_URL", "ORDERENGINE_ORDER_MAX"):
        if name not in given:
            raise InvalidData(name, "nothing", "a value in production")
    limits = {
        "ORDERENGINE_RATE_USER": settings.rate_user,
        "ORDERENGINE_RATE_ADDRESS": settings.rate_address,
    }
    for name, limit in limits.items():
        if not limit:
            raise InvalidData(name, "no limit", "a limit in production")
    if settings.sim_fail_rate:
        raise InvalidData("ORDERENGINE_SIM_FAIL_RATE", "failures on purpose", "0 in production")
    if any(origin.startswith("http:") for origin in settings.cors_origins):
        raise InvalidData("ORDERENGINE_CORS_ORIGINS", "http", "https:// in production")
