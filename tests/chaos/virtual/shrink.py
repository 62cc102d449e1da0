"""Make a failing plan small: leave out items as long as it still fails.

This is delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
2002) over the numbers of a plan's items: ever smaller pieces are left out, until no single one can
be. A run is the same each time, so the result is too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.chaos.virtual.plan import Plan

__all__ = ["broken_invariants", "shrink"]


def broken_invariants(violations: Sequence[str]) -> frozenset[str]:
    """Return the invariants that violations name."""
    return frozenset(violation.partition(" ")[0] for violation in violations)


def shrink(plan: Plan, violations_of: Callable[[Plan], Sequence[str]]) -> tuple[int, ...]:
    """Return the numbers of the items without any of which the plan fails no more.

    A smaller plan counts as failing if it breaks an invariant that the whole one breaks.

    Raises:
        ValueError: the plan does not fail.
    """
    wanted = broken_invariants(violations_of(plan))
    if not wanted:
        raise ValueError("the plan does not fail")

    def fails(kept: Sequence[int]) -> bool:
        return bool(wanted & broken_invariants(violations_of(plan.kept(kept))))

    kept = list(range(len(plan.items)))
    piece = len(kept)
    while piece >= 1:
        smaller = _without_pieces(kept, piece, fails)
        # A piece that was needed may be idle once another one is gone: look again.
        piece = piece // 2 if smaller == kept else min(piece, len(smaller))
        kept = smaller
    return tuple(kept)


def _without_pieces(
    kept: list[int], piece: int, fails: Callable[[Sequence[int]], bool]
) -> list[int]:
    """Leave out each piece of this length that is not needed."""
    start = 0
    while start < len(kept):
        smaller = kept[:start] + kept[start + piece :]
        if fails(smaller):
            kept = smaller
        else:
            start += piece
    return kept
