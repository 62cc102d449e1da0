"""Count requests and how long their answers took, by route."""

from __future__ import annotations

from bisect import bisect_left

__all__ = ["BUCKETS_S", "RequestFigures"]

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestFigures:
    """Hold how many requests each route answered with which status, and how long that took."""

    def __init__(self) -> None:
        self.answered: dict[tuple[str, int], int] = {}
        """By route and status."""
        self.took: dict[str, list[int]] = {}
        """By route: how many took up to each of ``BUCKETS_S``, and at the end those beyond."""
        self.took_s: dict[str, float] = {}
        """By route: all of them together."""

    def note(self, route: str, status: int, took_s: float) -> None:
        """Count one answer."""
        key = (route, status)
        self.answered[key] = self.answered.get(key, 0) + 1
        if route not in self.took:
            self.took[route] = [0] * (len(BUCKETS_S) + 1)
            self.took_s[route] = 0.0
        self.took[route][bisect_left(BUCKETS_S, took_s)] += 1
        self.took_s[route] += took_s
