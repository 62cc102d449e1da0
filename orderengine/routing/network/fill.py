"""Turn a flow through tokens into integer swaps that the pools compute, with nothing left over.

With an exact input each token's legs share what was truly brought, in the flow's proportions; each
takes the least that pays its output and the last takes the rest. With an exact output the same is
done backwards: each token's legs share what is truly needed, and the last pays the rest. So at
every token what comes in equals what goes out, to the unit.
"""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.pools import Swap
from orderengine.routing.ladder import Ladder
from orderengine.routing.network.dual import Solution
from orderengine.routing.network.graph import Graph
from orderengine.routing.network.paths import Legs
from orderengine.routing.polish import try_input, try_output
from orderengine.routing.request import Request

__all__ = ["fill"]

_BACK = (1e-12, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
"""A share that is all a pool can trade may be above that by a unit a tick or bin."""

_EASED = 1e-3
"""What is left over of a token is rounding up to this part of its flow, and not worth avoiding it
before ``_TRIES`` tries to bring it less."""
_TRIES = 4


def fill(graph: Graph, order: Sequence[int], solution: Solution, request: Request) -> Legs:
    """Return legs, as edges and what they swap, in the order given.

    A leg whose share pays nothing is left out. Where what a token's pools can take is all used and
    rounding brings it a little more, it is brought less; a token of which some would be left over
    all the same is avoided.

    Args:
        graph: tokens and edges.
        order: edges with a flow, in an order in which they can be executed.
        solution: the flow.
        request: the amount and which side it is.

    Returns:
        The legs; none if the pools cannot carry the whole amount, or pay nothing for it.
    """
    walk = list(order) if request.is_exact_in else list(order)[::-1]
    flow = (list(solution.taken), list(solution.paid))
    tried = [0] * len(graph.tokens)
    while walk:
        filling = _Filling(graph, flow, walk, request)
        filling.full = {t for t, times in enumerate(tried) if times}
        stuck = filling.run()
        if stuck < 0:
            return filling.legs()
        if stuck == filling.start:
            break
        tried[stuck] += 1
        if tried[stuck] <= _TRIES and filling.ease(stuck):
            walk = _firmly(walk, filling.come, filling.go, stuck)
        else:
            walk = graph.leading([e for e in walk if stuck not in {graph.tails[e], graph.heads[e]}])
    return []


def _firmly(walk: Sequence[int], come: Sequence[int], go: Sequence[int], full: int) -> list[int]:
    """Put legs to a token before their siblings, so that none of them takes the rest."""
    after: list[int] = []
    for e in walk:
        at = len(after)
        if go[e] == full:
            while at and come[after[at - 1]] == come[e] and go[after[at - 1]] != full:
                at -= 1
        after.insert(at, e)
    return after


class _Filling:
    """Walk along the legs: from ``sell`` on, or from ``buy`` back with all roles exchanged."""

    def __init__(
        self,
        graph: Graph,
        flow: tuple[list[float], list[float]],
        walk: Sequence[int],
        request: Request,
    ) -> None:
        self.is_exact_in, self.now_s = request.is_exact_in, request.view.now_s
        self.ladders = graph.ladders
        if self.is_exact_in:
            self.start, self.goal = graph.sell, graph.buy
            self.come, self.go = graph.tails, graph.heads
            self.given, self.made = flow
        else:
            self.start, self.goal = graph.buy, graph.sell
            self.come, self.go = graph.heads, graph.tails
            self.made, self.given = flow
        self.walk = walk
        self.held = [0] * len(graph.tokens)
        self.held[self.start] = request.amount
        self.asked = [0.0] * len(graph.tokens)
        """What is still to leave a token, in the real flow, and ``coming`` what is to arrive."""
        self.coming = [0.0] * len(graph.tokens)
        self.left = [0] * len(graph.tokens)
        """Legs that are still to leave a token."""
        for e in self.walk:
            self.asked[self.come[e]] += self.given[e]
            self.coming[self.go[e]] += self.made[e]
            self.left[self.come[e]] += 1
        drain = self.coming[self.goal] - self.asked[self.goal]
        self.asked[self.goal] += max(drain, 0.0)
        self.swaps: dict[int, Swap] = {}
        self.full: set[int] = set()
        """Tokens that can be brought no more."""

    def run(self) -> int:
        """Swap leg by leg; return a token of which something is left over, -1 if there is none."""
        for e in self.walk:
            come, go = self.come[e], self.go[e]
            self.left[come] -= 1
            self.coming[go] -= self.made[e]
            swap = None
            if not self.left[come] and come != self.goal and self.held[come]:
                swap = self._swap(e, self.held[come])
            if swap is None:
                swap = self._share(e)
            self.asked[come] -= self.given[e]
            if swap is not None:
                self._book(e, swap)
            if not self.left[come] and come != self.goal and self.held[come]:
                self._hand_on(come)
                if self.held[come] and not self.coming[come]:
                    return come
        rest = [t for t, held in enumerate(self.held) if held and t != self.goal]
        if rest:
            return rest[0]
        return -1 if self.held[self.goal] else self.start

    def ease(self, full: int) -> bool:
        """Lower the flow to a token by twice what was left over; False if that is no rounding."""
        flow = sum([self.made[e] for e in self.walk if self.go[e] == full])
        lower = 2.0 * (self.held[full] + 1)
        if lower > _EASED * flow:
            return False
        for e in self.walk:
            if self.go[e] == full:
                self.given[e] *= 1 - lower / flow
                self.made[e] *= 1 - lower / flow
        return True

    def legs(self) -> Legs:
        """Return what was swapped, in the order in which it executes."""
        legs = [(e, self.swaps[e]) for e in self.walk if e in self.swaps]
        return legs if self.is_exact_in else legs[::-1]

    def _share(self, e: int) -> Swap | None:
        come = self.come[e]
        if self.asked[come] <= 0.0:
            return None
        share = self.given[e] * ((self.held[come] + self.coming[come]) / self.asked[come])
        ladder = self.ladders[e]
        whole = min(share, self.given[e])
        first = whole if self.go[e] in self.full else share
        for wanted in (first, *[whole * (1 - back) for back in _BACK]):
            part = min(int(wanted), self.held[come])
            swap = self._swap(e, part) if part > 0 else None
            if swap is None:
                continue
            if self.is_exact_in:
                return _with_least_input(ladder, swap, self.now_s)
            return _with_most_output(ladder, swap, self.held[come], self.now_s)
        return None

    def _hand_on(self, come: int) -> None:
        """Give what the last leg refused to another of the token's legs that takes it."""
        for e in reversed(self.walk):
            old, go = self.swaps.get(e), self.go[e]
            if go == come:
                return  # Legs before this one could not have had all that is held now.
            if old is None or self.come[e] != come or go in self.full:
                continue
            if not self.left[go] and go != self.goal:
                continue
            more = self._swap(e, self._given(old) + self.held[come])
            if more is not None:
                self.held[come] += self._given(old)
                self.held[go] -= self._made(old)
                self._book(e, more)
                return

    def _book(self, e: int, swap: Swap) -> None:
        self.swaps[e] = swap
        self.held[self.come[e]] -= self._given(swap)
        self.held[self.go[e]] += self._made(swap)

    def _swap(self, e: int, part: int) -> Swap | None:
        swap_of = try_input if self.is_exact_in else try_output
        return swap_of(self.ladders[e], part, self.now_s)

    def _given(self, swap: Swap) -> int:
        return swap.amount_in if self.is_exact_in else swap.amount_out

    def _made(self, swap: Swap) -> int:
        return swap.amount_out if self.is_exact_in else swap.amount_in


def _with_least_input(ladder: Ladder, swap: Swap, now_s: int) -> Swap:
    least = try_output(ladder, swap.amount_out, now_s)
    if least is not None and least.amount_in < swap.amount_in:
        again = try_input(ladder, least.amount_in, now_s)
        if again is not None and again.amount_out >= swap.amount_out:
            return again
    return swap


def _with_most_output(ladder: Ladder, swap: Swap, most: int, now_s: int) -> Swap:
    paid = try_input(ladder, swap.amount_in, now_s)
    if paid is not None and paid.amount_out > swap.amount_out:
        again = try_output(ladder, min(paid.amount_out, most), now_s)
        if again is not None and again.amount_in <= swap.amount_in:
            return again
    return swap
