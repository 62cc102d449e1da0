"""Check that the checker tells passed, failed, skipped and malformed apart."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from orderengine.errors import InvalidData
from orderengine.pools import Direction
from orderengine.pools.verify import (
    CaseStatus,
    check_case,
    check_line,
    pool_of,
    venue_of_file_name,
)

CPMM: dict[str, Any] = {
    "id": "c-1",
    "pool": {
        "reserve_a": "1000",
        "reserve_b": "2000",
        "trade_fee_rate": "0",
        "creator_fee_rate": "0",
        "protocol_fee_rate": "0",
        "fund_fee_rate": "0",
        "creator_fee_on": "both",
    },
    "swap": {"direction": "a_to_b", "mode": "exact_in", "amount": "1000"},
    "expect": {"amount_in": "1000", "amount_out": "1000", "fee": "0"},
    "tags": [],
}
DLMM: dict[str, Any] = {
    "id": "d-1",
    "pool": {
        "active_id": 0,
        "bin_step": 10,
        "parameters": {
            "base_factor": 0,
            "base_fee_power_factor": 0,
            "variable_fee_control": 0,
            "max_volatility_accumulator": 0,
            "filter_period": 1,
            "decay_period": 2,
            "reduction_factor": 0,
            "protocol_share": 0,
        },
        "v_parameters": {
            "volatility_accumulator": 0,
            "volatility_reference": 0,
            "index_reference": 0,
            "last_update_timestamp": 0,
        },
        "collect_fee_mode": 0,
        "supports_limit_order": False,
        "bins": [{"id": 0, "amount_x": "0", "amount_y": "50"}],
    },
    "swap": {"direction": "a_to_b", "mode": "exact_in", "amount": "20", "timestamp": 9},
    "expect": {"amount_in": "20", "amount_out": "20", "fee_on_input": True, "end_bin": 0},
    "tags": [],
}

ORCA: dict[str, Any] = {
    "id": "o-1",
    "pool": {
        "tick_spacing": 64,
        "fee_rate": 3000,
        "protocol_fee_rate": 1300,
        "tick_current": 0,
        "sqrt_price_x64": str(1 << 64),
        "liquidity": "1000000",
        "ticks": [],
        "tick_array_starts": [0],
    },
    "swap": {"direction": "a_to_b", "mode": "exact_in", "amount": "20", "timestamp": 9},
    "expect": {"error": "tick_array_sequence_exhausted"},
    "tags": [],
}


def changed(case: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the case with the field at a dotted path set, or dropped for None."""
    result = copy.deepcopy(case)
    *parents, last = path.split(".")
    inner: dict[str, Any] = result
    for parent in parents:
        inner = inner[parent]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return result


@pytest.mark.parametrize(("venue", "case"), [("raydium_cpmm", CPMM), ("meteora_dlmm", DLMM)])
def test_check_case_passes_a_right_case(venue: str, case: dict[str, Any]) -> None:
    """A case whose numbers are ours passes, decoded or as a line."""
    assert check_case(venue, case, "x").status is CaseStatus.PASSED
    assert check_line(venue, json.dumps(case), "x").status is CaseStatus.PASSED
    assert check_line(venue, json.dumps(case).encode(), "x").status is CaseStatus.PASSED


@pytest.mark.parametrize(
    ("venue", "case", "path", "value", "mismatch"),
    [
        ("raydium_cpmm", CPMM, "expect.amount_out", "1001", ("amount_out", "1001", "1000")),
        ("raydium_cpmm", CPMM, "expect.fee", "1", ("fee", "1", "0")),
        ("meteora_dlmm", DLMM, "expect.end_bin", 1, ("end_bin", "1", "0")),
        ("meteora_dlmm", DLMM, "expect.fee_on_input", False, ("fee_on_input", "0", "1")),
    ],
)
def test_check_case_names_the_field_that_differs(
    venue: str, case: dict[str, Any], path: str, value: object, mismatch: tuple[str, str, str]
) -> None:
    """A wrong number fails with its field, what was expected and what came out."""
    result = check_case(venue, changed(case, path, value), "x")
    assert result.status is CaseStatus.FAILED
    (found,) = result.mismatches
    assert (found.field, found.expected, found.got) == mismatch


def test_check_case_compares_errors_by_presence() -> None:
    """An expected error passes whatever its kind; an error on one side only fails."""
    failing = changed(CPMM, "swap", {"direction": "a_to_b", "mode": "exact_out", "amount": "2000"})
    assert check_case("raydium_cpmm", failing, "x").mismatches[0].field == "error"
    expected = changed(failing, "expect", {"error": "any kind"})
    assert check_case("raydium_cpmm", expected, "x").status is CaseStatus.PASSED
    unexpected = check_case("raydium_cpmm", changed(CPMM, "expect", {"error": "no"}), "x")
    assert unexpected.mismatches[0].expected == "no"


