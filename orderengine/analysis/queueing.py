"""Say what queueing theory expects of workers that take orders one after another.

M/M/c: orders arrive as a Poisson process, a worker holds each for an exponential time, c workers
take them first come, first served, in the long run. It is the one engine whose waits are known
exactly, so a simulator can be checked against it. Where it misleads: real arrivals come in crowds
and real times are not exponential; then waits are longer, or shorter, than these.

Rates are a second, durations seconds, ``load`` is the arrival rate times the mean service time (in
erlangs: the workers that are busy in the mean). Sources: Erlang, "Solution of some problems in the
theory of probabilities of significance in automatic telephone exchanges" (1917); Kleinrock,
"Queueing Systems", volume 1 (1975), sections 3.4 to 3.6; Little, "A proof for the queuing formula
L = λW", Operations Research 9 (1961).
"""

from __future__ import annotations

import math

from msgspec import Struct

from orderengine.errors import InvalidAmount

__all__ = ["Mmc", "erlang_b", "erlang_c", "loss_share", "workers_needed"]


def erlang_b(workers: int, load: float) -> float:
    """Return the share of orders that find all workers busy where nobody waits.

    It is computed by the recursion B(n) = load · B(n - 1) / (n + load · B(n - 1)), which neither
    overflows nor cancels.

    Raises:
        InvalidAmount: fewer than 0 workers, or a load below 0.
    """
    _require(workers, load, least=0)
    blocked = 1.0
    for busy in range(1, workers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked


def erlang_c(workers: int, load: float) -> float:
    """Return the share of orders that must wait where all wait; 1 if the load is too much.

    Raises:
        InvalidAmount: fewer than 1 worker, or a load below 0.
    """
    _require(workers, load, least=1)
    if load >= workers:
        return 1.0
    blocked = erlang_b(workers, load)
    return blocked / (1 - load / workers * (1 - blocked))


def loss_share(workers: int, load: float, room: int) -> float:
    """Return the share of orders that are refused where at most ``room`` of them may wait.

    M/M/c/K with K = workers + room: n orders are there with a chance in proportion to
    load^n / n! up to c, and falling by load / c for each one that waits.

    Raises:
        InvalidAmount: fewer than 1 worker, or a load or a room below 0.
    """
    _require(workers, load, least=1)
    if room < 0:
        raise InvalidAmount("room", room, "at least 0")
    blocked, busy = erlang_b(workers, load), load / workers
    # Over the chance of "all busy, nobody waits": 1 / blocked for the states up to it, then a
    # power of ``busy`` for each that waits.
    waiting = math.fsum(busy**n for n in range(1, room + 1))
    return busy**room * blocked / (1 + blocked * waiting)


class Mmc(Struct, frozen=True):
    """Hold an M/M/c queue that is not overloaded.

    Raises:
        InvalidAmount: a rate is not above 0, there is no worker, or work comes in as fast as it can
            be done, so that waits grow for ever.
    """

    arrivals_per_s: float
    service_s: float
    """Mean time that a worker holds an order."""
    workers: int

    def __post_init__(self) -> None:
        for name in ("arrivals_per_s", "service_s"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise InvalidAmount(name, value, "above 0 and finite")
        _require(self.workers, self.load, least=1)
        if self.load >= self.workers:
            raise InvalidAmount("arrivals_per_s", self.arrivals_per_s, "less than the workers do")

    @property
    def load(self) -> float:
        """Workers that are busy in the mean, erlangs."""
        return self.arrivals_per_s * self.service_s

    @property
    def utilisation(self) -> float:
        """Share of its time that a worker is busy."""
        return self.load / self.workers

    @property
    def waiting_share(self) -> float:
        """Share of orders that must wait."""
        return erlang_c(self.workers, self.load)

    @property
    def mean_wait_s(self) -> float:
        """Mean time from acceptance to a worker, of all orders, those at 0 included."""
        return self.waiting_share * self.service_s / (self.workers - self.load)

    @property
    def mean_total_s(self) -> float:
        """Mean time from acceptance to the end."""
        return self.mean_wait_s + self.service_s

    @property
    def mean_waiting(self) -> float:
        """Mean number of orders that wait (Little's law)."""
        return self.arrivals_per_s * self.mean_wait_s

    @property
    def mean_open(self) -> float:
        """Mean number of orders that are open (Little's law)."""
        return self.arrivals_per_s * self.mean_total_s

    def waits_longer(self, wait_s: float) -> float:
        """Return the share of orders that wait longer; waits are exponential above 0."""
        drains_per_s = (self.workers - self.load) / self.service_s
        return self.waiting_share * math.exp(-drains_per_s * wait_s) if wait_s >= 0 else 1.0

    def wait_quantile_s(self, q: float) -> float:
        """Return the wait that a share ``q`` (from 0, below 1) of orders does not pass.

        Raises:
            InvalidAmount: no such share.
        """
        if not 0 <= q < 1:
            raise InvalidAmount("q", q, "from 0, below 1")
        if 1 - q >= self.waiting_share:
            return 0.0
        return self.service_s / (self.workers - self.load) * math.log(self.waiting_share / (1 - q))


def workers_needed(arrivals_per_s: float, service_s: float, wait_s: float, q: float) -> int:
    """Return the least number of workers with which a share ``q`` of orders waits at most so long.

    Args:
        arrivals_per_s: mean arrival rate.
        service_s: mean time that a worker holds an order.
        wait_s: the wait that is allowed, from 0.
        q: of orders, from 0, below 1.

    Raises:
        InvalidAmount: a rate or time is not above 0, the wait below 0, or no such share.
    """
    if not 0 <= wait_s < math.inf:
        raise InvalidAmount("wait_s", wait_s, "at least 0 and finite")
    _require(1, arrivals_per_s * service_s, least=1)
    workers = math.floor(arrivals_per_s * service_s) + 1
    while Mmc(arrivals_per_s, service_s, workers).wait_quantile_s(q) > wait_s:
        workers += 1
    return workers


def _require(workers: int, load: float, least: int) -> None:
    if workers < least:
        raise InvalidAmount("workers", workers, f"at least {least}")
    if not 0 <= load < math.inf:
        raise InvalidAmount("load", load, "at least 0 and finite")
