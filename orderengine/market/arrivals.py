"""Say when orders arrive: each model gives the instants of one order after another.

All but ``closed`` are open loop: nobody waits for an answer before the next order, so an engine
that falls behind is asked as much as one that does not. Latency then counts from the instant that
the model says, whatever the engine was doing then.

========== ==================================================================== ===================
model      what it takes for granted                                            where it misleads
========== ==================================================================== ===================
poisson    orders know nothing of one another                                   no crowds, no hours
even       one every 1/rate seconds                                             nobody trades so
burst      all at time 0                                                        a stress test only
hawkes     each order makes more of them likely, and that fades exponentially   nothing starts it
bursts     some come alone, some in groups of one size at random instants       groups are equal
diurnal    independent, at a rate that follows a sine                           one wave, no weekend
trace      recorded instants                                                    one past, once
closed     a fixed crowd; each sends when its last order has ended, after a     an engine that is
           pause for thought                                                    slow is asked less
========== ==================================================================== ===================

Sources: Dassios and Zhao, "Exact simulation of Hawkes process with exponentially decaying
intensity", Electronic Communications in Probability 18 (2013); thinning: Lewis and Shedler,
"Simulation of nonhomogeneous Poisson processes by thinning", Naval Research Logistics 26 (1979);
open and closed loops: Schroeder, Wierman and Harchol-Balter, "Open versus closed", NSDI 2006.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Literal

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import Duration, FieldError, check, duration_ns
from orderengine.market.latency import LatencyConfig

__all__ = ["ArrivalConfig", "NextArrival", "next_arrival"]

NextArrival = Callable[[int, int], int]
"""Return the instant of the n-th order (from 0), given that of the one before (0 for the first).

Instants are ns from the start, and never fall. It is asked for one order after another."""


class ArrivalConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe when orders arrive. A model reads its own fields and leaves the others."""

    model: Literal["poisson", "even", "burst", "hawkes", "bursts", "diurnal", "trace", "closed"] = (
        "poisson"
    )
    """``poisson``: independent; ``even``: one every 1/rate seconds; ``burst``: all at time 0;
    ``hawkes``: each makes more likely; ``bursts``: groups among single ones; ``diurnal``: the rate
    is a sine; ``trace``: recorded; ``closed``: users that wait for their orders."""
    rate_per_s: float = 5_000.0
    """Orders a second in the long mean, of all models but ``burst``, ``trace`` and ``closed``."""
    branching: float = 0.5
    """Of ``hawkes``: orders that one order brings by itself, in the mean. Assumption."""
    decay: Duration = "1s"
    """Of ``hawkes``: the time in which the push of an order falls by a factor e. Assumption."""
    burst_share: float = 0.5
    """Of ``bursts``: share of the orders that come in groups. Assumption."""
    burst_size: int = 50
    """Of ``bursts``: orders of a group. Assumption."""
    burst_length: Duration = "0ms"
    """Of ``bursts``: from a group's first order to its last, evenly spaced."""
    amplitude: float = 0.5
    """Of ``diurnal``: how far the rate goes above and below its mean, as a share. Assumption."""
    period: Duration = "24h"
    """Of ``diurnal``: from peak to peak."""
    peak: Duration = "0s"
    """Of ``diurnal``: from the start to the first peak."""
    file: str = ""
    """Of ``trace``: a CSV or Parquet file, plain or gzip."""
    column: str = ""
    """Of ``trace``: the column of instants. The first one is the study's start."""
    users: int = 16
    """Of ``closed``: who send orders, one at a time each."""
    think: LatencyConfig = LatencyConfig(model="exponential", mean="1s")
    """Of ``closed``: from an order's end to the same user's next one, and before the first."""

    def __post_init__(self) -> None:
        check("rate_per_s", self.rate_per_s, 0 < self.rate_per_s <= 1e9, "above 0, at most 1e9")
        check("branching", self.branching, 0 <= self.branching <= 0.99, "from 0 to 0.99")
        check("burst_share", self.burst_share, 0 <= self.burst_share <= 1, "from 0 to 1")
        size = self.burst_size
        check("burst_size", size, 1 <= size <= 1_000_000, "from 1 to 1000000")
        check("amplitude", self.amplitude, 0 <= self.amplitude <= 1, "from 0 to 1")
        for name in ("decay", "period"):
            check(name, getattr(self, name), duration_ns(name, getattr(self, name)) > 0, "above 0")
        for name in ("burst_length", "peak"):
            duration_ns(name, getattr(self, name))
        if self.model == "trace":
            check("file", self.file, bool(self.file), "a file of arrivals")
            check("column", self.column, bool(self.column), "the name of a column of instants")
        check("users", self.users, 1 <= self.users <= 1_000_000, "from 1 to 1000000")


