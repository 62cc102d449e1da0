"""Check cases of any venue: of files, of lines, one by one.

Two kinds of case exist, told apart by their keys:

- a swap: ``id``, ``pool``, ``swap``, ``expect`` and ``tags``;
- a price point, such as ``bin_id``, ``bin_step`` and ``price_x64``.

Every number of ``expect`` that our pools know is compared, not the amounts alone. Of an expected
error only that there is one: its kind is a convention of the case files.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from orderengine.errors import InvalidData, OrderEngineError
from orderengine.pools.base import Pool
from orderengine.pools.verify import (
    meteora_damm_v2,
    meteora_dlmm,
    orca_whirlpool,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)
from orderengine.pools.verify.rules import (
    CaseResult,
    CaseStatus,
    Mismatch,
    SwapRequest,
    VenueRules,
    decode_as,
    result_of,
)

__all__ = ["check_case", "check_line", "pool_of", "venue_of_file_name"]

_VENUES: Mapping[str, VenueRules] = {
    "meteora_damm_v2": meteora_damm_v2.RULES,
    "meteora_dlmm": meteora_dlmm.RULES,
    "orca_whirlpool": orca_whirlpool.RULES,
    "raydium_amm_v4": raydium_amm_v4.RULES,
    "raydium_clmm": raydium_clmm.RULES,
    "raydium_cpmm": raydium_cpmm.RULES,
}


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
    rules = _rules_of(venue, source)
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


def pool_of(venue: str, case_pool: Mapping[str, object], name: str) -> Pool:
    """Return the pool that a case describes, without a swap: what a benchmark or a trial needs.

    Args:
        venue: one of the names in ``venue_of_file_name``'s errors.
        case_pool: the case's ``pool``, amounts as decimal strings or integers.
        name: the pool's address; its tokens are called A and B.

    Raises:
        InvalidData: the venue is unknown, or the description lacks a key or holds a wrong value.
    """
    return _rules_of(venue, f"pool {name}").pool(_named(case_pool, name))


def _rules_of(venue: str, source: str) -> VenueRules:
    rules = _VENUES.get(venue)
    if rules is None:
        raise InvalidData(source, f"venue {venue!r}", f"one of {', '.join(_VENUES)}")
    return rules


def _named(case_pool: Mapping[str, object], name: str) -> dict[str, object]:
    """Return a description with what cases leave out: an address, and names of the tokens."""
    return {**case_pool, "address": name, "token_a": "A", "token_b": "B"}


class _SwapCase(Struct, frozen=True, kw_only=True):
    id: str
    pool: dict[str, object]
    swap: SwapRequest
    expect: dict[str, object]
    tags: tuple[str, ...] = ()


def _check_swap(rules: VenueRules, case: Mapping[str, object], source: str) -> CaseResult:
    case_id = case.get("id")
    where = f"{source}, case {case_id}" if isinstance(case_id, str) else source
    decoded = decode_as(case, _SwapCase, where, "a swap case (id, pool, swap, expect, tags)")
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
        pool = rules.pool(_named(decoded.pool, decoded.id))
    except InvalidData as error:
        raise InvalidData(where, f"{error.source}: {error.found}", error.expected) from error
    try:
        figures = rules.figures(pool, decoded.swap)
    except OrderEngineError as error:
        if "error" in expect:
            return CaseResult(case_id=decoded.id, status=CaseStatus.PASSED)
        return result_of(decoded.id, (Mismatch("error", "none", f"{error.code}: {error}"),))
    if "error" in expect:
        skip_reason = rules.skipped_errors.get(str(expect["error"]))
        if skip_reason is not None:
            return CaseResult(case_id=decoded.id, status=CaseStatus.SKIPPED, reason=skip_reason)
        got = f"amount_in {figures['amount_in']}, amount_out {figures['amount_out']}"
        return result_of(decoded.id, (Mismatch("error", str(expect["error"]), got),))
    mismatches = []
    for name, got_value in figures.items():
        if name in expect:
            wanted = expect[name]
            expected = (
                int(wanted)
                if isinstance(wanted, bool)
                else decode_as(wanted, int, f"{where}, expect.{name}", "an integer")
            )
            if expected != got_value:
                mismatches.append(Mismatch(name, str(expected), str(got_value)))
    return result_of(decoded.id, tuple(mismatches))


def _require_keys(case: Mapping[str, object], path: str, keys: tuple[str, ...], where: str) -> None:
    found: object = case
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise InvalidData(where, f"no object {path}", f"an object {path} with {', '.join(keys)}")
    missing = [key for key in keys if key not in found]
    if missing:
        raise InvalidData(where, f"{path} without {', '.join(missing)}", ", ".join(keys))
