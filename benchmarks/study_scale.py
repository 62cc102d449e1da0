"""Print what an order costs in studies of a thousand to a million orders, beside a peer.

    python -m benchmarks.study_scale [LARGEST]

Each study of the twin runs in a process of its own and writes its events to disk as it runs. The
peer is the program named by ORDERENGINE_PEER, called with 5,000 orders right before each study: it
prints its µs of CPU an order first. Medians; a study of 100,000 orders runs three times, one of a
million once.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from orderengine.study.run import simulate

SIZES = (1_000, 10_000, 100_000, 1_000_000)
ROUNDS = {1_000_000: 1, 100_000: 3}
PEER_ORDERS = 5_000
_FIRST_NUMBER = re.compile(r"[0-9.]+")


def child(orders: int) -> None:
    """Run one study and print its figures; what is imported and opened before it counts apart."""
    folder = tempfile.mkdtemp()
    try:
        simulate("simpy_twin", orders=200, progress=False, out=folder)
        result = simulate("simpy_twin", orders=orders, progress=False, out=folder)
        files = {name: os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder)}
    finally:
        shutil.rmtree(folder)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {
        "us_an_order": result.us_cpu_per_order,
        "process_s": time.process_time(),
        "run_peak_mib": result.peak_rss_mb,
        "process_peak_mib": peak_mb,
        "disk_mb": sum(files.values()) / 1e6,
        "sha256": result.event_log_sha256,
    }
    sys.stdout.write(json.dumps(told) + "\n")


def study(orders: int) -> dict[str, float]:
    """Return the figures of one study in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.study_scale", "--child", str(orders)]
    ended = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603
    told: dict[str, float] = json.loads(ended.stdout)
    return told


def peer_us() -> float | None:
    """Return the peer's µs of CPU an order; None if no peer is named."""
    peer = os.environ.get("ORDERENGINE_PEER")
    if not peer:
        return None
    command = [sys.executable, peer, str(PEER_ORDERS)]
    said = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603
    found = _FIRST_NUMBER.search(said.stdout)
    return float(found[0]) if found else None


def main(largest: int) -> None:
    """Print a line a size."""
    for orders in (size for size in SIZES if size <= largest):
        peers: list[float] = []
        told: list[dict[str, float]] = []
        for _ in range(ROUNDS.get(orders, 5)):
            peer = peer_us()
            if peer is not None:
                peers.append(peer)
            told.append(study(orders))
        median = {
            name: statistics.median([each[name] for each in told])
            for name in told[0]
            if name != "sha256"
        }
        line = ", ".join(f"{name} {value:,.1f}" for name, value in median.items())
        if peers:
            beside = statistics.median(peers)
            line += f"; peer {beside:.1f}, ours over peer {median['us_an_order'] / beside:.2f}"
        sys.stdout.write(f"{orders:>9,} orders: {line}; {str(told[0]['sha256'])[:12]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1])
