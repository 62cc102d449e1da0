"""Check that an order which exists is well formed, and that a route takes a whole quote."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orderengine.errors import InvalidAmount, UnknownToken
from orderengine.model.amounts import U64_MAX
from orderengine.model.order import Leg, Mode, Order, Priority, Quote, Route, route_of
from orderengine.model.tokens import TOKENS, Token, token

_GOOD: dict[str, Any] = {"order_id": "o", "sell": "SOL", "buy": "USDC", "amount": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_id", ""),
        ("order_id", 7),
        ("amount", 0),
        ("amount", -1),
        ("amount", U64_MAX + 1),
        ("amount", 1.0),
        ("amount", True),
        ("amount", "1"),
        ("slippage_bps", -1),
        ("slippage_bps", 10_001),
        ("slippage_bps", 0.5),
        ("slippage_bps", True),
        ("mode", "exact_in"),
        ("priority", "urgent"),
        ("deadline_ns", 1.5),
        ("deadline_ns", "1970-01-01T00:00:00Z"),
        ("buy", "SOL"),
        ("buy", "So11111111111111111111111111111111111111112"),
    ],
)
def test_a_malformed_field_is_named(field: str, value: object) -> None:
    """The error holds the field, what was found, and what would do.

    Plain strings for mode and priority are refused, because ``is Mode.EXACT_IN`` would be false
    for "exact_in" and the order would be executed as the other mode.
    """
    with pytest.raises(InvalidAmount) as refused:
        Order(**(_GOOD | {field: value}))
    assert (refused.value.field, refused.value.found) == (field, value)


@pytest.mark.parametrize("field", ["sell", "buy"])
def test_an_unknown_token_is_named(field: str) -> None:
    """Only tokens whose decimals are known are traded."""
    with pytest.raises(UnknownToken, match=r"one of SOL, USDC, .* was 'DOGE'"):
        Order(**(_GOOD | {field: "DOGE"}))


@pytest.mark.parametrize(
    "change",
    [
        {"amount": U64_MAX},
        {"slippage_bps": 0},
        {"slippage_bps": 10_000},
        {"deadline_ns": 0},
        {"mode": Mode.EXACT_OUT},
        {"priority": Priority.BULK},
    ],
    ids=str,
)
def test_the_ends_of_every_range_belong_to_it(change: dict[str, Any]) -> None:
    """Limits are inclusive."""
    order = Order(**(_GOOD | change))
    assert msgspec.structs.asdict(order) == msgspec.structs.asdict(Order(**_GOOD)) | change


def test_an_order_cannot_be_edited() -> None:
    """Orders are frozen."""
    with pytest.raises(AttributeError):
        Order(**_GOOD).amount = 2  # type: ignore[misc]


@pytest.mark.parametrize("entry", TOKENS, ids=lambda entry: entry.symbol)
def test_a_token_has_two_names(entry: Token) -> None:
    """Symbol and mint name the same token, and no two tokens share one."""
    assert token(entry.symbol) is token(entry.mint) is entry


def test_route_of_takes_the_whole_quote() -> None:
    """A route of one leg has the quote's amounts, fees and slot."""
    quote = Quote(
        venue="v",
        pool="p",
        amount_in=10,
        amount_out=20,
        fee_in=1,
        fee_out=2,
        network_cost=3,
        slot=4,
    )
    leg = Leg(
        pool="p",
        venue="v",
        sell="SOL",
        buy="USDC",
        amount_in=10,
        amount_out=20,
        fee_in=1,
        fee_out=2,
    )
    expected = Route(legs=(leg,), amount_in=10, amount_out=20, slot=4)
    assert route_of(Order(**_GOOD), quote) == expected
