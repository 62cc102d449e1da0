"""Check amounts and durations: exact both ways, and what does not fit is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidAmount, UnknownToken
from orderengine.model.amounts import (
    U64_MAX,
    amount,
    format_amount,
    format_duration,
    parse_amount,
    parse_duration,
    require_u64,
)
from orderengine.model.tokens import TOKENS, Token
from tests.strategies import amounts

tokens = st.sampled_from(TOKENS)

NO_DECIMAL: list[Any] = [
    "",
    " ",
    ".",
    ".5",
    "1.",
    "1.5.0",
    "1,5",
    "1,000",
    "1_000",
    "1 000",
    "1e3",
    "1E3",
    "0x10",
    "NaN",
    "nan",
    "inf",
    "Infinity",
    "-1",
    "+1",
    "-0",
    "\u22121",
    "\u0661\u0662",
    "\uff11",
    "²",
    "1\u00a05",
    "1\n5",
    "1\x00",
    "1" * 21,
    -1,
    1.0,
    1.5,
    float("nan"),
    float("inf"),
    True,
    False,
    None,
    b"1",
    Decimal("1.5"),
]
"""What no reader of amounts takes, whatever the token."""

READ_AS_SYMBOL = ("1e3", "1E3", "0x10")


@pytest.mark.parametrize("found", NO_DECIMAL, ids=ascii)
def test_amount_refuses_what_is_no_plain_decimal(found: Any) -> None:
    """Floats, bools, signs, exponents, separators and foreign digits are no amount."""
    with pytest.raises(InvalidAmount) as refused:
        amount(found, "SOL")
    assert refused.value.found is found


@pytest.mark.parametrize("found", NO_DECIMAL, ids=ascii)
def test_parse_amount_refuses_what_is_no_plain_decimal(found: Any) -> None:
    """An exponent reads as the symbol of no token; all else is no amount."""
    with pytest.raises(UnknownToken if str(found) in READ_AS_SYMBOL else InvalidAmount):
        parse_amount(found)


@pytest.mark.parametrize(
    ("text", "token_name", "base_units"),
    [
        ("1.5", "SOL", 1_500_000_000),
        ("1.5", "So11111111111111111111111111111111111111112", 1_500_000_000),
        (2, "USDC", 2_000_000),
        ("0", "BONK", 0),
        ("007", "USDC", 7_000_000),
        ("0.00001", "BONK", 1),
        ("0.000010000000", "BONK", 1),
        ("18446744073.709551615", "SOL", U64_MAX),
        (" 1 ", "USDC", 1_000_000),
    ],
)
def test_amount_is_exact(text: str | int, token_name: str, base_units: int) -> None:
    """Shown units times ten to the token's decimals, with no rounding."""
    assert amount(text, token_name) == base_units


@pytest.mark.parametrize("entry", TOKENS, ids=lambda entry: entry.symbol)
def test_amount_refuses_a_part_of_a_base_unit(entry: Token) -> None:
    """One digit more than the token has is refused unless it is zero."""
    smallest = "0." + "0" * (entry.decimals - 1) + "1"
    assert amount(smallest, entry.symbol) == 1
    assert amount(smallest + "0", entry.symbol) == 1
    with pytest.raises(InvalidAmount, match=f"at most {entry.decimals} digits of {entry.symbol}"):
        amount(smallest + "1", entry.symbol)


@pytest.mark.parametrize("entry", TOKENS, ids=lambda entry: entry.symbol)
def test_amounts_end_at_u64(entry: Token) -> None:
    """2^64 - 1 base units pass, one more does not."""
    largest, one_more = (
        f"{units // 10**entry.decimals}.{units % 10**entry.decimals:0{entry.decimals}d}"
        for units in (U64_MAX, U64_MAX + 1)
    )
    assert amount(largest, entry.symbol) == U64_MAX
    assert parse_amount(largest + entry.symbol) == U64_MAX
    with pytest.raises(InvalidAmount, match=r"2\^64 - 1"):
        amount(one_more, entry.symbol)
    with pytest.raises(InvalidAmount, match=r"2\^64 - 1"):
        parse_amount(U64_MAX + 1)


@given(tokens, amounts)
def test_what_is_formatted_is_read_back(entry: Token, base_units: int) -> None:
    """The shown form holds every digit; only the separators of thousands are for people alone."""
    shown = format_amount(base_units, entry.symbol)
    assert format_amount(base_units, entry.mint) == shown
    plain = shown.replace(",", "")
    assert parse_amount(plain) == base_units
    assert parse_amount(plain, entry.mint) == base_units
    assert amount(plain.removesuffix(f" {entry.symbol}"), entry.symbol) == base_units
    assert parse_amount(str(base_units), entry.symbol) == base_units
    assert parse_amount(base_units) == base_units


