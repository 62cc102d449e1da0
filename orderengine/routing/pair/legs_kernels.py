"""Search the sets of pools that get a leg, best first, with a bound that proves the best.

Theory. Give each unit of input the price 1 / s^2. Pool i then trades until its own price has fallen
to that, and its profit is P_i(s) = out_i(s) - in_i(s) / s^2 less the cost of its leg. Whatever set
S of pools fills the amount X, it nets at most (weak duality, for every s)

    X / s^2 + sum over S of P_i(s),

and the best s for S gives just what S nets, since the curves are concave. With an exact output Y
all is the same with -s^2 * Y in the first place and P_i(s) = s^2 * out_i(s) - in_i(s) less the
cost: the net is then minus what is paid. A row is one s with all pools' profits. Over the sets that
extend a partial one, a row's bound is the sum of what is in, and of each open pool's profit where
it is above 0; where a limit binds, of the best fractional choice of them (G. Dantzig's bound of the
knapsack, 1957). The gap that this leaves is about one pool's part (J. P. Aubin and I. Ekeland,
"Estimates of the Duality Gap in Nonconvex Optimization", 1976), so few sets are left to be tried.

The functions are compiled as they stand where the extra ``fast`` is asked for; see
``orderengine.routing.pair.kernels``. Arguments shared by all:

- ``curves``: the pools' columns (starts, ends, liquidity, inputs, outputs) one after another, and
  the offsets at which each pool's begin; inputs and outputs have one entry more a pool;
- ``amount`` and ``is_output``: the side that the order fixes;
- ``limits``: how much room there is of each kind, what a leg takes of it (kind by kind), what the
  first leg on a venue takes besides, the venue of each pool, and the least that a leg can be said
  to take if every venue's part is spread over its pools;
- ``rows`` and ``nodes``: memory, filled with zeros.

All stands in one module: a compiled copy is kept on disk by its file's date.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Any

__all__ = ["FAR", "ROWS", "choose", "share"]

_Floats = Sequence[float]
_Ints = Sequence[int]
_Curves = tuple[_Floats, _Floats, _Floats, _Floats, _Floats, _Ints]
_Limits = tuple[_Floats, _Floats, _Floats, _Ints, _Floats]
_Numbers = MutableSequence[float]
_Rows = Any
"""Of each row: its base, profits, pools by profit a unit of room, and s. Of the row laid last: what
pools trade, and their liquidity. The depth at which each pool is decided. Room to sort in, and
where each sorted run ends."""
_Nodes = Any
"""The pools in the order in which they are decided. By depth: each row's sum over what is in, and
over what may come; room taken, with each venue's first part spread and as it is; what the pools in
can trade, then what those to come can; the bound; how many branches are done. Whether a pool is
likely in; how many are in by venue."""

ROWS = 16
"""How many prices are kept."""
_FIRST_ROWS = 8
"""How many of them are laid before the search."""
FAR = 1e300
"""Further than any number here."""
_NEVER = 1e100
"""At an s beyond it an endless curve would be paid for its last unit: no set does that."""
_SAME = 1e-14
"""Two s that differ by less, relative, are one."""
_NEAR = 1e-8
"""Rows that near say the same."""
_EQUAL = 1e-12
"""A set that is better by less, relative, is not looked for."""


def pieces_before(starts: _Floats, first: int, end: int, s: float) -> int:
    """Return where the pieces end, from ``first`` on, that begin before s."""
    while first < end:
        middle = (first + end) // 2
        if starts[middle] < s:
            first = middle + 1
        else:
            end = middle
    return first


def trade(curves: _Curves, i: int, s: float) -> tuple[float, float, float, float, float]:
    """Return what pool i trades at a better price than 1 / s^2.

    That is input, output, the liquidity at s (0 between pieces), and the nearest s below and above
    at which the liquidity changes.
    """
    starts, ends, liquidity, inputs, outputs, offsets = curves
    first, end = offsets[i], offsets[i + 1]
    behind = pieces_before(starts, first, end, s)
    k = behind - 1
    above = starts[behind] if behind < end else FAR
    if k < first:
        return 0.0, 0.0, 0.0, 0.0, above
    start, stop = starts[k], ends[k]
    if s > stop:
        return inputs[behind + i], outputs[behind + i], 0.0, stop, above
    taken = liquidity[k] * (s - start)
    return (
        inputs[k + i] + taken,
        outputs[k + i] + taken / (s * start),
        liquidity[k],
        start,
        min(stop, above),
    )


def step(missing: float, slope: float, s: float, is_output: bool) -> float:
    """Return s where what is missing has been traded too, were the liquidity to stay."""
    if slope <= 0.0:
        return -1.0
    if not is_output:
        return s + missing / slope
    inverse = 1.0 / s - missing / slope
    return 1.0 / inverse if inverse > 0.0 else FAR


def solve(curves: _Curves, chosen: _Ints, amount: float, is_output: bool, s: float) -> float:
    """Return s of the last unit if the pools with 1 in ``chosen`` fill the amount.

    Newton's method from a guess. What is traded is linear in s (an output in 1 / s) between two
    ends of pieces, so a step that stays between them is exact; two bounds that are such ends see to
    the rest. The pools together must take, or pay, the amount.
    """
    low, high = 0.0, FAR
    for _ in range(200):
        total = slope = below = 0.0
        above = FAR
        for i in range(len(chosen)):
            if chosen[i]:
                taken, paid, liquidity, start, stop = trade(curves, i, s)
                total += paid if is_output else taken
                slope += liquidity
                below = max(below, start)
                above = min(above, stop)
        missing = amount - total
        after = step(missing, slope, s, is_output)
        if missing > 0.0:
            if slope > 0.0 and after <= above:
                return after
            if slope <= 0.0 and above >= FAR:
                return s
            low = max(low, above)
        else:
            if slope > 0.0 and after >= below:
                return after
            high = min(high, below)
        if high - low <= _SAME * low:
            return low
        if not low < after < high:
            after = (low + high) / 2.0 if high < FAR else low * 2.0
        s = after
    return s


def share(
    curves: _Curves,
    chosen: _Ints,
    amount: float,
    is_output: bool,
    s: float,
    shares: _Numbers,
) -> None:
    """Write each chosen pool's part of the amount if all trade to s; bins at s fill in turn."""
    starts, _, liquidity, inputs, outputs, offsets = curves
    sums = outputs if is_output else inputs
    rest = amount
    for i in range(len(chosen)):
        shares[i] = 0.0
        if chosen[i]:
            taken, paid, _, _, _ = trade(curves, i, s)
            shares[i] = paid if is_output else taken
            rest -= shares[i]
    for i in range(len(chosen)):
        if chosen[i]:
            end = offsets[i + 1]
            k = pieces_before(starts, offsets[i], end, s)
            while rest > 0.0 and k < end and starts[k] == s and liquidity[k] == 0.0:
                part = min(rest, sums[k + i + 1] - sums[k + i])
                shares[i] += part
                rest -= part
                k += 1


