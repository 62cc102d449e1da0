"""Check the pools against oracle cases: swaps whose every number a venue's own SDK computed.

Pure: the caller reads files and hands over lines or decoded cases. A venue takes part by one entry
in ``_VENUES``. Two kinds of case exist, told apart by their keys:

- a swap: ``id``, ``pool``, ``swap``, ``expect`` and ``tags``;
- a price point, such as ``bin_id``, ``bin_step`` and ``price_x64``.

Every number of ``expect`` that our pools know is compared, not the amounts alone. Of an expected
error only that there is one: its kind is a convention of the case files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from orderengine.errors import InvalidData, OrderEngineError
from orderengine.pools.base import Direction
from orderengine.pools.meteora_dlmm import MeteoraDlmmPool
from orderengine.pools.meteora_dlmm_fee import DlmmFeeParameters, DlmmVolatility
from orderengine.pools.meteora_dlmm_price import bin_price_x64
from orderengine.pools.meteora_dlmm_spec import MeteoraDlmmSpec
from orderengine.pools.raydium_cpmm import RaydiumCpmmPool

__all__ = [
    "CaseResult",
    "CaseStatus",
    "Mismatch",
    "SwapMode",
    "SwapRequest",
    "check_case",
    "check_line",
    "venue_of_file_name",
]


class CaseStatus(StrEnum):
    """Say how a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Mismatch(Struct, frozen=True):
    """Name one field that differs."""

    field: str
    expected: str
    got: str


class CaseResult(Struct, frozen=True, kw_only=True):
    """Hold how a case ended; ``reason`` says why it was skipped."""

    case_id: str
    status: CaseStatus
    mismatches: tuple[Mismatch, ...] = ()
    reason: str = ""


class SwapMode(StrEnum):
    """Say which side of the swap ``amount`` fixes."""

    EXACT_IN = "exact_in"
    EXACT_OUT = "exact_out"


class SwapRequest(Struct, frozen=True, kw_only=True):
    """Hold the ``swap`` of a case."""

    direction: Direction
    mode: SwapMode
    amount: int
    timestamp: int = 0
    partial_fill: bool = False


_T = TypeVar("_T")

Figures = Mapping[str, int]
"""What a swap computed, under the names that ``expect`` uses; flags are 0 or 1."""

Trade = Callable[[SwapRequest], Figures]


def check_line(venue: str, line: str | bytes, source: str) -> CaseResult:
    """Check one line of a JSONL file; ``source`` names it in errors, as ``file:line``.

    Raises:
        InvalidData: the line is not JSON, or as ``check_case`` does.
    """
    try:
        case = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidData(source, str(error), "one JSON object") from error
    return check_case(venue, case, source)


def check_case(venue: str, case: object, source: str) -> CaseResult:
    """Check one decoded case; a failed one is a result, only a malformed one raises.

    Args:
        venue: one of the names in ``venue_of_file_name``'s errors.
        case: the JSON object, amounts as decimal strings or integers.
        source: what to call the case in errors.

    Raises:
        InvalidData: the venue is unknown, or the case lacks a key or holds a wrong type.
    """
    rules = _VENUES.get(venue)
    if rules is None:
        raise InvalidData(source, f"venue {venue!r}", f"one of {', '.join(_VENUES)}")
    if not isinstance(case, dict):
        raise InvalidData(source, f"a JSON {type(case).__name__}", "a case as a JSON object")
    if rules.check_point is not None and rules.point_key in case:
        return rules.check_point(case, source)
    return _check_swap(rules, case, source)


def venue_of_file_name(name: str) -> str:
    """Return the venue that a case file is of: the one that its name starts with.

    So ``meteora_dlmm_public.jsonl`` and ``meteora_dlmm_binprice.jsonl`` are both ``meteora_dlmm``.

    Raises:
        InvalidData: it starts with none.
    """
    base_name = name.replace("\\", "/").rpartition("/")[2]
    matching = [venue for venue in _VENUES if base_name.startswith(venue)]
    if not matching:
        raise InvalidData(
            name, "a name of no known venue", f"a file name that starts with {', '.join(_VENUES)}"
        )
    return max(matching, key=len)


class _SwapCase(Struct, frozen=True, kw_only=True):
    id: str
    pool: dict[str, object]
    swap: SwapRequest
    expect: dict[str, object]
    tags: tuple[str, ...] = ()


class _BinPricePoint(Struct, frozen=True, kw_only=True):
    bin_id: int
    bin_step: int
    price_x64: int


class _VenueRules(Struct, frozen=True, kw_only=True):
    """Hold how to check one venue."""

    build: Callable[[Mapping[str, object], str], Trade]
    """Build the pool of a case, named by the second argument, and return how it trades."""
    required_keys: Mapping[str, tuple[str, ...]]
    """Keys by dotted path of the object that must have them, for what a pool has defaults for."""
    point_key: str = ""
    """A key that only this venue's price points have."""
    check_point: Callable[[Mapping[str, object], str], CaseResult] | None = None
    skipped_tags: Mapping[str, str] = field(default_factory=dict)


