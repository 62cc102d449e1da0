"""Make the orders of a study, one at a time, each from its own draws."""

from __future__ import annotations

from orderengine.market.arrivals import ArrivalConfig, NextArrival, next_arrival
from orderengine.market.draws import Draws, order_id_of
from orderengine.market.fields import FieldError, amount_of, check, duration_ns
from orderengine.model.amounts import U64_MAX
from orderengine.model.order import Mode, Order, Priority
from orderengine.study.files import read_arrivals
from orderengine.study.scenario import Scenario

__all__ = ["OrderSource", "arrival_times"]


def arrival_times(config: ArrivalConfig, seed: int, orders: int | None = None) -> NextArrival:
    """Return a function of (order number, time of the order before) that gives the next time.

    Times are nanoseconds from the start, and never fall. It is asked for one after another.

    Args:
        config: the description; the file that it names is read.
        seed: of the study.
        orders: how many will be asked for, to be refused at once where a file has fewer.

    Raises:
        FieldError: the model is no open loop, or the file has too few arrivals.
        InvalidData: the file is not what it should be.
    """
    recorded_ns: tuple[int, ...] = ()
    if config.model == "trace":
        recorded_ns = read_arrivals(config.file, config.column)
        has_enough = orders is None or orders <= len(recorded_ns)
        expected = f"at most {len(recorded_ns)}, as many as {config.file} has"
        check("orders", orders, has_enough, expected)
    try:
        return next_arrival(config, seed, recorded_ns)
    except FieldError as error:
        raise FieldError(f"arrivals.{error.field}", error.found, error.expected) from None


class OrderSource:
    """Make the n-th order of a scenario at a given price and instant."""

    def __init__(self, scenario: Scenario) -> None:
        config, seed = scenario.order, scenario.seed
        self._seed = seed
        self._config = config
        self._base = scenario.market.base
        self._quote = scenario.market.quote
        self._median = amount_of("order.size_median", config.size_median, self._base)
        self._deadline_ns = duration_ns("deadline", config.deadline)
        self._users = [f"user-{number}" for number in range(config.users)]
        self._draw_size = Draws(seed, "order/size")
        self._draw_side = Draws(seed, "order/side")
        self._draw_mode = Draws(seed, "order/mode")
        self._draw_lane = Draws(seed, "order/priority")

    def id_of(self, number: int) -> str:
        """Return the id that the order will have."""
        return order_id_of(self._seed, number)

    def make(self, number: int, price_x64: int, now_ns: int) -> Order:
        """Return the order; sizes are rounded to the nearest base unit, at least 1.

        Args:
            number: counts from 0.
            price_x64: quote base units for one base unit of the base token.
            now_ns: the instant at which it is placed.
        """
        config = self._config
        size = round(self._draw_size.lognormal(self._median, config.size_sigma, number))
        buys = self._draw_side.happens(config.buy_share, number)
        exact_out = self._draw_mode.happens(config.exact_out_share, number)
        in_base = buys == exact_out  # the fixed amount is of the base token
        amount = size if in_base else size * price_x64 >> 64
        return Order(
            order_id=order_id_of(self._seed, number),
            sell=self._quote if buys else self._base,
            buy=self._base if buys else self._quote,
            amount=min(max(amount, 1), U64_MAX),
            mode=Mode.EXACT_OUT if exact_out else Mode.EXACT_IN,
            slippage_bps=config.slippage_bps,
            priority=self._priority(number),
            deadline_ns=now_ns + self._deadline_ns if self._deadline_ns else None,
            user=self._users[number % config.users],
        )

    def _priority(self, number: int) -> Priority:
        urgent, bulk = self._config.urgent_share, self._config.bulk_share
        if urgent == bulk == 0:
            return Priority.NORMAL
        drawn = self._draw_lane.uniform(number)
        if drawn < urgent:
            return Priority.URGENT
        return Priority.BULK if drawn < urgent + bulk else Priority.NORMAL
