"""Say in JSON what clients send and get: requests, orders, quotes."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from orderengine.errors import InvalidAmount
from orderengine.execution.inquiry import Choice
from orderengine.model.amounts import U64_MAX
from orderengine.model.events import Confirmed, Failed
from orderengine.model.instants import parse_rfc3339, rfc3339
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Declined, Mode, Order, Priority
from orderengine.routing.strategies import STRATEGIES

__all__ = [
    "ExecuteRequest",
    "QuoteRequest",
    "accepted_view",
    "order_view",
    "quote_view",
    "request_sha256",
]

_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)

_Symbol = Annotated[str, Meta(min_length=1, max_length=64, description="symbol or mint")]
_Amount = Annotated[
    str,
    Meta(
        pattern="^[0-9]{1,20}$",
        description="base units as a decimal string, 1 to 2^64 - 1",
        examples=["1500000000"],
    ),
]


class QuoteRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask what an order would get."""

    sell: _Symbol
    buy: _Symbol
    amount: _Amount
    mode: Mode = Mode.EXACT_IN
    strategy: (
        Annotated[
            str,
            Meta(
                max_length=64,
                examples=["split"],
                # Where the framework looks for what it shows of a field.
                extra_json_schema={
                    "description": "how to route; left out, as orders are",
                    "extra": {"enum": [*STRATEGIES, None]},
                },
            ),
        ]
        | None
    ) = None

    def to_order(self, order_id: str) -> Order:
        """Return the order that is asked about."""
        return Order(
            order_id=order_id,
            sell=self.sell,
            buy=self.buy,
            amount=_base_units(self.amount),
            mode=self.mode,
        )


class ExecuteRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a swap."""

    sell: _Symbol
    buy: _Symbol
    amount: _Amount
    mode: Mode = Mode.EXACT_IN
    slippage_bps: Annotated[int, Meta(ge=0, le=10_000)] = 50
    priority: Priority = Priority.NORMAL
    deadline: Annotated[str, Meta(max_length=64, description="RFC 3339 with an offset")] | None = (
        None
    )

    def to_order(self, order_id: str, user: str) -> Order:
        """Return the order; raises ``InvalidRequest`` where a value is wrong."""
        return Order(
            order_id=order_id,
            sell=self.sell,
            buy=self.buy,
            amount=_base_units(self.amount),
            mode=self.mode,
            slippage_bps=self.slippage_bps,
            priority=self.priority,
            deadline_ns=None if self.deadline is None else _deadline_ns(self.deadline),
            user=user,
        )


def _deadline_ns(text: str) -> int:
    deadline_ns = parse_rfc3339(text)
    if not 0 <= deadline_ns < 2**63:
        raise InvalidAmount("deadline", text, "a time from 1970 to 2262")
    return deadline_ns


def _base_units(text: str) -> int:
    """Return the integer; its length is known to be bounded before it is converted."""
    if _DIGITS.fullmatch(text) is None or not 1 <= int(text) <= U64_MAX:
        expected = "a decimal string of base units from 1 to 18446744073709551615"
        raise InvalidAmount("amount", text, expected)
    return int(text)


def request_sha256(request: ExecuteRequest) -> str:
    """Return a hash of what is asked, the same however the JSON was written."""
    return sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()


def accepted_view(state: OrderState) -> dict[str, Any]:
    """Return what is answered to who placed an order."""
    return {"order_id": state.order_id, "status": state.status.value, "seq": state.seq}


def order_view(state: OrderState) -> dict[str, Any]:
    """Return an order as it stands now."""
    order = state.order
    view: dict[str, Any] = {
        "order_id": order.order_id,
        "status": state.status.value,
        "seq": state.seq,
        "sell": order.sell,
        "buy": order.buy,
        "amount": str(order.amount),
        "mode": order.mode.value,
        "slippage_bps": order.slippage_bps,
        "priority": order.priority.value,
        "accepted_at": rfc3339(state.accepted_at_ns),
        "attempts": state.attempts,
        "cancel_requested": state.cancel_requested,
        "simulated": True,
    }
    if order.deadline_ns is not None:
        view["deadline"] = rfc3339(order.deadline_ns)
    if state.submitted is not None:
        view["signature"] = state.submitted.signature
    if isinstance(state.outcome, Confirmed):
        view |= {
            "signature": state.outcome.signature,
            "amount_in": str(state.outcome.amount_in),
            "amount_out": str(state.outcome.amount_out),
        }
    if isinstance(state.outcome, Failed):
        view |= {"code": state.outcome.code, "reason": state.outcome.reason}
    return view


def _said(found: Declined) -> dict[str, str]:
    return {"venue": found.venue, "pool": found.pool, "code": found.code, "reason": found.reason}


def quote_view(choice: Choice) -> dict[str, Any]:
    """Return a route, its proof if it has one, and what every venue said.

    ``bound`` is what no route can do better than, before costs; ``gap_bps`` how far this one may be
    from it; ``left_out`` says why pools that a strategy looked at have no leg, ``declined`` why
    there was no answer, or which quotes were worse. What is not known has no key.
    """
    route, is_computed = choice.route, not choice.quotes
    left_out = [_said(found) for found in choice.declined if is_computed and found.pool]
    declined = [_said(found) for found in choice.declined if not (is_computed and found.pool)]
    measures: dict[str, Any] = {
        "bound": None if route.bound is None else str(route.bound),
        "gap_bps": route.gap_bps,
        "price_impact_bps": route.price_impact_bps,
        "network_cost": None if route.network_cost is None else str(route.network_cost),
    }
    return {
        "amount_in": str(route.amount_in),
        "amount_out": str(route.amount_out),
        **{name: value for name, value in measures.items() if value is not None},
        "legs": [
            {
                "venue": leg.venue,
                "pool": leg.pool,
                "sell": leg.sell,
                "buy": leg.buy,
                "amount_in": str(leg.amount_in),
                "amount_out": str(leg.amount_out),
                "fee_in": str(leg.fee_in),
                "fee_out": str(leg.fee_out),
            }
            for leg in route.legs
        ],
        "quotes": [
            {
                "venue": quote.venue,
                "pool": quote.pool,
                "amount_in": str(quote.amount_in),
                "amount_out": str(quote.amount_out),
            }
            for quote in choice.quotes
        ],
        **({"left_out": left_out} if is_computed else {}),
        "declined": declined,
        "simulated": True,
    }
