"""Check queueing theory's formulas against published values, and against slow computations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.analysis.in_flight import in_flight
from orderengine.analysis.queueing import Mmc, erlang_b, erlang_c, loss_share, workers_needed
from orderengine.errors import InvalidAmount
from tests.study.busy import BUSY, busy


def test_erlang_b_has_the_printed_load() -> None:
    """15 lines lose 1 % at 8.108 erlangs, to the last digit printed.

    Source: the worked example "How much traffic can a trunk group handle?" of erlang.com.
    """
    assert erlang_b(15, 8.1075) < 0.01 < erlang_b(15, 8.1085)


@pytest.mark.parametrize(
    ("doctors", "waiting_share", "mean_waiting", "mean_open", "mean_wait_h", "over_half_hour"),
    [(1, 0.667, 4 / 3, 2, 2 / 3, 0.404), (2, 0.167, 1 / 12, 3 / 4, 1 / 24, 0.022)],
)
def test_county_hospital(  # the printed columns
    doctors: int,
    waiting_share: float,
    mean_waiting: float,
    mean_open: float,
    mean_wait_h: float,
    over_half_hour: float,
) -> None:
    """Two patients an hour, 20 minutes each, one doctor or two.

    Source: Hillier and Lieberman, "Introduction to Operations Research", chapter "Queueing Theory",
    the County Hospital example.
    """
    ward = Mmc(2 / 3600, 1200, doctors)
    assert ward.waiting_share == pytest.approx(waiting_share, abs=5e-4)
    assert ward.mean_waiting == pytest.approx(mean_waiting)
    assert ward.mean_open == pytest.approx(mean_open)
    assert ward.mean_wait_s / 3600 == pytest.approx(mean_wait_h)
    assert ward.waits_longer(1800) == pytest.approx(over_half_hour, abs=1e-3)


def chances(workers: int, load: float, room: int) -> list[float]:
    """Return the long-run chance of each number of orders, from the balance of flows alone."""
    weights = [1.0]
    for n in range(1, workers + room + 1):
        weights.append(weights[-1] * load / min(n, workers))
    total = math.fsum(weights)
    return [weight / total for weight in weights]


@given(st.integers(1, 30), st.floats(0.01, 40), st.integers(0, 40))
def test_losses_are_the_chance_of_no_room(workers: int, load: float, room: int) -> None:
    """The closed form is the last state's chance; without room it is Erlang B."""
    found = loss_share(workers, load, room)
    assert found == pytest.approx(chances(workers, load, room)[-1], rel=1e-9)
    assert loss_share(workers, load, 0) == pytest.approx(erlang_b(workers, load), rel=1e-12)


@given(st.integers(1, 20), st.floats(0.01, 0.9))
def test_waits_are_those_of_a_long_queue(workers: int, utilisation: float) -> None:
    """With room for so many that losses vanish, states give the same share and mean number."""
    load = workers * utilisation
    states = chances(workers, load, 600)
    queue = Mmc(load, 1.0, workers)
    assert erlang_c(workers, load) == pytest.approx(math.fsum(states[workers:]), rel=1e-9)
    waiting = math.fsum((n - workers) * states[n] for n in range(workers, len(states)))
    assert queue.mean_waiting == pytest.approx(waiting, rel=1e-9)
    assert queue.mean_open == pytest.approx(waiting + load, rel=1e-9)


@given(st.integers(1, 50), st.floats(0.01, 0.99), st.floats(0, 0.999))
def test_a_quantile_is_where_the_tail_says(workers: int, utilisation: float, q: float) -> None:
    """A share 1 - q waits longer than the quantile, or the quantile is 0 and fewer wait at all."""
    queue = Mmc(workers * utilisation / 3, 3.0, workers)
    wait_s = queue.wait_quantile_s(q)
    if wait_s > 0:
        assert queue.waits_longer(wait_s) == pytest.approx(1 - q, rel=1e-6)
    else:
        assert queue.waiting_share <= 1 - q + 1e-12


def test_many_workers_do_not_overflow() -> None:
    """A factorial of 100,000 has 450,000 digits."""
    assert 0 < erlang_c(100_000, 99_900.0) < 1
    assert erlang_c(3, 3.0) == 1.0


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: erlang_b(-1, 1.0), "workers"),
        (lambda: erlang_c(0, 1.0), "workers"),
        (lambda: erlang_b(1, math.nan), "load"),
        (lambda: loss_share(1, 1.0, -1), "room"),
        (lambda: Mmc(0.0, 1.0, 1), "arrivals_per_s"),
        (lambda: Mmc(1.0, math.inf, 1), "service_s"),
        (lambda: Mmc(2.0, 1.0, 2), "arrivals_per_s"),
        (lambda: Mmc(0.5, 1.0, 1).wait_quantile_s(1.0), "q"),
    ],
)
def test_what_has_no_answer_is_refused(make: object, field: str) -> None:
    """The error names what was wrong, an overload among it."""
    assert callable(make)
    with pytest.raises(InvalidAmount) as caught:
        make()
    assert caught.value.field == field


def test_littles_law_holds_in_every_log() -> None:
    """The area under the open orders is the sum of their times, to the nanosecond.

    So mean number = rate x mean time, whatever the arrivals and the engine: it is an identity of
    any log that begins and ends with no open order, and checks how both sides are counted.
    """
    steps = in_flight(busy().logs)
    at_ns = steps["at"].dt.epoch("ns").to_list()
    open_ = steps["open"].to_list()
    area = sum(n * (b - a) for n, a, b in zip(open_, at_ns, at_ns[1:], strict=False))
    assert area == sum(log[-1].at_ns - log[0].at_ns for log in busy().logs)
    span_s = (at_ns[-1] - at_ns[0]) / 1e9
    mean_total_s = busy().orders["total_ns"].mean()
    assert isinstance(mean_total_s, float)
    assert area / 1e9 / span_s == pytest.approx(BUSY.orders / span_s * mean_total_s / 1e9)


@given(st.floats(0.1, 50), st.floats(0.05, 5), st.floats(0, 10), st.floats(0, 0.999))
def test_workers_needed_are_the_least_that_do(
    rate: float, service_s: float, wait_s: float, q: float
) -> None:
    """With one fewer the share that waits longer is too large, or the queue grows for ever."""
    found = workers_needed(rate, service_s, wait_s, q)
    assert Mmc(rate, service_s, found).wait_quantile_s(q) <= wait_s
    if found - 1 > rate * service_s:
        assert Mmc(rate, service_s, found - 1).waits_longer(wait_s) > (1 - q) * (1 - 1e-9)
    else:
        assert found - 1 <= rate * service_s < found


@pytest.mark.parametrize(
    ("rate", "wait_s", "q"), [(0.0, 1.0, 0.5), (1.0, -1.0, 0.5), (1.0, 1.0, 1.0)]
)
def test_workers_needed_refuses_what_has_no_answer(rate: float, wait_s: float, q: float) -> None:
    """No arrivals, a wait below 0, and all orders without exception."""
    with pytest.raises(InvalidAmount):
        workers_needed(rate, 1.0, wait_s, q)