def next_arrival(config: ArrivalConfig, seed: int, recorded_ns: Sequence[int] = ()) -> NextArrival:
    """Return the function that tells one instant after another, rounded to the nearest ns.

    Args:
        config: the description.
        seed: what the draws derive from.
        recorded_ns: of ``trace``: instants from the start, never falling.

    Raises:
        FieldError: ``closed``, whose orders wait for one another.
    """
    draws, gap_ns = Draws(seed, "arrivals"), 1e9 / config.rate_per_s
    match config.model:
        case "burst":
            return lambda number, before_ns: 0
        case "even":
            return lambda number, before_ns: round(number * gap_ns)
        case "poisson":
            return lambda number, before_ns: before_ns + round(draws.exponential(gap_ns, number))
        case "hawkes":
            return _hawkes(config, draws)
        case "bursts":
            return _bursts(config, draws, Draws(seed, "arrivals/bursts"))
        case "diurnal":
            return _diurnal(config, draws)
        case "trace":
            return lambda number, before_ns: recorded_ns[number]
    raise FieldError("model", config.model, "an open loop here: when orders end is not known")


def _hawkes(config: ArrivalConfig, draws: Draws) -> NextArrival:
    """Follow the intensity: base, and a part that each order raises and that then decays.

    base = rate · (1 - branching); an order raises the other part by branching / decay. That part
    begins at its long mean, so the expected rate is the stated one from the start. The gap is the
    shorter of two: to an order of the base, and to one of the decaying part, which may have none.
    """
    decay_s = duration_ns("decay", config.decay) / 1e9
    base = config.rate_per_s * (1 - config.branching)
    jump = config.branching / decay_s
    excited, exact_ns = config.rate_per_s * config.branching, 0.0

    def arrives(number: int, before_ns: int) -> int:
        nonlocal excited, exact_ns
        gap_s = draws.exponential(1 / base, number, 0)
        if excited > 0:
            left = 1 + math.log(draws.uniform(number, 1)) / (excited * decay_s)
            if left > 0:
                gap_s = min(gap_s, -decay_s * math.log(left))
        excited = excited * math.exp(-gap_s / decay_s) + jump
        exact_ns += gap_s * 1e9
        return max(round(exact_ns), before_ns)

    return arrives


def _bursts(config: ArrivalConfig, alone: Draws, groups: Draws) -> NextArrival:
    """Merge two Poisson processes: single orders, and groups; draws go by their own numbers."""
    share, size = config.burst_share, config.burst_size
    alone_ns = 1e9 / (config.rate_per_s * (1 - share)) if share < 1 else math.inf
    group_ns = 1e9 * size / (config.rate_per_s * share) if share > 0 else math.inf
    step_ns = duration_ns("burst_length", config.burst_length) / max(size - 1, 1)
    singles = grouped = 0
    next_alone = alone.exponential(alone_ns, 0) if share < 1 else math.inf
    next_group = groups.exponential(group_ns, 0) if share > 0 else math.inf
    members: list[tuple[float, int]] = []
    """Of each group that has begun: when its next order comes, and how many are left."""

    def arrives(number: int, before_ns: int) -> int:
        nonlocal singles, grouped, next_alone, next_group
        del number
        if next_group <= min(next_alone, members[0][0] if members else math.inf):
            heappush(members, (next_group, size))
            grouped += 1
            next_group += groups.exponential(group_ns, grouped)
        if members and members[0][0] <= next_alone:
            at, left = heappop(members)
            if left > 1:
                heappush(members, (at + step_ns, left - 1))
        else:
            at = next_alone
            singles += 1
            next_alone += alone.exponential(alone_ns, singles)
        return max(round(at), before_ns)

    return arrives


def _diurnal(config: ArrivalConfig, draws: Draws) -> NextArrival:
    """Thin a Poisson process of the peak's rate: keep each with chance rate(t) / peak rate."""
    period_ns, peak_ns = duration_ns("period", config.period), duration_ns("peak", config.peak)
    swing, exact_ns, tried = config.amplitude, 0.0, 0
    gap_ns = 1e9 / (config.rate_per_s * (1 + swing))

    def arrives(number: int, before_ns: int) -> int:
        nonlocal exact_ns, tried
        del number
        while True:
            exact_ns += draws.exponential(gap_ns, tried, 0)
            wave = math.cos(2 * math.pi * (exact_ns - peak_ns) / period_ns)
            is_kept = draws.happens((1 + swing * wave) / (1 + swing), tried, 1)
            tried += 1
            if is_kept:
                return max(round(exact_ns), before_ns)

    return arrives