@pytest.mark.parametrize(
    ("base_units", "token_name", "shown"),
    [
        (1_500_000_000, "SOL", "1.5 SOL"),
        (0, "USDC", "0 USDC"),
        (1, "SOL", "0.000000001 SOL"),
        (-2_500_000, "USDC", "-2.5 USDC"),
        (1_234_567_000_000, "USDC", "1,234,567 USDC"),
        (U64_MAX, "SOL", "18,446,744,073.709551615 SOL"),
    ],
)
def test_format_amount(base_units: int, token_name: str, shown: str) -> None:
    """Trailing zeros go, thousands are grouped, the sign stands in front."""
    assert format_amount(base_units, token_name) == shown


@pytest.mark.parametrize(
    ("text", "token_name", "base_units"),
    [
        ("1500000000", None, 1_500_000_000),
        ("1500000000", "SOL", 1_500_000_000),
        ("1.5SOL", None, 1_500_000_000),
        ("1.5 SOL", "SOL", 1_500_000_000),
        ("1.5SOL", "So11111111111111111111111111111111111111112", 1_500_000_000),
        ("2USDC", "USDC", 2_000_000),
        ("2EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "USDC", 2_000_000),
    ],
)
def test_parse_amount_takes_base_or_shown_units(
    text: str, token_name: str | None, base_units: int
) -> None:
    """Digits alone are base units, with a symbol they are shown units."""
    assert parse_amount(text, token_name) == base_units


@pytest.mark.parametrize("text", ["1.5", "0.5", "1.0"])
def test_a_fraction_without_a_symbol_is_refused(text: str) -> None:
    """A base unit has no part."""
    with pytest.raises(InvalidAmount, match="shown units such as"):
        parse_amount(text, "SOL")


def test_another_tokens_amount_is_refused() -> None:
    """An amount of USDC is none of SOL."""
    with pytest.raises(InvalidAmount, match="an amount of SOL"):
        parse_amount("1.5USDC", "SOL")


@pytest.mark.parametrize(
    "text", ["-1SOL", "1,5SOL", "1e3SOL", "NaNSOL", ".5SOL", "\u0661SOL", "1SOL2 "]
)
def test_shown_units_are_plain_decimals_too(text: str) -> None:
    """A symbol behind it makes no amount of what is none."""
    with pytest.raises((InvalidAmount, UnknownToken)):
        parse_amount(text)


@pytest.mark.parametrize("text", ["1.5DOGE", "1.5sol", "1.5n"])
def test_an_unknown_symbol_is_named(text: str) -> None:
    """Symbols are matched as written."""
    with pytest.raises(UnknownToken, match=r"was '(DOGE|sol|n)'"):
        parse_amount(text)


@pytest.mark.parametrize("value", [-1, U64_MAX + 1])
def test_require_u64_refuses_what_no_token_account_holds(value: int) -> None:
    """Below zero and above 2^64 - 1."""
    with pytest.raises(InvalidAmount, match=f"amount_in must be .* was {value}"):
        require_u64("amount_in", value)


@pytest.mark.parametrize("value", [0, 1, U64_MAX])
def test_require_u64_returns_what_fits(value: int) -> None:
    """Both ends belong to it."""
    assert require_u64("amount_in", value) == value


@given(st.integers(0, 10**4) | st.integers(0, 10**12) | st.integers(0, 2**64))
def test_durations_are_read_back(duration_ns: int) -> None:
    """Every duration has an exact short form."""
    assert parse_duration(format_duration(duration_ns)) == duration_ns
    assert parse_duration(duration_ns) == duration_ns


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("0s", 0),
        ("1ns", 1),
        ("0.001us", 1),
        ("200ms", 200_000_000),
        ("2.5s", 2_500_000_000),
        ("2.5 s", 2_500_000_000),
        ("1min", 60_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("0.000000001s", 1),
    ],
)
def test_parse_duration(text: str, duration_ns: int) -> None:
    """A decimal and a unit."""
    assert parse_duration(text) == duration_ns


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [(0, "0ns"), (999, "999ns"), (1_500, "1.5us"), (200_000_000, "200ms"), (2_500_000_000, "2.5s")],
)
def test_format_duration(duration_ns: int, text: str) -> None:
    """The largest unit up to the second that is not below one."""
    assert format_duration(duration_ns) == text


@pytest.mark.parametrize(
    "found",
    [
        "",
        "1",
        "s",
        "-1s",
        "+1s",
        "1S",
        "1 minute",
        "1m",
        "1e3ms",
        "nans",
        "infs",
        "\u0661s",
        "1.s",
        ".5s",
        "1,5s",
        "1s 2ms",
        "1 \x00s",
        -1,
        1.5,
        True,
        None,
    ],
    ids=ascii,
)
def test_parse_duration_refuses_what_is_none(found: Any) -> None:
    """A unit is needed, and nothing is guessed."""
    with pytest.raises(InvalidAmount, match="a duration with a unit"):
        parse_duration(found)


@pytest.mark.parametrize("text", ["0.5ns", "1.0000000001us", "0.0001us"])
def test_a_part_of_a_nanosecond_is_refused(text: str) -> None:
    """Nothing is rounded."""
    with pytest.raises(InvalidAmount):
        parse_duration(text)