def test_check_case_skips_the_quirk_with_its_reason() -> None:
    """A case tagged with the SDK's quirk is not judged."""
    case = changed(changed(DLMM, "tags", ["sdk_quirk_zero_net_bin"]), "expect.amount_in", "1")
    result = check_case("meteora_dlmm", case, "x")
    assert result.status is CaseStatus.SKIPPED
    assert "under-quote" in result.reason


def test_check_case_skips_an_orca_case_that_only_the_sdk_runs_out_of() -> None:
    """Told of the tick arrays, the pool ends there too; not told, it swaps on and is not judged."""
    case = copy.deepcopy(ORCA)
    assert check_case("orca_whirlpool", case, "x").status is CaseStatus.PASSED
    whole = check_case("orca_whirlpool", changed(case, "pool.tick_array_starts", None), "x")
    assert whole.status is CaseStatus.SKIPPED
    assert "tick arrays" in whole.reason
    other = changed(changed(case, "pool.tick_array_starts", None), "expect.error", "exceeds_u64")
    assert check_case("orca_whirlpool", other, "x").status is CaseStatus.FAILED


def test_check_case_compares_partial_fills_at_the_last_price() -> None:
    """The SDK fills in part what an engine refuses without a limit."""
    case = changed(changed(ORCA, "pool.tick_array_starts", None), "pool.liquidity", "0")
    case = changed(case, "expect", {"amount_in": "0", "amount_out": "0", "partial": True})
    assert check_case("orca_whirlpool", case, "x").status is CaseStatus.PASSED
    whole = changed(case, "expect.partial", False)
    assert check_case("orca_whirlpool", whole, "x").mismatches[0].field == "partial"


def test_check_case_judges_whirlpool_ticks() -> None:
    """A point of the tick table, with a sqrt price to find the tick of or without."""
    right = {"tick": 0, "sqrt_price_x64": str(1 << 64)}
    assert check_case("orca_whirlpool", right, "x").status is CaseStatus.PASSED
    probed = {**right, "probe_sqrt_price_x64": str((1 << 64) - 1), "tick_at_probe": 0}
    (mismatch,) = check_case("orca_whirlpool", probed, "x").mismatches
    assert (mismatch.field, mismatch.got) == ("tick_at_probe", "-1")


def test_check_case_judges_bin_prices() -> None:
    """A price point of the same venue is told by its keys."""
    right = {"bin_id": 0, "bin_step": 10, "price_x64": str(1 << 64)}
    assert check_case("meteora_dlmm", right, "x").status is CaseStatus.PASSED
    wrong = check_case("meteora_dlmm", {**right, "price_x64": "1"}, "x")
    assert wrong.mismatches[0].got == str(1 << 64)


@pytest.mark.parametrize(
    ("venue", "case", "path", "value", "expected"),
    [
        ("raydium_cpmm", CPMM, "id", None, "id"),
        ("raydium_cpmm", CPMM, "pool", None, "pool"),
        ("raydium_cpmm", CPMM, "swap", None, "swap"),
        ("raydium_cpmm", CPMM, "expect", None, "expect"),
        ("raydium_cpmm", CPMM, "expect.amount_out", None, "amount_out"),
        ("raydium_cpmm", CPMM, "expect.amount_out", "many", "expect.amount_out"),
        ("raydium_cpmm", CPMM, "pool.reserve_a", None, "reserve_a"),
        ("raydium_cpmm", CPMM, "pool.reserve_a", "-1", "0 or more"),
        ("raydium_cpmm", CPMM, "pool.creator_fee_on", None, "creator_fee_on"),
        ("raydium_cpmm", CPMM, "swap.amount", None, "amount"),
        ("raydium_cpmm", CPMM, "swap.amount", "1.5", "swap.amount"),
        ("raydium_cpmm", CPMM, "swap.direction", "up", "direction"),
        ("meteora_dlmm", DLMM, "swap.timestamp", None, "timestamp"),
        ("meteora_dlmm", DLMM, "pool.bins", None, "bins"),
        ("meteora_dlmm", DLMM, "pool.parameters", None, "parameters"),
        ("meteora_dlmm", DLMM, "pool.parameters.base_factor", None, "base_factor"),
        ("meteora_dlmm", DLMM, "pool.v_parameters", None, "v_parameters"),
        ("meteora_dlmm", DLMM, "pool.v_parameters.index_reference", None, "index_reference"),
        ("meteora_dlmm", DLMM, "pool.bins", [{"id": 0, "amount_x": "0"}], "amount_y"),
        ("meteora_dlmm", DLMM, "pool.bin_step", 0, "a step from 1"),
        ("orca_whirlpool", ORCA, "pool.liquidity", None, "liquidity"),
        ("orca_whirlpool", ORCA, "pool.tick_array_starts", [0, 1], "follow one another"),
        ("orca_whirlpool", ORCA, "pool.tick_spacing", 0, "tick_spacing"),
        ("orca_whirlpool", ORCA, "pool.tick_current", 5, "tick of sqrt_price_x64"),
        ("orca_whirlpool", ORCA, "swap.timestamp", None, "timestamp"),
        ("meteora_dlmm", {"bin_id": 1, "bin_step": 1}, "bin_step", 1, "price_x64"),
    ],
)
def test_check_case_refuses_a_malformed_case(
    venue: str, case: dict[str, Any], path: str, value: object, expected: str
) -> None:
    """The error names the line and what is missing or wrong; it is no failed case."""
    with pytest.raises(InvalidData) as caught:
        check_case(venue, changed(case, path, value), "file.jsonl:7")
    assert caught.value.source.startswith("file.jsonl:7")
    assert expected in str(caught.value)


