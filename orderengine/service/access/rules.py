"""Hold the table of all routes and of who may use them.

What a request meets is looked up here before the framework sees it, so a path without a row is
never served, and ``require_rows`` ends the start of a service whose routes have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from orderengine.errors import InvariantViolated

__all__ = ["RULES", "Access", "Rule", "find_rule", "methods_of", "require_rows"]


class Access(StrEnum):
    """Name who may use a route."""

    PROBE = "probe"
    """Everybody, under any host name and without a limit: for those who watch the process."""
    OPEN = "open"
    """Everybody."""
    USER = "user"
    """Who has a key; what is asked for is the user's own."""
    OPERATOR = "operator"
    """Who has an operator's key."""


class Rule(Struct, frozen=True):
    """Describe one route."""

    method: str
    """Of HTTP, or ``WEBSOCKET``."""
    path: str
    """With ``{name}`` for a segment."""
    access: Access
    has_body: bool = False
    """Whether it takes a JSON body; what comes without being asked for is read and dropped."""
    is_page: bool = False
    """Whether browsers show it or load it into a page."""


RULES = (
    Rule("GET", "/health/live", Access.PROBE),
    Rule("GET", "/health/ready", Access.PROBE),
    Rule("GET", "/openapi.json", Access.OPEN),
    Rule("GET", "/docs", Access.OPEN, is_page=True),
    Rule("GET", "/docs/assets/{name}", Access.OPEN, is_page=True),
    Rule("GET", "/metrics", Access.OPERATOR),
    Rule("POST", "/execute", Access.USER, has_body=True),
    Rule("POST", "/quote", Access.USER, has_body=True),
    Rule("GET", "/orders", Access.USER),
    Rule("GET", "/orders/{order_id}", Access.USER),
    Rule("DELETE", "/orders/{order_id}", Access.USER),
    Rule("GET", "/orders/{order_id}/events", Access.USER),
    Rule("POST", "/tickets", Access.USER),
    Rule("WEBSOCKET", "/ws", Access.USER),
    Rule("WEBSOCKET", "/ws/{order_id}", Access.USER),
)
"""All routes that there are."""

_NAME = re.compile(r"\{(\w+)(?::\w+)?\}")


def _pattern(path: str) -> re.Pattern[str]:
    literal = [re.escape(part) for part in _NAME.sub("\0", path).split("\0")]
    return re.compile("[^/]+".join(literal), re.DOTALL)


_EXACT = {(rule.method, rule.path): rule for rule in RULES if "{" not in rule.path}
_PATTERNS = tuple((rule.method, _pattern(rule.path), rule) for rule in RULES if "{" in rule.path)

_METHODS = ("HEAD", *sorted({rule.method for rule in RULES} - {"WEBSOCKET"}))


def find_rule(method: str, path: str) -> Rule | None:
    """Return the row of a request, or None if there is no such route. ``HEAD`` is a ``GET``."""
    if method == "HEAD":
        method = "GET"
    rule = _EXACT.get((method, path))
    if rule is None:
        for named, pattern, found in _PATTERNS:
            if named == method and pattern.fullmatch(path):
                return found
    return rule


def methods_of(path: str) -> tuple[str, ...]:
    """Return the methods of HTTP under which a path has a row; none if there is no such path."""
    found = {method for method in _METHODS if find_rule(method, path) is not None}
    return (*sorted(found), "OPTIONS") if found else ()


def require_rows(routes: Iterable[tuple[str, str]]) -> None:
    """Refuse to serve a route that no row says who may use.

    Args:
        routes: methods and paths, as the framework has them.

    Raises:
        InvariantViolated: a row is missing.
    """
    rows = {(rule.method, rule.path) for rule in RULES}
    found = {(method, _NAME.sub(r"{\1}", path)) for method, path in routes}
    if missing := sorted(found - rows):
        named = ", ".join(f"{method} {path}" for method, path in missing)
        raise InvariantViolated(f"service/access/rules.py has no row for {named}")
