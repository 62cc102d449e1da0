"""Own every choice about trying: how often, how long to wait, how much slippage to allow.

Retries have one owner, and it is here. A policy is a plain function, so a study may pass its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from msgspec import Struct

from orderengine.errors import InvalidAmount
from orderengine.execution.priority_fee import UnitPriceOf
from orderengine.model.amounts import U64_MAX
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Mode, Order, Quote, Route
from orderengine.routing.request import Strategy, Terms

__all__ = [
    "ExecutionPolicy",
    "RetryPolicy",
    "Router",
    "SlippagePolicy",
    "TermsPolicy",
    "backoff",
    "one_transaction",
    "slippage",
]

Router = Callable[[Order, Sequence[Quote]], "Quote | Route | None"]
"""Choose among the usable quotes (one or more); None takes none of them."""

TermsPolicy = Callable[[Order, int], Terms]
"""Return what a strategy may spend on a route for an order's attempt, and what that costs."""

RetryPolicy = Callable[[OrderState, str], "int | None"]
"""Return nanoseconds to wait before the next attempt, or None to give up.

The arguments are the state before the failure is written (``state.attempts`` earlier attempts) and
the failure's code.
"""

SlippagePolicy = Callable[[Order, Route], "tuple[int, int]"]
"""Return ``(amount_in_max, amount_out_min)``: the worst amounts that may still execute."""

_YEAR_NS = 31_536_000_000_000_000

_HOPELESS = frozenset({"INVALID_REQUEST", "INVALID_AMOUNT", "UNKNOWN_TOKEN", "INSUFFICIENT_FUNDS"})


def slippage(order: Order, route: Route) -> tuple[int, int]:
    """Allow ``order.slippage_bps`` between quote and execution.

    The bound on the free side is rounded in the trader's favour: the least output up, the greatest
    input down. At least one unit must come out, whatever is allowed.
    """
    if order.mode is Mode.EXACT_IN:
        kept = route.amount_out * (10_000 - order.slippage_bps)
        return route.amount_in, max(-(-kept // 10_000), 1)
    most = route.amount_in * (10_000 + order.slippage_bps) // 10_000
    return min(most, U64_MAX), route.amount_out


def one_transaction(order: Order, attempt: int) -> Terms:
    """Ask for the best route that fits one transaction, whatever it costs."""
    del order, attempt
    return Terms(is_one_transaction=True)


def backoff(attempts_max: int, first_ns: int, longest_ns: int) -> RetryPolicy:
    """Return a policy that doubles the wait from ``first_ns`` to ``longest_ns``.

    Each wait is drawn between half and the whole of its length, so that orders that failed together
    do not return together. The draw is a hash of order and attempt: no state, the same on every
    machine.
    """

    def retry(state: OrderState, code: str) -> int | None:
        attempt = state.attempts + 1
        if attempt >= attempts_max or code in _HOPELESS:
            return None
        whole_ns = min(first_ns << min(state.attempts, 62), longest_ns)
        if whole_ns == 0:
            return 0
        key = blake2b(f"{state.order_id}:{attempt}".encode(), digest_size=8).digest()
        half_ns = whole_ns // 2
        return half_ns + int.from_bytes(key, "big") % (whole_ns - half_ns + 1)

    return retry


def checked_wait(state: OrderState, code: str, retry: RetryPolicy) -> int | None:
    """Ask a retry policy, and refuse an answer that is no wait.

    Raises:
        InvalidAmount: it is neither None nor an int from 0 to a year of nanoseconds.
    """
    wait_ns = retry(state, code)
    if wait_ns is not None and (type(wait_ns) is not int or not 0 <= wait_ns <= _YEAR_NS):
        expected = "None, or an int of nanoseconds from 0 to a year"
        raise InvalidAmount("the retry policy's wait", wait_ns, expected)
    return wait_ns


def checked_limits(order: Order, route: Route, slippage: SlippagePolicy) -> tuple[int, int]:
    """Ask a slippage policy, and refuse an answer that is no pair of amounts.

    Raises:
        InvalidAmount: not two ints of u64 above 0, or a limit that the route itself does not meet.
    """
    limits: object = slippage(order, route)
    expected = "(amount_in_max, amount_out_min), two ints from 1 to 2^64 - 1"
    if not isinstance(limits, tuple) or len(limits) != 2:
        raise InvalidAmount("the slippage policy's limits", limits, expected)
    amount_in_max, amount_out_min = limits
    for limit in limits:
        if type(limit) is not int or not 1 <= limit <= U64_MAX:
            raise InvalidAmount("the slippage policy's limits", limits, expected)
    if amount_in_max < route.amount_in or amount_out_min > route.amount_out:
        expected = f"at least {route.amount_in} in and at most {route.amount_out} out, as quoted"
        raise InvalidAmount("the slippage policy's limits", limits, expected)
    return amount_in_max, amount_out_min


class ExecutionPolicy(Struct, frozen=True, kw_only=True):
    """Hold the executor's settings; every duration is in nanoseconds."""

    router: Router | Strategy
    """Chooses among quotes, or computes a route from the pools themselves."""
    terms: TermsPolicy = one_transaction
    """Of a strategy."""
    retry: RetryPolicy = backoff(3, 200_000_000, 5_000_000_000)
    slippage: SlippagePolicy = slippage
    unit_price: UnitPriceOf | None = None
    """What an attempt pays for a place in a block; None for the settlement's own by priority. The
    venues and ``terms`` must count the same."""
    quote_deadline_ns: int = 1_500_000_000
    """All venues are asked at once; those that have not answered by then are left out."""
    route_age_ns_max: int = 5_000_000_000
    """About a dozen slots: an older route is quoted anew, not signed."""
    resend_ns: int = 2_000_000_000
    """The same bytes are sent again this often until their fate is known."""
