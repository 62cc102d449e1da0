"""Check that every route has a row, and that what has none is reached by nobody."""

from __future__ import annotations

import pytest

from orderengine.errors import InvariantViolated
from orderengine.service.access.rules import RULES, Access, find_rule, require_rows
from orderengine.service.settings import Settings
from orderengine.service.web.app import create_app, routes_of


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    """So the table tells all of it."""
    routes = set(routes_of(create_app(Settings()).app))
    named = {(method, path.replace(":str", "")) for method, path in routes}
    assert {(rule.method, rule.path) for rule in RULES} - {("GET", "/metrics")} <= named
    require_rows(routes)


def test_a_route_without_a_row_ends_the_start() -> None:
    """Whoever adds a route says who may use it."""
    with pytest.raises(InvariantViolated, match="GET /secret"):
        require_rows([("GET", "/orders"), ("GET", "/secret")])
    with pytest.raises(InvariantViolated, match="POST /orders"):
        require_rows([("POST", "/orders")])


@pytest.mark.parametrize(
    ("method", "path", "access"),
    [
        ("GET", "/health/live", Access.PROBE),
        ("HEAD", "/health/live", Access.PROBE),
        ("POST", "/health/live", None),
        ("GET", "/docs/assets/x.js", Access.OPEN),
        ("GET", "/docs/assets/../orders", None),
        ("GET", "/docs/assets/", None),
        ("GET", "/docs/of-the-framework", None),
        ("GET", "/metrics", Access.OPERATOR),
        ("GET", "//metrics", None),
        ("GET", "/Metrics", None),
        ("GET", "/metrics\n", None),
        ("GET", "/orders/a\nb", Access.USER),
        ("GET", "/orders/a/events", Access.USER),
        ("GET", "/orders/a/b", None),
        ("GET", "/ws", None),
        ("WEBSOCKET", "/ws", Access.USER),
        ("WEBSOCKET", "/orders", None),
        ("GET", "", None),
    ],
)
def test_a_path_is_matched_as_it_stands(method: str, path: str, access: Access | None) -> None:
    """What is not in the table to the letter is not in it."""
    rule = find_rule(method, path)
    assert (None if rule is None else rule.access) == access