def lay_row(  # noqa: PLR0913, PLR0917  (as above)
    curves: _Curves,
    amount: float,
    is_output: bool,
    costs: _Floats,
    limits: _Limits,
    rows: _Rows,
    r: int,
    s: float,
) -> None:
    """Write row r: every pool's profit at s, and for each limit the pools by profit a unit.

    Where all that has a profit fits the whole room no pool is ranked: the limit says nothing.
    """
    room, _, _, _, least = limits
    base, profits, ranks, traded, slopes, roots, _, ratios, ranked = rows
    count, kinds = len(costs), len(room)
    roots[r] = s
    square = s * s
    base[r] = -square * amount if is_output else amount / square
    for i in range(count):
        taken, paid, slopes[i], _, _ = trade(curves, i, s)
        profit = square * paid - taken if is_output else paid - taken / square
        traded[i] = paid if is_output else taken
        profits[r * count + i] = profit - costs[i]
    for kind in range(kinds):
        size = 0.0
        for i in range(count):
            if profits[r * count + i] > 0.0:
                size += least[kind * count + i]
        first = (r * kinds + kind) * count
        end = first
        if size > room[kind]:
            for i in range(count):
                ratio = profits[r * count + i] / least[kind * count + i]
                if ratio > 0.0:
                    j = end
                    while j > first and ratios[j - 1 - first] < ratio:
                        ratios[j - first] = ratios[j - 1 - first]
                        ranks[j] = ranks[j - 1]
                        j -= 1
                    ratios[j - first] = ratio
                    ranks[j] = i
                    end += 1
        ranked[r * kinds + kind] = end


