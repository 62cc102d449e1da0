"""Check the tree of errors: its shape, its codes, its messages, and the way through a pickle."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from orderengine import errors
from orderengine.errors import (
    AmountOverflow,
    AmountTooSmall,
    DuplicateOrder,
    IllegalEvent,
    InsufficientLiquidity,
    InvalidAmount,
    InvalidData,
    InvalidRequest,
    InvalidScenario,
    InvariantViolated,
    KeyReused,
    LeaseLost,
    NoRoute,
    OrderEngineError,
    OrderTooLarge,
    QueueFull,
    QuoteTimeout,
    Rejected,
    SequenceConflict,
    TooManyOpenOrders,
    Unavailable,
    UnknownOrder,
    UnknownToken,
    WrongPair,
)

SAMPLES: list[tuple[OrderEngineError, str]] = [
    (OrderEngineError("root 7"), "root 7"),
    (InvalidRequest("request 7"), "request 7"),
    (
        InvalidAmount("amount_in", "1\n2", "at least 1"),
        "amount_in must be at least 1, was '1\\n2'",
    ),
    (InvalidScenario("a.b", 3, "a duration"), "a.b: expected a duration, found 3"),
    (InvalidData("f.csv:3", "4", "5"), "f.csv:3: expected 5, found 4"),
    (
        UnknownToken("DO\nGE", "SOL, USDC"),
        "token must be one of SOL, USDC or one of their mints, was 'DO\\nGE'",
    ),
    (
        WrongPair("pool p", "SOL/USDC", "JUP", "USDC"),
        "pool p swaps SOL/USDC, not JUP for USDC",
    ),
    (UnknownOrder("o\n1"), "no order has the id 'o\\n1'"),
    (DuplicateOrder("o-1"), "an order with the id 'o-1' was accepted before"),
    (KeyReused("k-1"), "the idempotency key 'k-1' was used for another request before"),
    (Unavailable("node 7"), "node 7"),
    (QuoteTimeout("orca", 1_500_000), "orca gave no quote within 1.5 ms"),
    (QueueFull("urgent", 10), "the urgent lane already holds 10 orders, its capacity"),
    (
        SequenceConflict("o-1", 3, 4),
        "order o-1: expected its last event to be 3, it is 4",
    ),
    (LeaseLost("o-1", 1, 2), "order o-1: fence 1 is stale, the newest lease has 2"),
    (Rejected("try 7"), "try 7"),
    (InsufficientLiquidity("p", 9, 8), "pool p must pay 9 base units and can pay 8"),
    (
        AmountTooSmall("pool p", 12, 5),
        "pool p pays nothing for 5 base units: at least 12 are needed",
    ),
    (
        AmountOverflow("liquidity", 2**130, 128),
        f"liquidity must be at most 2^128 - 1, was {2**130}",
    ),
    (
        NoRoute({"orca": "asleep", "raydium": "empty"}),
        "no venue can fill the order (orca: asleep; raydium: empty)",
    ),
    (InvariantViolated("bug 7"), "bug 7"),
    (
        IllegalEvent("o-1", "failed", "claimed"),
        "order o-1: status failed does not allow event claimed",
    ),
    (
        OrderTooLarge("SOL", 2_000, 1_000),
        "an order may name at most 1000 base units of SOL, was 2000",
    ),
    (TooManyOpenOrders(5), "a user may have 5 open orders at once, and has them"),
]
"""One error of every class and its message."""

BY_CLASS = pytest.mark.parametrize(
    ("error", "message"), SAMPLES, ids=[type(error).__name__ for error, _ in SAMPLES]
)


def _classes(root: type[OrderEngineError]) -> list[type[OrderEngineError]]:
    found = [root]
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            found += _classes(child)
    return found


def _drawn_tree() -> dict[str, str]:
    """Return child and parent for each line of the drawing in the module's docstring."""
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        drawn = re.fullmatch(r"    ([│├└─ ]*)([A-Z][A-Za-z]+)( .*)?", line)
        if drawn is None:
            continue
        depth = len(drawn[1])
        while path and path[-1][0] >= depth:
            path.pop()
        if path:
            parents[drawn[2]] = path[-1][1]
        path.append((depth, drawn[2]))
    return parents


def test_the_tree_is_as_drawn() -> None:
    """The docstring draws every class under its parent, and no class besides."""
    real = {kind.__name__: kind.__mro__[1].__name__ for kind in _classes(OrderEngineError)[1:]}
    assert _drawn_tree() == real
    assert len(real) == 23


def test_every_class_is_public_and_has_a_sample() -> None:
    """Nothing can be added without its message being looked at here."""
    names = sorted(kind.__name__ for kind in _classes(OrderEngineError))
    assert sorted(errors.__all__) == names
    assert sorted(type(error).__name__ for error, _ in SAMPLES) == names


def test_codes_are_unique_and_stable_in_form() -> None:
    """Each class has its own upper-case code."""
    codes = [kind.code for kind in _classes(OrderEngineError)]
    assert len(set(codes)) == len(codes)
    for kind in _classes(OrderEngineError):
        assert "code" in vars(kind)
        assert re.fullmatch("[A-Z][A-Z_]+", kind.code)


def test_the_first_branch_answers_may_i_retry() -> None:
    """Every error stands under exactly one of the four answers."""
    answers = (InvalidRequest, Unavailable, Rejected, InvariantViolated)
    for error, _ in SAMPLES[1:]:
        assert sum(isinstance(error, answer) for answer in answers) == 1


@BY_CLASS
def test_messages_are_one_line_with_their_numbers(error: OrderEngineError, message: str) -> None:
    """What was expected, what was found, on one line whatever was found."""
    assert str(error) == message
    assert len(message.splitlines()) == 1


def test_no_route_says_when_nobody_was_asked() -> None:
    """An empty list of reasons is told in words."""
    assert str(NoRoute({})) == "no venue can fill the order (no venue was asked)"


@BY_CLASS
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_a_pickle(error: OrderEngineError, message: str, protocol: int) -> None:
    """A worker process can hand any error to its parent, with all its fields."""
    revived = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301  (our own bytes)
    assert type(revived) is type(error)
    assert vars(revived) == vars(error)
    assert (str(revived), revived.args, revived.code) == (message, error.args, error.code)


@BY_CLASS
def test_errors_can_be_copied(error: OrderEngineError, message: str) -> None:
    """A copy is an equal error."""
    copied = copy.copy(error)
    assert type(copied) is type(error)
    assert (str(copied), vars(copied)) == (message, vars(error))


def test_a_lack_of_liquidity_says_which_way_and_why() -> None:
    """What a pool cannot take is an input; a reason follows where there is one."""
    error = InsufficientLiquidity("p", 9, 8, "bins unread", does="take")
    assert str(error) == "pool p must take 9 base units and can take 8: bins unread"
