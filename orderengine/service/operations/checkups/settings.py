"""Look at settings that are valid and may still not be what was meant."""

from __future__ import annotations

import resource
from collections.abc import Callable

from orderengine.model.amounts import format_amount
from orderengine.service.operations.checkups.finding import Finding, failed, fine, worth
from orderengine.service.settings import Settings

__all__ = ["SETTINGS_CHECKS"]

_FILES_BESIDE_SOCKETS = 500
"""Files and connections that a process holds besides: the database, Redis, requests."""


def _auth(settings: Settings) -> Finding:
    if settings.auth == "keys":
        return fine("auth", "requests need a key")
    return failed("auth", "anybody may place orders", "set ORDERENGINE_AUTH=keys")


def _cors(settings: Settings) -> Finding:
    count = len(settings.cors_origins)
    if any(origin.startswith("http:") for origin in settings.cors_origins):
        return worth("cors", "pages may ask over plain http", "name https:// origins only")
    return fine("cors", f"pages of {count} other origins may ask" if count else "no foreign pages")


def _rates(settings: Settings) -> Finding:
    user, address = settings.rate_user, settings.rate_address
    if not user or not address:
        do = "set ORDERENGINE_RATE_USER and ORDERENGINE_RATE_ADDRESS"
        return failed("rate limits", "a user or an address may ask without limit", do)
    said = f"{user} requests a minute of a user, {address} of an address"
    return fine("rate limits", said)


def _order_max(settings: Settings) -> Finding:
    if not settings.order_max:
        return failed("order limits", "an order may be of any size", "set ORDERENGINE_ORDER_MAX")
    shown = ", ".join(format_amount(units, symbol) for symbol, units in settings.order_max.items())
    return fine("order limits", f"at most {shown} an order")


def _hops(settings: Settings) -> Finding:
    if settings.trusted_hops:
        return fine("trusted hops", f"{settings.trusted_hops} proxies in front are believed")
    said = "no proxy is believed: behind one, all clients have its address and share its limit"
    return worth(
        "trusted hops", said, "behind proxies, set ORDERENGINE_TRUSTED_HOPS to their number"
    )


def _files(settings: Settings) -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # serve takes all that it may
    need = settings.sockets_max + _FILES_BESIDE_SOCKETS
    said = f"{hard} files may be open here, {settings.sockets_max} sockets are allowed"
    if hard != resource.RLIM_INFINITY and hard < need:
        do = f"raise the limit (ulimit -Hn) to {need}, or lower ORDERENGINE_SOCKETS_MAX"
        return failed("open files", said, do)
    return fine("open files", said)


SETTINGS_CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    _auth,
    _cors,
    _rates,
    _order_max,
    _hops,
    _files,
)
"""In the order of the checklist."""
