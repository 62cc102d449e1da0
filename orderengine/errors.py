"""Say what went wrong and whether trying again can help.

The first branch of the tree answers "may I retry?":

    OrderEngineError
    ├── InvalidRequest         never: the caller must change the request
    │   ├── InvalidAmount      an amount that is no integer of the token, or outside u64
    │   ├── InvalidScenario    a scenario field with a wrong key, unit or value
    │   ├── InvalidData        a file that cannot be read as what it should hold
    │   ├── UnknownToken       a symbol or mint that is not registered
    │   ├── WrongPair          two tokens that a pool or a market does not swap
    │   ├── UnknownOrder       an order id that the store does not hold
    │   ├── DuplicateOrder     an order id that the store holds already
    │   ├── KeyReused          an idempotency key that came with another body before
    │   └── OrderTooLarge      an order of more than the operator allows
    ├── Unavailable            yes: later, or elsewhere
    │   ├── QuoteTimeout       a venue did not answer in time
    │   ├── QueueFull          the lane of this priority has no room, or the whole service
    │   ├── TooManyOpenOrders  a user has as many open orders as one may have
    │   ├── SequenceConflict   somebody else wrote the order's next event: fold again
    │   └── LeaseLost          another worker holds the order now
    ├── Rejected               this try is over; another try may quote differently
    │   ├── InsufficientLiquidity
    │   ├── AmountOverflow     the program's integers cannot hold the result
    │   ├── AmountTooSmall     what would be paid rounds to zero
    │   └── NoRoute            no venue gave a usable quote, no pools lead from token to token
    └── InvariantViolated      stop: our own bug
        └── IllegalEvent       an event that the order's status does not allow

What can happen to a healthy order (expiry, slippage, cancellation) is an event, not an error.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AmountOverflow",
    "AmountTooSmall",
    "DuplicateOrder",
    "IllegalEvent",
    "InsufficientLiquidity",
    "InvalidAmount",
    "InvalidData",
    "InvalidRequest",
    "InvalidScenario",
    "InvariantViolated",
    "KeyReused",
    "LeaseLost",
    "NoRoute",
    "OrderEngineError",
    "OrderTooLarge",
    "QueueFull",
    "QuoteTimeout",
    "Rejected",
    "SequenceConflict",
    "TooManyOpenOrders",
    "Unavailable",
    "UnknownOrder",
    "UnknownToken",
    "WrongPair",
]


class OrderEngineError(Exception):
    """Be the root of every error that orderengine raises on purpose."""

    code: ClassVar[str] = "ERROR"
    """Stable upper-case code, also used in events and on the wire."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a worker process hand the error on: fields and message are set, not built again."""
        return _revive, (type(self), self.args), vars(self)


def _revive(kind: type[OrderEngineError], args: tuple[Any, ...]) -> OrderEngineError:
    return kind.__new__(kind, *args)


class InvalidRequest(OrderEngineError):
    """Refuse a request that can never succeed as it stands."""

    code = "INVALID_REQUEST"


class InvalidAmount(InvalidRequest):
    """Refuse an amount; ``found`` is what was given, ``expected`` what would do."""

    code = "INVALID_AMOUNT"

    def __init__(self, field: str, found: object, expected: str) -> None:
        self.field = field
        self.found = found
        self.expected = expected
        super().__init__(f"{field} must be {expected}, was {found!r}")


class InvalidScenario(InvalidRequest):
    """Refuse a scenario field; ``field`` is its dotted path."""

    code = "INVALID_SCENARIO"

    def __init__(self, field: str, found: object, expected: str) -> None:
        self.field = field
        self.found = found
        self.expected = expected
        super().__init__(f"{field}: expected {expected}, found {found!r}")


class InvalidData(InvalidRequest):
    """Refuse a file or a line of it; ``source`` names where it stands."""

    code = "INVALID_DATA"

    def __init__(self, source: str, found: str, expected: str) -> None:
        self.source = source
        self.found = found
        self.expected = expected
        super().__init__(f"{source}: expected {expected}, found {found}")


class UnknownToken(InvalidRequest):
    """Refuse a token that is neither a known symbol nor a known mint."""

    code = "UNKNOWN_TOKEN"

    def __init__(self, token: str, known: str) -> None:
        self.token = token
        super().__init__(f"token must be one of {known} or one of their mints, was {token!r}")


class WrongPair(InvalidRequest):
    """Refuse to swap two tokens where others are swapped; ``where`` says where."""

    code = "WRONG_PAIR"

    def __init__(self, where: str, pair: str, sell: str, buy: str) -> None:
        self.where = where
        self.pair = pair
        self.sell = sell
        self.buy = buy
        super().__init__(f"{where} swaps {pair}, not {sell} for {buy}")


class UnknownOrder(InvalidRequest):
    """Refuse an order id that the store does not hold."""

    code = "UNKNOWN_ORDER"

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        super().__init__(f"no order has the id {order_id!r}")


class DuplicateOrder(InvalidRequest):
    """Refuse a second order under an id that is taken."""

    code = "DUPLICATE_ORDER"

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        super().__init__(f"an order with the id {order_id!r} was accepted before")


