"""Build event logs that the lifecycle allows: by hand, from a seed, or drawn by Hypothesis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

from hypothesis import strategies as st

from orderengine.model.events import (
    Accepted,
    AttemptFailed,
    Cancelled,
    CancelRequested,
    Claimed,
    Confirmed,
    Event,
    Expired,
    Failed,
    Requoting,
    Routed,
    Submitted,
    Waiting,
)
from orderengine.model.lifecycle import OrderState, apply, status_after
from orderengine.model.order import Declined, Mode, Order, Priority, Quote, Route, route_of
from orderengine.model.tokens import token

MS = 1_000_000
START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
VENUES = (
    "raydium_cpmm",
    "raydium_amm_v4",
    "raydium_clmm",
    "meteora_dlmm",
    "meteora_damm_v2",
    "orca_whirlpool",
)
Below = Callable[[int], int]
"""Draw an integer from 0 to n - 1."""


def x64(buy_per_sell: float) -> int:
    """Return a price in base units as the integer that events carry."""
    return int(buy_per_sell * 2**64)


class Log:
    """Grow one order's log, event by event, and refuse what the lifecycle refuses."""

    def __init__(self, order: Order, at_ns: int = START_NS, price_x64: int = 2**64) -> None:
        self.events: list[Event] = []
        self._state: OrderState | None = None
        self._order_id = order.order_id
        self.add(Accepted, at_ns, order=order, reference_price_x64=price_x64)

    def add(self, kind: type[Event], at_ns: int, **fields: Any) -> Self:
        """Append the next event."""
        state = self._state
        status = status_after(
            self._order_id,
            None if state is None else state.status,
            kind,
        )
        event = kind(
            order_id=self._order_id,
            seq=len(self.events) + 1,
            status=status,
            at_ns=at_ns,
            **fields,
        )
        self._state = apply(state, event)
        self.events.append(event)
        return self


def an_order(**fields: Any) -> Order:
    """Return an order to sell 10 SOL for USDC, changed by ``fields``."""
    given: dict[str, Any] = {
        "order_id": "order-1",
        "sell": "SOL",
        "buy": "USDC",
        "amount": 10 * 10**9,
    }
    return Order(**(given | fields))


def filled_log(
    order: Order,
    *,
    price: int,
    landed_price: int | None = None,
    amounts: tuple[int, int],
    fees: tuple[int, int] = (0, 0),
    network_fee: int = 0,
) -> Log:
    """Return the log of an order filled at the first try, with stages of 1, 2, 3, 4 and 5 ms."""
    quote = Quote(
        venue="orca_whirlpool",
        pool="pool-orca",
        amount_in=amounts[0],
        amount_out=amounts[1],
        fee_in=fees[0],
        fee_out=fees[1],
    )
    log = Log(order, price_x64=price).add(Claimed, START_NS + MS, worker="w0")
    routed(log, START_NS + 3 * MS, order, quote, price)
    submitted(log, START_NS + 6 * MS, quote, network_fee)
    return log.add(
        Confirmed,
        START_NS + 15 * MS,
        attempt=1,
        signature="sig-1",
        slot=7,
        landed_at_ns=START_NS + 10 * MS,
        amount_in=amounts[0],
        amount_out=amounts[1],
        fee_in=fees[0],
        fee_out=fees[1],
        network_fee=network_fee,
        reference_price_x64=price if landed_price is None else landed_price,
    )


def routed(log: Log, at_ns: int, order: Order, quote: Quote, price: int, attempt: int = 1) -> Log:
    """Route an order to one quote."""
    return log.add(
        Routed,
        at_ns,
        attempt=attempt,
        route=route_of(order, quote),
        quotes=(quote,),
        declined=(),
        reference_price_x64=price,
    )


def submitted(log: Log, at_ns: int, quote: Quote, network_fee: int, attempt: int = 1) -> Log:
    """Sign and store one transaction."""
    return log.add(
        Submitted,
        at_ns,
        attempt=attempt,
        signature=f"sig-{attempt}",
        last_valid_height=150,
        amount_in_max=quote.amount_in,
        amount_out_min=quote.amount_out,
        network_fee=network_fee,
    )


