"""Show how many fewer orders a comparison needs on common random numbers.

``python -m benchmarks.common_random_numbers`` compares the default scenario with itself, one field
changed at a time, in 20 replicates of 1,000 orders, and prints a row of a Markdown table for each.
The factor is the variance of the difference with independent seeds over that with common ones.
"""

from __future__ import annotations

import sys

import orderengine as oe

CHANGES: tuple[tuple[str, dict[str, object]], ...] = (
    ("shortfall_bps", {"engine.router": "split"}),
    ("shortfall_bps", {"market.landing.drop_rate": 0.2}),
    ("shortfall_bps", {"engine.quote_deadline": "700ms"}),
    ("shortfall_bps", {"order.slippage_bps": 20}),
    ("shortfall_bps", {"market.price.volatility": 1.6}),
    ("latency_ms.total.p50", {"market.landing.drop_rate": 0.2}),
    ("latency_ms.total.p99", {"market.landing.drop_rate": 0.2}),
)
ORDERS, REPLICATES = 1_000, 20
PRECISION = {"shortfall_bps": 0.1, "latency_ms.total.p50": 10.0, "latency_ms.total.p99": 100.0}


def main() -> None:
    """Print the table."""
    study = oe.scenario("default").replace(orders=ORDERS)
    print("| metric | changed | b - a, paired | unpaired | fewer orders | paired | unpaired |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    for metric, changes in CHANGES:
        found = oe.compare(
            study,
            study.replace(changes),
            replicates=REPLICATES,
            metric=metric,
            precision=PRECISION[metric],
            progress=False,
        )
        factor = found.variance_reduction
        changed = ", ".join(f"`{f}` {old} → {new}" for f, (old, new) in found.changes.items())
        print(  # noqa: T201
            f"| `{metric}` | {changed} | {found.difference} | {found.unpaired} | "
            f"{factor.value:.1f} [{factor.low:.1f}, {factor.high:.1f}] | "
            f"{found.orders_needed:,} | {found.orders_needed_unpaired:,} |"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