@pytest.mark.parametrize("case", [[], "text", 3, None])
def test_check_case_refuses_what_is_no_object(case: object) -> None:
    """A case must be a JSON object."""
    with pytest.raises(InvalidData, match="as a JSON object"):
        check_case("raydium_cpmm", case, "file.jsonl:7")


@pytest.mark.parametrize("line", ["", "{", "{'id': 1}", b"\xff"])
def test_check_line_refuses_what_is_no_json(line: str | bytes) -> None:
    """A line must be JSON."""
    with pytest.raises(InvalidData, match=r"file\.jsonl:7: expected one JSON object"):
        check_line("raydium_cpmm", line, "file.jsonl:7")


def test_check_case_refuses_an_unknown_venue() -> None:
    """The error lists the venues there are."""
    with pytest.raises(InvalidData, match=r"meteora_dlmm.*raydium_cpmm"):
        check_case("uniswap", CPMM, "x")


@pytest.mark.parametrize(
    ("name", "venue"),
    [
        ("meteora_dlmm_public.jsonl", "meteora_dlmm"),
        ("meteora_dlmm_binprice.jsonl", "meteora_dlmm"),
        ("some/dir.d/raydium_cpmm_more.jsonl", "raydium_cpmm"),
        ("C:\\data\\raydium_cpmm.jsonl", "raydium_cpmm"),
    ],
)
def test_venue_of_file_name_reads_its_start(name: str, venue: str) -> None:
    """The venue is what the file's name starts with, whatever its folder."""
    assert venue_of_file_name(name) == venue


@pytest.mark.parametrize("name", ["public.jsonl", "meteora_dlmm/public.jsonl", ""])
def test_venue_of_file_name_refuses_others(name: str) -> None:
    """A name that starts with no venue is refused with the names that would do."""
    with pytest.raises(InvalidData, match=r"starts with .*meteora_dlmm.*raydium_cpmm"):
        venue_of_file_name(name)


@pytest.mark.parametrize(("venue", "case"), [("raydium_cpmm", CPMM), ("meteora_dlmm", DLMM)])
def test_a_bare_pool_quotes_as_its_case_expects(venue: str, case: dict[str, Any]) -> None:
    """The pool of a case, built without its swap, gives the case's answer."""
    pool = pool_of(venue, case["pool"], case["id"])
    assert (pool.venue, pool.address) == (venue, case["id"])
    swap = pool.swap_exact_in(Direction.A_TO_B, int(case["swap"]["amount"]), 9)
    assert swap.amount_out == int(case["expect"]["amount_out"])


def test_a_bare_pool_of_an_unknown_venue_is_refused() -> None:
    """The error names the venues that are known."""
    with pytest.raises(InvalidData, match="raydium_cpmm"):
        pool_of("nobody", CPMM["pool"], "p")


@pytest.mark.parametrize("venue", ["raydium_clmm", "orca_whirlpool"])
def test_a_tick_point_is_checked_whole(venue: str) -> None:
    """A price that differs fails, a probe that differs too; half a probe is no point."""
    point: dict[str, object] = {"tick": 0, "sqrt_price_x64": str(2**64)}
    assert check_case(venue, point, "x").status is CaseStatus.PASSED
    (wrong,) = check_case(venue, point | {"sqrt_price_x64": str(2**64 + 1)}, "x").mismatches
    assert (wrong.field, wrong.got) == ("sqrt_price_x64", str(2**64))
    probe = {"probe_sqrt_price_x64": str(2**64 + 1), "tick_at_probe": 1}
    (wrong,) = check_case(venue, point | probe, "x").mismatches
    assert (wrong.field, wrong.expected, wrong.got) == ("tick_at_probe", "1", "0")
    for key, value in probe.items():
        with pytest.raises(InvalidData, match="a probe without its tick"):
            check_case(venue, point | {key: value}, "x")