def _check_swap(rules: _VenueRules, case: Mapping[str, object], source: str) -> CaseResult:
    case_id = case.get("id")
    where = f"{source}, case {case_id}" if isinstance(case_id, str) else source
    decoded = _decode(case, _SwapCase, where, "a swap case (id, pool, swap, expect, tags)")
    for path, keys in rules.required_keys.items():
        _require_keys(case, path, keys, where)
    expect = decoded.expect
    if "error" not in expect and not {"amount_in", "amount_out"} <= expect.keys():
        raise InvalidData(
            where, f"expect with the keys {sorted(expect)}", "amount_in and amount_out, or error"
        )
    for tag, reason in rules.skipped_tags.items():
        if tag in decoded.tags:
            return CaseResult(case_id=decoded.id, status=CaseStatus.SKIPPED, reason=reason)
    try:
        trade = rules.build(decoded.pool, decoded.id)
    except InvalidData as error:
        raise InvalidData(where, f"{error.source}: {error.found}", error.expected) from error
    try:
        figures = trade(decoded.swap)
    except OrderEngineError as error:
        if "error" in expect:
            return CaseResult(case_id=decoded.id, status=CaseStatus.PASSED)
        return _result(decoded.id, (Mismatch("error", "none", f"{error.code}: {error}"),))
    if "error" in expect:
        got = f"amount_in {figures['amount_in']}, amount_out {figures['amount_out']}"
        return _result(decoded.id, (Mismatch("error", str(expect["error"]), got),))
    mismatches = []
    for name, got_value in figures.items():
        if name in expect:
            wanted = expect[name]
            expected = (
                int(wanted)
                if isinstance(wanted, bool)
                else _decode(wanted, int, f"{where}, expect.{name}", "an integer")
            )
            if expected != got_value:
                mismatches.append(Mismatch(name, str(expected), str(got_value)))
    return _result(decoded.id, tuple(mismatches))


def _require_keys(case: Mapping[str, object], path: str, keys: tuple[str, ...], where: str) -> None:
    found: object = case
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise InvalidData(where, f"no object {path}", f"an object {path} with {', '.join(keys)}")
    missing = [key for key in keys if key not in found]
    if missing:
        raise InvalidData(where, f"{path} without {', '.join(missing)}", ", ".join(keys))


def _result(case_id: str, mismatches: tuple[Mismatch, ...]) -> CaseResult:
    status = CaseStatus.FAILED if mismatches else CaseStatus.PASSED
    return CaseResult(case_id=case_id, status=status, mismatches=mismatches)


def _decode(value: object, wanted: type[_T], source: str, expected: str) -> _T:
    """Convert decoded JSON to a type, reading decimal strings as integers."""
    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidData(source, str(error), expected) from error


def _build_raydium_cpmm(pool: Mapping[str, object], name: str) -> Trade:
    named = {**pool, "address": name, "token_a": "A", "token_b": "B"}
    held = _decode(named, RaydiumCpmmPool, "pool", "a Raydium CPMM pool")

    def trade(request: SwapRequest) -> Figures:
        if request.mode is SwapMode.EXACT_IN:
            swap = held.swap_exact_in(request.direction, request.amount, request.timestamp)
        else:
            swap = held.swap_exact_out(request.direction, request.amount, request.timestamp)
        return {
            "amount_in": swap.amount_in,
            "amount_out": swap.amount_out,
            "fee": swap.trade_fee,
            "protocol_fee": swap.protocol_fee,
            "fund_fee": swap.fund_fee,
            "creator_fee": swap.creator_fee,
            "curve_reserve_in_after": swap.curve_reserve_in_after,
            "curve_reserve_out_after": swap.curve_reserve_out_after,
        }

    return trade


def _build_meteora_dlmm(pool: Mapping[str, object], name: str) -> Trade:
    named = {**pool, "address": name, "token_a": "A", "token_b": "B"}
    held = MeteoraDlmmPool.from_spec(_decode(named, MeteoraDlmmSpec, "pool", "a DLMM pool"))

    def trade(request: SwapRequest) -> Figures:
        quote = held.swap_exact_in if request.mode is SwapMode.EXACT_IN else held.swap_exact_out
        swap = quote(
            request.direction,
            request.amount,
            request.timestamp,
            partial_fill=request.partial_fill,
        )
        return {
            "amount_in": swap.amount_in,
            "amount_out": swap.amount_out,
            "fee": swap.lp_fee + swap.protocol_fee,
            "lp_fee": swap.lp_fee,
            "protocol_fee": swap.protocol_fee,
            "fee_on_input": int(swap.fee_on_input),
            "end_bin": swap.end_bin_id,
            "bins_touched": swap.bins_touched,
            "end_volatility_accumulator": swap.pool.volatility.volatility_accumulator,
        }

    return trade


def _check_bin_price(case: Mapping[str, object], source: str) -> CaseResult:
    point = _decode(case, _BinPricePoint, source, "bin_id, bin_step and price_x64")
    case_id = f"bin {point.bin_id} at {point.bin_step} bps"
    got = bin_price_x64(point.bin_id, point.bin_step)
    if got == point.price_x64:
        return _result(case_id, ())
    return _result(case_id, (Mismatch("price_x64", str(point.price_x64), str(got)),))


_VENUES: Mapping[str, _VenueRules] = {
    "raydium_cpmm": _VenueRules(
        build=_build_raydium_cpmm,
        required_keys={"pool": ("creator_fee_rate", "creator_fee_on")},
    ),
    "meteora_dlmm": _VenueRules(
        build=_build_meteora_dlmm,
        required_keys={
            "pool": ("collect_fee_mode", "supports_limit_order"),
            "pool.parameters": DlmmFeeParameters.__struct_fields__,
            "pool.v_parameters": DlmmVolatility.__struct_fields__,
            "swap": ("timestamp",),
        },
        point_key="bin_id",
        check_point=_check_bin_price,
        skipped_tags={
            "sdk_quirk_zero_net_bin": "the SDK leaves out the cost of a bin whose output the fee "
            "eats, an under-quote; this engine charges it",
        },
    ),
}