class _Life:
    """Let one order live through a made-up market, deciding each turn by ``below``."""

    def __init__(self, number: int, below: Below, at_ns: int) -> None:
        self.below, self.at_ns, self.number = below, at_ns, number
        sell, buy = (("SOL", "USDC"), ("USDC", "SOL"), ("mSOL", "SOL"), ("RAY", "USDC"))[
            (0, 0, 0, 0, 1, 1, 1, 2, 3, 0)[below(10)]
        ]
        self.mode = Mode.EXACT_OUT if below(6) == 0 else Mode.EXACT_IN
        varied = sell if self.mode is Mode.EXACT_IN else buy
        dollars = 10 ** (1 + below(400) / 100)
        unit = {"SOL": 150.0, "mSOL": 165.0, "RAY": 2.5, "USDC": 1.0}[varied]
        self.order = Order(
            order_id=f"{number:08x}",
            sell=sell,
            buy=buy,
            amount=max(1, int(dollars / unit * 10 ** token(varied).decimals)),
            mode=self.mode,
            priority=(Priority.NORMAL, Priority.URGENT, Priority.BULK)[(0, 0, 0, 1, 2)[below(5)]],
            user=f"user-{below(20)}",
        )
        self.dollars = dollars
        self.log = Log(self.order, at_ns, self.price())

    def price(self) -> int:
        t = (self.at_ns - START_NS) / 1e9
        sol = 150 * (1 + 0.004 * math.sin(t / 7) + 0.002 * math.sin(t / 1.3 + 2))
        dollars = {"SOL": sol, "mSOL": sol * 1.1, "RAY": 2.5, "USDC": 1.0}
        sell, buy = token(self.order.sell), token(self.order.buy)
        shown = dollars[sell.symbol] / dollars[buy.symbol]
        return x64(shown * 10.0 ** (buy.decimals - sell.decimals))

    def wait(self, low_ms: int, high_ms: int) -> int:
        self.at_ns += low_ms * MS + self.below((high_ms - low_ms) * MS + 1)
        return self.at_ns

    def quote(self, venue: str) -> Quote:
        p, amount = self.price() / 2**64, self.order.amount
        cost = (self.dollars / 4e6) * (0.5 + self.below(100) / 60) + self.below(6) / 1e4
        if self.mode is Mode.EXACT_IN:
            fee = amount * 25 // 10_000
            amounts = (amount, max(1, int((amount - fee) * p * (1 - cost))))
        else:
            paid = max(2, math.ceil(amount / p * (1 + cost) / (1 - 0.0025)))
            fee, amounts = paid * 25 // 10_000, (paid, amount)
        return Quote(
            venue=venue,
            pool=f"{venue[:3]}Pool{VENUES.index(venue)}",
            amount_in=amounts[0],
            amount_out=amounts[1],
            fee_in=fee,
            slot=self.at_ns // (400 * MS),
        )

    def live(self) -> list[Event]:
        below, log = self.below, self.log
        if below(40) == 0:
            log.add(Waiting, self.at_ns, trigger="limit 151")
            self.wait(50, 3000)
        if below(50) == 0:
            self.wait(1, 40)
            return log.add(Cancelled, self.at_ns, reference_price_x64=self.price()).events
        log.add(Claimed, self.wait(0, 31), worker=f"worker-{below(8)}")
        for attempt in range(1, 4):
            if self.attempt(attempt, final=attempt == 3):
                break
        return log.events

    def attempt(self, attempt: int, *, final: bool) -> bool:
        below, log = self.below, self.log
        if below(30) == 0:
            log.add(Requoting, self.wait(1, 80), reason="another worker took over")
        if below(60) == 0:
            kind = (Expired, Cancelled)[below(2)]
            log.add(kind, self.wait(1, 80), reference_price_x64=self.price())
            return True
        asked = [v for v in VENUES if below(5)]
        if not asked:
            return self.fail(attempt, "NO_ROUTE", "no venue answered", final, 0)
        self.wait(60, 220)
        quotes = tuple(self.quote(venue) for venue in asked)
        best = max(
            quotes, key=lambda q: q.amount_out if self.mode is Mode.EXACT_IN else -q.amount_in
        )
        route = route_of(self.order, best)
        rival = next((q for q in quotes if q is not best), None)
        if rival is not None and below(6) == 0:
            leg = route_of(self.order, rival).legs[0]
            route = Route(
                legs=(route.legs[0], leg), amount_in=best.amount_in, amount_out=best.amount_out
            )
        won = {leg.pool for leg in route.legs}
        declined = [
            Declined(
                venue=q.venue,
                pool=q.pool,
                code="WORSE_QUOTE",
                reason="another quote is better",
                amount_in=q.amount_in,
                amount_out=q.amount_out,
            )
            for q in quotes
            if q.pool not in won
        ] + [
            Declined(
                venue=v, pool=f"{v[:3]}Pool", code="QUOTE_TIMEOUT", reason="no answer in 200 ms"
            )
            for v in VENUES
            if v not in asked
        ]
        log.add(
            Routed,
            self.at_ns,
            attempt=attempt,
            route=route,
            quotes=quotes,
            declined=tuple(declined),
            reference_price_x64=self.price(),
        )
        if below(80) == 0:
            return self.fail(attempt, "BUILD_FAILED", "the transaction is too large", final, 0)
        network_fee = 5_000 + below(60_000)
        submitted(log, self.wait(1, 9), best, network_fee, attempt)
        if below(70) == 0:
            log.add(CancelRequested, self.wait(1, 20))
        self.wait(300, 2500)
        if below(9) == 0:
            code, paid = (("SLIPPAGE", network_fee), ("BLOCKHASH_EXPIRED", 0))[below(2)]
            return self.fail(attempt, code, "the price moved past the limit", final, paid)
        landed_at_ns = self.at_ns
        log.add(
            Confirmed,
            self.wait(200, 500),
            attempt=attempt,
            signature=f"sig{self.number:x}",
            slot=landed_at_ns // (400 * MS),
            landed_at_ns=landed_at_ns,
            amount_in=best.amount_in,
            amount_out=best.amount_out,
            fee_in=best.fee_in,
            fee_out=0,
            network_fee=network_fee,
            reference_price_x64=self.price(),
        )
        return True

    def fail(self, attempt: int, code: str, reason: str, final: bool, fee: int) -> bool:
        if final:
            self.log.add(
                Failed,
                self.at_ns,
                code=code,
                reason=reason,
                reference_price_x64=self.price(),
                network_fee=fee,
            )
            return True
        retry_at_ns = self.at_ns + self.below(400) * MS
        self.log.add(
            AttemptFailed,
            self.at_ns,
            attempt=attempt,
            code=code,
            reason=reason,
            retry_at_ns=retry_at_ns,
            network_fee=fee,
        )
        self.at_ns = max(self.at_ns, retry_at_ns)
        return False


def seeded_logs(orders: int, seed: int = 1, per_second: int = 40) -> list[list[Event]]:
    """Return the same logs for the same seed; draws are splitmix64."""
    state = seed

    def below(n: int) -> int:
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return (z ^ (z >> 31)) % n

    logs, at_ns = [], START_NS
    for number in range(orders):
        at_ns += below(2_000_000_000 // per_second)
        logs.append(_Life(number, below, at_ns).live())
    return logs


@st.composite
def drawn_logs(draw: st.DrawFn, orders_max: int = 6) -> list[list[Event]]:
    """Draw some orders' logs; a log may stop anywhere, as if the order were still open."""
    logs = []
    for number in range(draw(st.integers(0, orders_max))):
        at_ns = START_NS + draw(st.integers(0, 10**10))
        log = _Life(number, lambda n: draw(st.integers(0, n - 1)), at_ns).live()
        logs.append(log[: draw(st.integers(1, len(log)))] if draw(st.booleans()) else log)
    return logs