def relax(  # noqa: PLR0913, PLR0917  (arrays one by one: a tuple of them is slow to pass)
    profits: _Floats,
    row: int,
    least: _Floats,
    kind: int,
    ranks: _Ints,
    first: int,
    end: int,
    places: _Ints,
    depth: int,
    left: float,
) -> tuple[float, float]:
    """Return the most that pools from a depth on can add to a row in what is left of one room.

    Also returns the profit a unit of room of the pool that did not fit whole, 0 if all do. ``row``
    and ``kind`` are where the row's profits and the kind's sizes begin, ``first`` and ``end`` where
    the ranks of both do.
    """
    value = 0.0
    for j in range(first, end):
        i = ranks[j]
        if places[i] >= depth:
            profit, size = profits[row + i], least[kind + i]
            if size > left:
                return value + profit * left / size, profit / size
            value += profit
            left -= size
    return value, 0.0


def bound_root(limits: _Limits, rows: _Rows, r: int) -> tuple[float, int, float]:
    """Return row r's bound over all sets, the limit that makes it (-1: none), and its price."""
    room, _, _, _, _ = limits
    base, profits, ranks, _, _, _, places, _, ranked = rows
    least = limits[4]
    count, kinds = len(places), len(room)
    value, binding, price = 0.0, -1, 0.0
    for i in range(count):
        value += max(profits[r * count + i], 0.0)
    for kind in range(kinds):
        first, end = (r * kinds + kind) * count, ranked[r * kinds + kind]
        if first == end:
            continue
        size = kind * count
        within, last = relax(
            profits, r * count, least, size, ranks, first, end, places, 0, room[kind]
        )
        if within < value:
            value, binding, price = within, kind, last
    return base[r] + value, binding, price


def lay_rows(  # noqa: PLR0913, PLR0917  (as above)
    curves: _Curves,
    amount: float,
    is_output: bool,
    costs: _Floats,
    limits: _Limits,
    rows: _Rows,
    s: float,
) -> tuple[int, int]:
    """Lay rows about the price of the least bound over all sets; return how many, and the best.

    The bound is convex in the price. Its slope is what the relaxed choice trades, less the amount.
    """
    least = limits[4]
    _, profits, _, traded, slopes, _, _, _, _ = rows
    count = len(costs)
    low, high, smallest, best = 0.0, FAR, FAR, 0
    for r in range(_FIRST_ROWS):
        lay_row(curves, amount, is_output, costs, limits, rows, r, s)
        bound, kind, price = bound_root(limits, rows, r)
        if r == 0 or bound < smallest:
            smallest, best = bound, r
        missing, slope, most, widest = amount, 0.0, 0.0, 0
        for i in range(count):
            profit = profits[r * count + i]
            if profit > most or i == 0:
                most, widest = profit, i
            if kind >= 0:
                profit -= price * least[kind * count + i]
            if profit > 0.0:
                missing -= traded[i]
                slope += slopes[i]
        if missing > 0.0:
            low = s
        else:
            high = s
        after = step(missing, slope, s, is_output)
        if missing > 0.0 and slope <= 0.0:
            after = step(amount - traded[widest], slopes[widest], s, is_output)
        if high >= FAR:
            after = min(after, s * 2.0) if after > low else s * 1.01
        if not low < after < high:
            after = (low + high) / 2.0
        if abs(after - s) <= _NEAR * s:
            return r + 1, best
        s = after
    return _FIRST_ROWS, best


