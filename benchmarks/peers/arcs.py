"""Describe a market to a solver: arcs between tokens, each a concave curve in real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

__all__ = ["Arc", "Routed", "output_of", "worths_of"]


class Arc(NamedTuple):
    """Pay ``price * d * room / (room + d)`` of token ``head`` for d of token ``tail``."""

    tail: int
    head: int
    price: float
    """Of the first unit, after fees: units of ``head`` for one of ``tail``."""
    room: float
    """Input at which the price has fallen to a quarter; infinite where it stands still."""
    most: float
    """The largest d; infinite where there is none."""


class Routed(NamedTuple):
    """Hold a solver's answer: the output, and what each arc takes."""

    output: float
    inputs: Sequence[float]


def output_of(arc: Arc, amount: float) -> float:
    """Return what an arc pays for an input within ``most``."""
    if arc.room == inf:
        return arc.price * amount
    return arc.price * amount * arc.room / (arc.room + amount)


def worths_of(arcs: Sequence[Arc], tokens: int, buy: int) -> list[float]:
    """Return what a unit of each token is worth in ``buy`` along its best path of first prices.

    A solver's numbers are scaled by it, and start there. 0 of tokens that lead nowhere. Without
    circles that pay, as many rounds as there are tokens find it (Bellman and Ford).
    """
    worths = [0.0] * tokens
    worths[buy] = 1.0
    for _ in range(tokens):
        for arc in arcs:
            worths[arc.tail] = max(worths[arc.tail], arc.price * worths[arc.head])
    return worths
