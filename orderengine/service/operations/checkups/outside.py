"""Ask Redis how it is, and the service itself for its metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http.client import HTTPConnection, HTTPException

from anyio import to_thread

from orderengine.service.operations.checkups.finding import Finding, failed, fine, worth
from orderengine.service.redis_link import REDIS_ERRORS, connect
from orderengine.service.settings import Settings

__all__ = ["OUTSIDE_CHECKS"]

_HTTP_S_MAX = 2.0
_OLDEST_REDIS = 6


async def _redis(settings: Settings) -> Finding:
    if not settings.redis_url:
        do = "set REDIS_URL where more than one process runs"
        return worth("redis", "none: workers in other processes find orders in SQL", do)
    redis = connect(settings.redis_url)
    try:
        return _judged(await redis.info())
    except REDIS_ERRORS as error:
        said = f"does not answer: {type(error).__name__}"
        return failed("redis", said, "look at REDIS_URL, and at the server it names")
    finally:
        await redis.aclose()


def _judged(info: Mapping[str, object]) -> Finding:
    version = str(info.get("redis_version", "of an unknown version"))
    policy = str(info.get("maxmemory_policy", "unknown"))
    most = int(str(info.get("maxmemory", 0)))
    keeps = "keeps its data" if info.get("aof_enabled") else "keeps nothing over a restart"
    room = f"{most // 2**20} MiB at most" if most else "no limit of memory"
    said = f"{version}, {keeps} (it holds wake-ups only), {room}, eviction {policy}"
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < _OLDEST_REDIS:
        return failed("redis", said, f"use version {_OLDEST_REDIS} or newer")
    if policy != "noeviction":
        return failed("redis", said, "set maxmemory-policy noeviction: counts of rates would go")
    if not most:
        return worth("redis", said, "set maxmemory")
    return fine("redis", said)


async def _metrics(settings: Settings) -> Finding:
    return await to_thread.run_sync(_read_metrics, settings, abandon_on_cancel=True)


def _read_metrics(settings: Settings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    connection = HTTPConnection(host, settings.port, timeout=_HTTP_S_MAX)
    key = settings.bootstrap_key
    try:
        connection.request(
            "GET", "/metrics", headers={"Authorization": f"Bearer {key}"} if key else {}
        )
        status = connection.getresponse().status
    except (OSError, HTTPException):
        do = "start orderengine serve, or ask where it runs (HOST, PORT)"
        return worth("metrics", f"nothing serves at {where}", do)
    finally:
        connection.close()
    if status == 200:
        return fine("metrics", f"can be read at {where}")
    if status in {401, 403}:
        return fine("metrics", f"are guarded at {where}: an operator's key is needed")
    return failed("metrics", f"{where} answers {status}", "look into the log of serve")


OUTSIDE_CHECKS: Mapping[str, Callable[[Settings], Awaitable[Finding]]] = {
    "redis": _redis,
    "metrics": _metrics,
}
"""By name, in the order of the checklist."""