def add_row(
    rows: _Rows,
    nodes: _Nodes,
    held: _Ints,
    r: int,
    depth: int,
) -> float:
    """Sum up row r along the path to a node; return what the row says of the pools held."""
    base, profits, _, _, _, _, _, _, _ = rows
    order, inside, beyond, _, _, _, _, _, _, _ = nodes
    count = len(order)
    value: float = base[r]
    for d in range(depth):
        inside[d * ROWS + r] = value
        if held[order[d]]:
            value += profits[r * count + order[d]]
    inside[depth * ROWS + r] = value
    beyond[r * (count + 1) + count] = 0.0
    for d in range(count - 1, -1, -1):
        more = max(profits[r * count + order[d]], 0.0)
        beyond[r * (count + 1) + d] = beyond[r * (count + 1) + d + 1] + more
    return value


def bound_node(  # noqa: PLR0913, PLR0917  (as above)
    limits: _Limits, rows: _Rows, nodes: _Nodes, laid: int, depth: int, start: int, enough: float
) -> tuple[float, int]:
    """Return the least bound of a node, or the first that is small enough, and its row."""
    room, _, _, _, least = limits
    _, profits, ranks, _, _, _, places, _, ranked = rows
    _, inside, beyond, used, _, _, _, _, _, _ = nodes
    count, kinds = len(places), len(room)
    bound, at = FAR, start
    for turn in range(laid):
        r = start + turn
        if r >= laid:
            r -= laid
        held = inside[depth * ROWS + r]
        value = held + beyond[r * (count + 1) + depth]
        if value < bound:
            bound, at = value, r
        if bound > enough:
            for kind in range(kinds):
                first, end = (r * kinds + kind) * count, ranked[r * kinds + kind]
                if first == end:
                    continue
                size, left = kind * count, room[kind] - used[depth * kinds + kind]
                value, _ = relax(
                    profits, r * count, least, size, ranks, first, end, places, depth, left
                )
                if held + value < bound:
                    bound, at = held + value, r
        if bound <= enough:
            break
    return bound, at


def arrange(limits: _Limits, rows: _Rows, nodes: _Nodes, r: int) -> None:
    """Order pools by how sure row r is of them, and note which it takes."""
    least = limits[4]
    _, profits, _, _, _, _, places, _, _ = rows
    order, _, _, _, _, _, _, went, likely, _ = nodes
    count = len(places)
    _, kind, price = bound_root(limits, rows, r)
    keys = went
    for i in range(count):
        key = profits[r * count + i]
        if kind >= 0:
            key -= price * least[kind * count + i]
        likely[i] = 1 if key > 0.0 else 0
        key = abs(key)
        j = i
        while j > 0 and keys[j - 1] < key:
            keys[j] = keys[j - 1]
            order[j] = order[j - 1]
            j -= 1
        keys[j] = key
        order[j] = i
    for d in range(count):
        places[order[d]] = d


def take(limits: _Limits, nodes: _Nodes, depth: int, i: int) -> bool:
    """Put pool i in at a depth; return whether it fits."""
    room, own, venue, venues, least = limits
    _, _, _, used, exact, _, _, _, _, opened = nodes
    count, kinds = len(venues), len(room)
    for kind in range(kinds):
        size = own[kind * count + i]
        if opened[venues[i]] == 0:
            size += venue[kind * count + i]
        at = depth * kinds + kind
        if exact[at] + size > room[kind]:
            return False
        exact[at + kinds] = exact[at] + size
        used[at + kinds] = used[at] + least[kind * count + i]
    opened[venues[i]] += 1
    return True


