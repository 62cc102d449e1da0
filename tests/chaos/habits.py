"""Draw what clients do with their orders from the seed of a run.

Some orders have deadlines or priorities, some are cancelled, and cancelled again, some are posted
twice at once, some keys are used for another body, and some users ask for what is another's.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.market.draws import Draws

__all__ = ["USERS", "Habit", "habit"]

USERS = ("alice", "bob", "carol")


class Habit(Struct, frozen=True):
    """Say what a client does with one order."""

    body: dict[str, object]
    is_posted_twice: bool
    is_key_reused: bool
    cancels_after_s: float | None
    is_spied_on: bool
    deadline_after_s: float | None


def habit(seed: int, number: int) -> Habit:
    """Return what is done with the n-th order of a run."""
    draws = Draws(seed, "chaos/habits")

    def chance(k: int) -> float:
        return draws.uniform(number, k)

    body: dict[str, object] = {"sell": "SOL", "buy": "USDC"}
    body["amount"] = str(1_000_000 + draws.u64(number, 1) % 5_000_000_000)
    if chance(2) < 0.3:
        body["priority"] = ("urgent", "bulk")[draws.u64(number, 3) % 2]
    if chance(4) < 0.3:
        body["slippage_bps"] = int(200 * chance(5))
    return Habit(
        body=body,
        is_posted_twice=chance(6) < 0.05,
        is_key_reused=chance(7) < 0.05,
        cancels_after_s=0.5 * chance(9) if chance(8) < 0.15 else None,
        is_spied_on=chance(10) < 0.05,
        deadline_after_s=0.2 + 10 * chance(12) ** 3 if chance(11) < 0.15 else None,
    )
