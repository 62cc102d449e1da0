"""Minimise the dual of routing through a graph of tokens: the inner loops.

Theory. Let u be the square root of each token's price and F(u) the most that can be had at these
prices: what the order brings (``supply``, negative where it asks) plus each edge's best profit. A
piece of curve with liquidity L that begins at s0 = 1 / sqrt(price) is traded until s = u_out / u_in
and adds L / s0 * (u_out - u_in * s0)^2: a square in u, which Newton's method meets in one step
(source: T. Diamandis, M. Resnick, T. Chitra and G. Angeris, "An Efficient Algorithm for Optimal
Routing Through Constant Function Market Makers", 2023, minimise the same dual by a quasi-Newton
method in prices). With d the relative change of u, the second derivative of F is four times the
Laplacian of the graph whose edges weigh L * u_in * u_out / 2, plus twice each token's surplus times
its price. At the optimum no token has a surplus, so a step may count surpluses as it likes there
and the last steps are exact; far from it their absolute values keep the matrix positive.

As in ``kernels``: plain Python over sequences of numbers, compiled as it stands; only +, -, *, /
and comparisons in a fixed order. Arguments shared by all:

- ``curves``: (tails, heads, offsets, starts, ends, liquidity, inputs, outputs). Edge e has the
  pieces from ``offsets[e]`` to ``offsets[e + 1]``; ``inputs`` and ``outputs`` are sums, with one
  entry more an edge, so edge e's begin at ``offsets[e] + e``;
- ``live``: the edges that may trade;
- ``flows``: (surplus a token; taken, paid and weight an edge; the edge's piece, where to look
  first), written.
"""

from __future__ import annotations

__all__ = ["minimise", "trade", "widen"]

from collections.abc import MutableSequence, Sequence

_Floats = Sequence[float]
_Ints = Sequence[int]
_Out = MutableSequence[float]
_OutInts = MutableSequence[int]
_Curves = tuple[_Ints, _Ints, _Ints, _Floats, _Floats, _Floats, _Floats, _Floats]
_Flows = tuple[_Out, _Out, _Out, _Out, _OutInts]
_Work = tuple[_OutInts, _Out, _Out, _Out, _Out, _OutInts, _OutInts, _OutInts, _OutInts]

_TIE = 1e-9
"""An edge whose first unit is nearer to its price than this may begin to trade with the step."""
_DONE = 1e-14
"""A step that promises less than this, relative to F, is not worth its while."""
_STEPS = 100
"""Far more than an order needs; where cycles are worth far more than it, F does not feel it."""
_TRIES = 40
_DOWN, _UP = 0.75, 3.0
"""A step changes no root by more: to a quarter, or fourfold."""
_FAR = 1e-12
"""Prices that have come to this part of where they began, or its inverse, have no end."""


def trade(
    curves: _Curves, live: _Ints, supply: _Floats, roots: _Floats, flows: _Flows, active: _OutInts
) -> tuple[float, int]:
    """Trade every live edge at prices ``roots`` squared; return F and how many are ``active``.

    Active edges are those that trade or are about to.
    """
    tails, heads, offsets, starts, ends, liquidity, inputs, outputs = curves
    surplus, taken, paid, weights, cursor = flows
    value = 0.0
    for t in range(len(supply)):
        surplus[t] = supply[t]
        value += supply[t] * roots[t] * roots[t]
    count = 0
    for at in range(len(live)):
        e = live[at]
        tail, head = tails[e], heads[e]
        root_in, root_out = roots[tail], roots[head]
        first = offsets[e]
        edge = root_in * starts[first]
        taken[e] = 0.0
        paid[e] = 0.0
        if root_out <= edge:
            if root_out > edge * (1.0 - _TIE):
                weights[e] = liquidity[first]
                active[count] = e
                count += 1
            continue
        s = root_out / root_in
        last = offsets[e + 1] - 1
        k = cursor[e]
        while k < last and starts[k + 1] < s:
            k += 1
        while k > first and starts[k] >= s:
            k -= 1
        cursor[e] = k
        start = starts[k]
        if s >= ends[k]:
            weights[e] = 0.0
            sold, bought = inputs[k + e + 1], outputs[k + e + 1]
            value += root_out * root_out * bought - root_in * root_in * sold
        else:
            weights[e] = liquidity[k]
            moved = liquidity[k] * (s - start)
            sold = inputs[k + e] + moved
            bought = outputs[k + e] + moved / (s * start)
            value += root_out * root_out * outputs[k + e] - root_in * root_in * inputs[k + e]
            value += moved * (s - start) / start * root_in * root_in
        taken[e] = sold
        paid[e] = bought
        surplus[tail] -= sold
        surplus[head] += bought
        active[count] = e
        count += 1
    return value, count