def choose(  # noqa: PLR0912, PLR0913, PLR0915, PLR0917  (one loop over nodes)
    curves: _Curves,
    amount: float,
    is_output: bool,
    costs: _Floats,
    limits: _Limits,
    rows: _Rows,
    nodes: _Nodes,
    s: float,
    nodes_max: int,
    held: MutableSequence[int],
    chosen: MutableSequence[int],
) -> tuple[float, float, float, int]:
    """Write 1 in ``chosen`` for each pool of the best set within the limits.

    Depth first over the pools, those first that the best row is surest of, and each first as that
    row has it. A set is tried only if no row's bound excludes it, and then lays a row itself.

    Returns:
        What the set nets, a bound of what any set nets, s of its last unit, and how many nodes were
        looked at. The bound is above the net by more than rounding only if ``nodes_max`` ran out.
        No set was found if the net is -1e300.
    """
    base, profits, _, _, _, roots, _, _, _ = rows
    order, inside, _, used, exact, caps, bounds, went, likely, opened = nodes
    venues = limits[3]
    count, kinds = len(costs), len(limits[0])
    sums, offsets = curves[4] if is_output else curves[3], curves[5]
    laid, sure = lay_rows(curves, amount, is_output, costs, limits, rows, s)
    arrange(limits, rows, nodes, sure)
    for r in range(laid):
        add_row(rows, nodes, held, r, 0)
    equal = _EQUAL * abs(base[sure])
    for d in range(count - 1, -1, -1):
        i = order[d]
        caps[count + 1 + d] = caps[count + 2 + d] + sums[offsets[i + 1] + i]
    best, best_s, looked, at, depth = -FAR, roots[sure], 0, sure, 0
    spare = laid
    is_down = True
    while depth >= 0:
        if is_down:
            looked += 1
            is_down = False
            went[depth] = 2.0
            if caps[depth] + caps[count + 1 + depth] < amount:
                depth -= 1
                continue
            if best == -FAR and depth > 0:
                bounds[depth] = bounds[depth - 1]  # nothing to compare with: go on down
            else:
                bounds[depth], at = bound_node(limits, rows, nodes, laid, depth, at, best + equal)
            if bounds[depth] <= best + equal:
                depth -= 1
                continue
            if looked > nodes_max:
                went[depth] = 0.0
                break
            if depth == count:
                s = solve(curves, held, amount, is_output, roots[sure])
                if s > _NEVER:
                    depth -= 1
                    continue
                if laid < ROWS:
                    r = laid
                    laid += 1
                else:
                    r = spare
                    spare = spare + 1 if spare + 1 < ROWS else _FIRST_ROWS
                lay_row(curves, amount, is_output, costs, limits, rows, r, s)
                value = add_row(rows, nodes, held, r, depth)
                if value > best:
                    best, best_s = value, s
                    for i in range(count):
                        chosen[i] = held[i]
                depth -= 1
                continue
            went[depth] = 0.0
        i = order[depth]
        if held[i]:
            held[i] = 0
            opened[venues[i]] -= 1
        if went[depth] > 1.0:
            depth -= 1
            continue
        is_in = (likely[i] == 1) == (went[depth] < 1.0)
        went[depth] += 1.0
        if is_in and not take(limits, nodes, depth, i):
            continue
        held[i] = 1 if is_in else 0
        if not is_in:
            for kind in range(kinds):
                used[(depth + 1) * kinds + kind] = used[depth * kinds + kind]
                exact[(depth + 1) * kinds + kind] = exact[depth * kinds + kind]
        caps[depth + 1] = caps[depth]
        if is_in:
            caps[depth + 1] += sums[offsets[i + 1] + i]
        for r in range(laid):
            more = profits[r * count + i] if is_in else 0.0
            inside[(depth + 1) * ROWS + r] = inside[depth * ROWS + r] + more
        depth += 1
        is_down = True
    bound = best + equal
    for d in range(depth + 1):
        if went[d] < 2.0:
            bound = max(bound, bounds[d])
    return best, bound, best_s, looked
