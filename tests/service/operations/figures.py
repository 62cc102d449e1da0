"""Read what ``/metrics`` says."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Figures", "figures_of"]

Figures = dict[str, dict[tuple[str, ...], float]]
"""By name and the values of the labels, in the order of the labels' names."""


def figures_of(url: str) -> Figures:
    """Return every figure of a serving process; fail if it is not Prometheus's text."""
    answer = httpx.get(f"{url}/metrics", timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: Figures = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found