def minimise(
    curves: _Curves,
    live: _Ints,
    order: tuple[_Floats, int],
    roots: _Out,
    flows: _Flows,
    work: _Work,
) -> tuple[float, int]:
    """Move ``roots`` to where F is least, by damped Newton steps; return F there and their number.

    Args:
        curves: all of positive liquidity: ``widen`` bins before.
        live: the edges that may trade.
        order: supply a token, and the token whose price is kept.
        roots: in: where to start; out: where F is least.
        flows: out: what is traded there.
        work: room: (active an edge; step and trial roots a token; matrix, tokens squared; first
            roots a token; four times integers a token).
    """
    supply, numeraire = order
    active, step, trial, first = work[0], work[1], work[2], work[4]
    surplus = flows[0]
    for t in range(len(roots)):
        first[t] = roots[t]
    value, count = trade(curves, live, supply, roots, flows, active)
    for steps in range(_STEPS):
        slope = newton(curves, count, numeraire, roots, flows, work)
        if -slope <= _DONE * abs(value):
            return value, steps
        length, is_better = 1.0, False
        for _ in range(_TRIES):
            for t in range(len(roots)):
                trial[t] = roots[t] * (1.0 + length * step[t])
            found, count = trade(curves, live, supply, trial, flows, active)
            turned = 0.0
            for t in range(len(roots)):
                turned += 2.0 * surplus[t] * trial[t] * roots[t] * step[t]
            is_better = found <= value + 1e-4 * length * slope or (
                abs(turned) <= -0.5 * slope and found <= value + 1e-15 * abs(value)
            )
            if is_better:
                break
            # Where the slope would be 0 if it changed evenly on the way.
            ratio = slope / (slope - turned) if turned > 0.0 else 0.5
            length *= min(max(ratio, 0.05), 0.7)
        if not is_better:
            return trade(curves, live, supply, roots, flows, active)[0], steps
        is_far = False
        for t in range(len(roots)):
            roots[t] = trial[t]
            is_far = is_far or trial[t] < first[t] * _FAR or trial[t] * _FAR > first[t]
        value = found
        if is_far:
            return value, steps
    return value, _STEPS


def newton(
    curves: _Curves, count: int, numeraire: int, roots: _Floats, flows: _Flows, work: _Work
) -> float:
    """Write the relative step of every root to ``work``; return the slope of F along it."""
    _, step, _, matrix, _, slots, held, _, _ = work
    surplus = flows[0]
    size = assemble(curves, count, numeraire, roots, flows, work)
    if not solve(matrix, size, step, work):
        size = assemble(curves, count, numeraire, roots, flows, work)
        for k in range(size):
            t = held[k]
            worth = 2.0 * surplus[t] * roots[t] * roots[t]
            if worth < 0.0:
                matrix[k * size + k] -= 2.0 * worth
        solve(matrix, size, step, work)
    low, high = 0.0, 0.0
    for k in range(size):
        low = min(low, step[k])
        high = max(high, step[k])
    scale = 1.0
    if low < -_DOWN:
        scale = -_DOWN / low
    if high * scale > _UP:
        scale = _UP / high
    slope = 0.0
    # Slots rise with tokens, so from the last on none is overwritten before it is read.
    for t in range(len(roots) - 1, -1, -1):
        k = slots[t]
        step[t] = step[k] * scale if k >= 0 else 0.0
        slope += 2.0 * surplus[t] * roots[t] * roots[t] * step[t]
    return slope


