"""Check that the description shows answers as they are."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.service.serving import serving
from tests.service.test_app import SWAP, ended, submit


def test_an_example_of_an_answer_is_like_the_answer(tmp_path: Path) -> None:
    """It has the fields that the service sends, no more and no fewer."""
    with (
        serving(tmp_path, ORDERENGINE_SIM_PROFILE="instant") as served,
        httpx.Client(base_url=served.url, timeout=10) as http,
    ):
        described = http.get("/openapi.json").json()["paths"]

        def fields(method: str, path: str) -> set[str]:
            responses = described[path][method.lower()]["responses"]
            (status,) = [status for status in responses if status.startswith("2")]
            return set(next(iter(responses[status]["content"].values()))["example"])

        order_id = submit(http)
        ended(http, order_id)
        for method, path, body in (
            ("POST", "/execute", SWAP),
            ("POST", "/quote", SWAP),
            ("GET", "/orders", None),
            ("GET", "/orders/{order_id}", None),
            ("GET", "/orders/{order_id}/events", None),
            ("DELETE", "/orders/{order_id}", None),
            ("GET", "/health/live", None),
            ("GET", "/health/ready", None),
        ):
            asked = http.request(method, path.format(order_id=order_id), json=body)
            assert set(asked.json()) == fields(method, path), (method, path)