class KeyReused(InvalidRequest):
    """Refuse an idempotency key that was used for another request."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the idempotency key {key!r} was used for another request before")


class OrderTooLarge(InvalidRequest):
    """Refuse an order of more base units than are allowed; ``limit`` is 0 for other tokens."""

    code = "ORDER_TOO_LARGE"

    def __init__(self, token: str, amount: int, limit: int) -> None:
        self.token = token
        self.amount = amount
        self.limit = limit
        super().__init__(f"an order may name at most {limit} base units of {token}, was {amount}")


class Unavailable(OrderEngineError):
    """Say that the same request may succeed later."""

    code = "UNAVAILABLE"


class QuoteTimeout(Unavailable):
    """Say that a venue gave no quote before the deadline."""

    code = "QUOTE_TIMEOUT"

    def __init__(self, venue: str, deadline_ns: int) -> None:
        self.venue = venue
        self.deadline_ns = deadline_ns
        super().__init__(f"{venue} gave no quote within {deadline_ns / 1e6:g} ms")


class QueueFull(Unavailable):
    """Say that a lane of the work queue has no room, or all lanes; nothing was accepted.

    ``lane`` is empty where it is the service that holds as many open orders as it may.
    """

    code = "QUEUE_FULL"

    def __init__(self, lane: str, capacity: int) -> None:
        self.lane = lane
        self.capacity = capacity
        where = f"the {lane} lane" if lane else "the service"
        super().__init__(f"{where} already holds {capacity} orders, its capacity")


class TooManyOpenOrders(Unavailable):
    """Say that a user must wait until an order of theirs has ended; nothing was accepted."""

    code = "TOO_MANY_OPEN_ORDERS"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"a user may have {limit} open orders at once, and has them")


class SequenceConflict(Unavailable):
    """Say that the order's log went on meanwhile; read it again and decide anew."""

    code = "SEQUENCE_CONFLICT"

    def __init__(self, order_id: str, expected_seq: int, actual_seq: int) -> None:
        self.order_id = order_id
        self.expected_seq = expected_seq
        self.actual_seq = actual_seq
        super().__init__(
            f"order {order_id}: expected its last event to be {expected_seq}, it is {actual_seq}"
        )


class LeaseLost(Unavailable):
    """Say that a worker wrote with a fence that is no longer the order's newest."""

    code = "LEASE_LOST"

    def __init__(self, order_id: str, fence: int, newest_fence: int) -> None:
        self.order_id = order_id
        self.fence = fence
        self.newest_fence = newest_fence
        super().__init__(
            f"order {order_id}: fence {fence} is stale, the newest lease has {newest_fence}"
        )


class Rejected(OrderEngineError):
    """End this try; a new quote may succeed."""

    code = "REJECTED"


class InsufficientLiquidity(Rejected):
    """Say that a pool cannot pay ``required``; it has ``available`` (base units of one token).

    ``does`` is "take" where the amount is what goes in. ``reason`` says why, where that is not
    simply that the pool holds no more: above all what was not read of the pool and might pay.
    """

    code = "INSUFFICIENT_LIQUIDITY"

    def __init__(
        self, pool: str, required: int, available: int, reason: str = "", *, does: str = "pay"
    ) -> None:
        self.pool = pool
        self.required = required
        self.available = available
        self.reason = reason
        said = f"pool {pool} must {does} {required} base units and can {does} {available}"
        super().__init__(f"{said}: {reason}" if reason else said)


class AmountOverflow(Rejected):
    """Say that ``value`` does not fit the ``bits`` that the on-chain program gives it."""

    code = "AMOUNT_OVERFLOW"

    def __init__(self, what: str, value: int, bits: int) -> None:
        self.what = what
        self.value = value
        self.bits = bits
        super().__init__(f"{what} must be at most 2^{bits} - 1, was {value}")


class AmountTooSmall(Rejected):
    """Say that ``available`` base units are paid for with nothing; ``required`` is the least."""

    code = "AMOUNT_TOO_SMALL"

    def __init__(self, where: str, required: int, available: int) -> None:
        self.where = where
        self.required = required
        self.available = available
        super().__init__(
            f"{where} pays nothing for {available} base units: at least {required} are needed"
        )


class NoRoute(Rejected):
    """Say that no venue gave a usable quote; ``reasons`` maps venue to reason."""

    code = "NO_ROUTE"

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        said = "; ".join(f"{venue}: {reason}" for venue, reason in reasons.items())
        super().__init__(f"no venue can fill the order ({said or 'no venue was asked'})")


class InvariantViolated(OrderEngineError):
    """Stop: orderengine itself did what must never happen."""

    code = "INVARIANT_VIOLATED"


class IllegalEvent(InvariantViolated):
    """Say that an event is not allowed in the order's status; nothing was changed."""

    code = "ILLEGAL_EVENT"

    def __init__(self, order_id: str, status: str, event_type: str) -> None:
        self.order_id = order_id
        self.status = status
        self.event_type = event_type
        super().__init__(f"order {order_id}: status {status} does not allow event {event_type}")