def assemble(
    curves: _Curves, count: int, numeraire: int, roots: _Floats, flows: _Flows, work: _Work
) -> int:
    """Write the second derivative and minus the first over the tokens that can move.

    Returns their number. An edge that is about to trade counts only where it would be used: from a
    token with too much, or to one with too little.
    """
    tails, heads = curves[0], curves[1]
    surplus, taken, _, weights, _ = flows
    active, step, _, matrix, _, slots, held, pushed, pulled = work
    mark(curves, count, numeraire, flows, work)
    size = 0
    for t in range(len(roots)):
        slots[t] = -1
        if pushed[t] + pulled[t] > 0:
            slots[t] = size
            held[size] = t
            size += 1
    for k in range(size * size):
        matrix[k] = 0.0
    for k in range(size):
        t = held[k]
        worth = 2.0 * surplus[t] * roots[t] * roots[t]
        matrix[k * size + k] = worth
        step[k] = -worth
    for at in range(count):
        e = active[at]
        tail, head = tails[e], heads[e]
        if taken[e] == 0.0 and pushed[tail] + pulled[head] == 0:
            continue
        weight = 2.0 * weights[e] * roots[tail] * roots[head]
        i, j = slots[tail], slots[head]
        if i >= 0:
            matrix[i * size + i] += weight
        if j >= 0:
            matrix[j * size + j] += weight
        if i >= 0 and j >= 0:
            if i > j:
                matrix[i * size + j] -= weight
            else:
                matrix[j * size + i] -= weight
    return size


def mark(curves: _Curves, count: int, numeraire: int, flows: _Flows, work: _Work) -> None:
    """Mark the tokens that active edges could push a surplus to, or pull what is missing from."""
    tails, heads = curves[0], curves[1]
    surplus, active, pushed, pulled = flows[0], work[0], work[7], work[8]
    for t in range(len(surplus)):
        pushed[t] = 1 if surplus[t] > 0.0 and t != numeraire else 0
        pulled[t] = 1 if surplus[t] < 0.0 and t != numeraire else 0
    is_growing = True
    while is_growing:
        is_growing = False
        for at in range(count):
            tail, head = tails[active[at]], heads[active[at]]
            if pushed[tail] > pushed[head] and head != numeraire:
                pushed[head] = 1
                is_growing = True
            if pulled[head] > pulled[tail] and tail != numeraire:
                pulled[tail] = 1
                is_growing = True


def solve(matrix: _Out, size: int, vector: _Out, work: _Work) -> bool:
    """Solve a symmetric system in place by elimination; return whether it is positive.

    Only the lower half is read. Zeros are passed over, of which a graph of tokens has many.
    """
    rows, whole = work[7], work[2]
    for k in range(size):
        whole[k] = abs(matrix[k * size + k])
    for k in range(size):
        pivot = matrix[k * size + k]
        if pivot < -1e-9 * whole[k]:
            return False
        if pivot <= 1e-12 * whole[k]:
            pivot = 1e-12 * whole[k] if whole[k] > 0.0 else 1.0
            matrix[k * size + k] = pivot
        count = 0
        for i in range(k + 1, size):
            if matrix[i * size + k] != 0.0:
                rows[count] = i
                count += 1
        for a in range(count):
            i = rows[a]
            factor = matrix[i * size + k] / pivot
            for b in range(a + 1):
                j = rows[b]
                matrix[i * size + j] -= factor * matrix[j * size + k]
            vector[i] -= factor * vector[k]
    for k in range(size - 1, -1, -1):
        known = vector[k]
        for i in range(k + 1, size):
            known -= matrix[i * size + k] * vector[i]
        vector[k] = known / matrix[k * size + k]
    return True


def widen(curves: _Curves, width: float, starts: _Out, ends: _Out, liquidity: _Out) -> None:
    """Write the curves with every bin as a narrow curve of the same totals.

    It reaches from s / f to s * f, with f = 1 + ``width`` or as far as leaves the neighbours room.
    """
    _, _, offsets, old_starts, old_ends, old_liquidity, inputs, _ = curves
    for e in range(len(offsets) - 1):
        first, end = offsets[e], offsets[e + 1]
        for k in range(first, end):
            start = old_starts[k]
            starts[k] = start
            ends[k] = old_ends[k]
            liquidity[k] = old_liquidity[k]
            if old_liquidity[k] > 0.0:
                continue
            room = width
            if k > first:
                room = min(room, 0.5 * (start / old_ends[k - 1] - 1.0))
            if k + 1 < end:
                room = min(room, 0.5 * (old_starts[k + 1] / start - 1.0))
            factor = 1.0 + max(room, 1e-9)
            starts[k] = start / factor
            ends[k] = start * factor
            liquidity[k] = (inputs[k + e + 1] - inputs[k + e]) / (ends[k] - starts[k])
