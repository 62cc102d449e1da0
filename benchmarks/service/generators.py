"""Send orders to a target and say what came back: the peer's load generator, or our own client.

The peer's drives both services alike and costs little. Ours serves where that is missing: its own
work is then in every figure, so such figures stand beside each other and beside nothing else.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import anyio
from msgspec import Struct

from benchmarks.service.cases import Case
from benchmarks.service.peer import Peer
from benchmarks.service.targets import Target
from orderengine.study.live import Client

__all__ = ["Answer", "Generator", "own_generator", "peer_generator"]

_LOAD_S_MAX = 300.0
_ORDER_S_MAX = 60
_OURS = ("--post-path=/execute", "--mux-path=/ws", "--id-field=order_id")
_FAULTS = (
    "bad",
    "bad_post",
    "lost",
    "failed",
    "missing_status",
    "out_of_order",
    "duplicated",
    "ws_errors",
)


class Answer(Struct, frozen=True, kw_only=True):
    """Hold what a client saw of some orders."""

    figures: dict[str, float]
    """Of these those that were measured: ``orders_per_s``, ``e2e_p50_ms``, ``e2e_p99_ms``,
    ``post_p50_ms``, ``post_p99_ms``, ``generator_cpu_ms``, and ``after_reply_max_ms``: the longest
    that an order's end came after its receipt. No order ends later than that after the last of all
    receipts, for its own receipt came no later than the last."""
    faults: dict[str, int]
    """What should not be, where there was any."""


Generator = Callable[[Target, Case, int], Answer]


def peer_generator(peer: Peer, amount: int) -> Generator:
    """Return the peer's generator, in a process of its own.

    Args:
        peer: where it is.
        amount: lamports that each order sells. The peer's market is drawn and never moves; ours is
            moved by what is sold, and an order that slips is tried again, which the generator calls
            duplicated. The pools of the profile ``instant`` are so deep that none does.
    """
    body = json.dumps({"sell": "SOL", "buy": "USDC", "amount": str(amount)})

    def run(target: Target, case: Case, orders: int) -> Answer:
        command = [*peer.generator, f"--url={target.url}", f"--n={orders}", f"--c={case.in_flight}"]
        command += [f"--mode={case.mode}", "--ws=mux", f"--timeout={_ORDER_S_MAX}"]
        command += () if target.is_peer else (*_OURS, f"--body={body}")
        ended = subprocess.run(  # noqa: S603
            command, capture_output=True, check=False, timeout=_LOAD_S_MAX
        )
        if ended.returncode:
            raise RuntimeError(f"the load generator failed: {ended.stderr.decode()}")
        return _of_peer(json.loads(ended.stdout), case, orders)

    return run


def _of_peer(found: dict[str, Any], case: Case, orders: int) -> Answer:
    is_e2e = case.mode == "e2e"
    figures = {
        "orders_per_s": found["orders_per_s" if is_e2e else "per_s"],
        "post_p50_ms": found["post_ms"]["p50"],
        "post_p99_ms": found["post_ms"]["p99"],
        "generator_cpu_ms": found["gen_cpu_s"] * 1e3 / orders,
    }
    if is_e2e:
        figures |= {
            "e2e_p50_ms": found["e2e_ms"]["p50"],
            "e2e_p99_ms": found["e2e_ms"]["p99"],
            "after_reply_max_ms": found["after_reply_ms"]["max"],
        }
    faults = {name: found[name] for name in _FAULTS if found.get(name)}
    return Answer(figures={n: v for n, v in figures.items() if v is not None}, faults=faults)


def own_generator(target: Target, case: Case, orders: int) -> Answer:
    """Send orders with our own client, which can only follow each to its end."""

    async def main() -> Answer:
        async with Client(target.url) as client:
            result = await client.load(
                orders=orders,
                concurrency=case.in_flight,
                lost_after_s=_ORDER_S_MAX,
                progress=False,
            )
        assert result.load is not None
        load = result.load
        figures = {
            "orders_per_s": load.orders_per_s,
            "post_p50_ms": load.latency_ms["accepted"]["p50"],
            "post_p99_ms": load.latency_ms["accepted"]["p99"],
            "e2e_p50_ms": load.latency_ms["ended"]["p50"],
            "e2e_p99_ms": load.latency_ms["ended"]["p99"],
            "generator_cpu_ms": load.cpu_seconds * 1e3 / orders,
        }
        faults = {
            "refused": sum(load.refused.values()),
            "not_confirmed": load.accepted - load.ended.get("confirmed", 0),
            "lost": load.lost,
            "duplicated": load.duplicated,
            "out_of_order": load.out_of_order,
            "missing": load.missing,
        }
        return Answer(
            figures={name: value for name, value in figures.items() if value is not None},
            faults={name: many for name, many in faults.items() if many},
        )

    return anyio.run(main)
