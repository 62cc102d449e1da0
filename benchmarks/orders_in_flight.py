"""Print how many bytes of memory a fresh process holds for each of 100,000 orders in flight.

All orders of the twin arrive at once. The whole process counts, interpreter included: its resident
memory when the first orders end and all others are open, and its greatest to the end of the study,
when every order's log is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orderengine.study.run import scenario, simulate

ORDERS = 100_000


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main(workers: int) -> None:
    """Run the twin with so many workers: the others wait in the queue."""
    changes = {"arrivals.model": "burst", "engine.workers": workers}
    seen: list[int] = []
    simulate(
        scenario("simpy_twin").replace(**changes),
        orders=ORDERS,
        progress=lambda ended, orders: seen.append(_resident()),
    )
    sys.stdout.write(f"{seen[0] // ORDERS} {max(seen) // ORDERS}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
