"""Check that pools keep in a file to the last field, and that what is not known is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.errors import InvalidData
from orderengine.pools import (
    Direction,
    DlmmBinSpec,
    DlmmFeeParameters,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    Pool,
    RaydiumCpmmPool,
)
from orderengine.pools.fixed_point import U64_MAX
from orderengine.pools.snapshot import Snapshot, decode_snapshot, encode_snapshot, with_tokens
from tests.pools.strategies import NOW_S, cpmm_pools, dlmm_pools, untimed
from tests.pools.strategies_amm_v4 import amm_v4_pools
from tests.pools.strategies_clmm import clmm_pools
from tests.pools.strategies_damm import damm_pools
from tests.pools.strategies_whirlpool import whirlpool_pools

BIG = 2**53
A, B = "A", "B"
POOL = RaydiumCpmmPool(
    address="x",
    token_a=A,
    token_b=B,
    reserve_a=BIG,
    reserve_b=BIG - 1,
    trade_fee_rate=2_500,
    protocol_fee_rate=0,
    fund_fee_rate=0,
)
FIELDS = (
    '"accrued_fee_a":0,"accrued_fee_b":0,"address":"x","creator_fee_on":"both",'
    '"creator_fee_rate":0,"fund_fee_rate":0,"open_time_s":0,"protocol_fee_rate":0,"reserve_a":"9007199254740992",'
    '"reserve_b":9007199254740991,"token_a":"A","token_b":"B","trade_fee_rate":2500'
)
FORM = (
    '{"pools":[\n{"pool":{' + FIELDS + '},"venue":"raydium_cpmm"}\n],'
    '"slot":7,"time_s":1783355400,"version":1}\n'
)


def kept(*pools: Pool, slot: int = 7, time_s: int = 1_783_355_400) -> Snapshot:
    """Return a snapshot."""
    return Snapshot(slot=slot, time_s=time_s, pools=pools)


def test_the_form_is_this_to_the_byte() -> None:
    """Sorted keys, a pool a line, integers that a double cannot hold as strings."""
    assert encode_snapshot(kept(POOL)).decode() == FORM
    assert decode_snapshot(FORM.encode(), "s.json") == kept(POOL)
    assert decode_snapshot(encode_snapshot(kept()), "s.json") == kept()


@untimed
@given(
    st.tuples(
        damm_pools(),
        dlmm_pools(),
        whirlpool_pools(),
        amm_v4_pools(),
        clmm_pools(),
        cpmm_pools(),
    ),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32),
)
def test_any_pool_comes_back_whole(pools: tuple[Pool, ...], slot: int, time_s: int) -> None:
    """Every field of all six programs, so every quote; their order does not change the bytes."""
    assume(all(max(pool.vault_a, pool.vault_b) <= U64_MAX for pool in pools))
    data = encode_snapshot(kept(*reversed(pools), slot=slot, time_s=time_s))
    read = decode_snapshot(data, "s.json")
    assert read == kept(*pools, slot=slot, time_s=time_s)
    assert encode_snapshot(read) == data
    for pool in pools:
        assert read.find(pool.address) == pool
    assert read.find("nobody") is None


@given(dlmm_pools())
def test_tokens_are_renamed_and_nothing_else(pool: MeteoraDlmmPool) -> None:
    """Symbols in place of mints do not change a quote."""
    renamed = with_tokens(pool, "X", "Y")
    assert (renamed.token_a, renamed.token_b) == ("X", "Y")
    assert with_tokens(renamed, pool.token_a, pool.token_b) == pool
    limit = pool.price_x64 // 2
    assert renamed.amount_in_to_price(Direction.A_TO_B, limit, NOW_S) == pool.amount_in_to_price(
        Direction.A_TO_B, limit, NOW_S
    )


@given(cpmm_pools())
def test_integers_may_be_either_text_or_number(pool: RaydiumCpmmPool) -> None:
    """All as strings, and all as numbers, are the same snapshot."""
    wire = json.loads(encode_snapshot(kept(pool)))
    described = wire["pools"][0]["pool"]
    for form in (str, int):
        wire["slot"], wire["version"] = form(7), form(1)
        for name, value in described.items():
            if name.startswith(("reserve", "accrued")) or name.endswith("rate"):
                described[name] = form(value)
        assert decode_snapshot(json.dumps(wire).encode(), "s.json") == kept(pool)


def changed(path: str, value: object) -> bytes:
    """Return the form with a value elsewhere; None takes the key out."""
    wire: Any = json.loads(FORM)
    *parents, last = path.split(".")
    at = wire
    for part in parents:
        at = at[int(part)] if part.isdigit() else at[part]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return json.dumps(wire).encode()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("version", 2, "s.json: expected a snapshot of version 1, found version 2"),
        ("version", True, "version True"),
        ("version", None, "no version"),
        ("slot", -1, "slot -1"),
        ("slot", "1.5", "slot '1.5'"),
        ("slot", None, "no slot"),
        ("time_s", 10**12, "time_s from 0 to"),
        ("more", 1, "unknown field 'more'"),
        ("pools", {}, "a list of pools"),
        ("pools.0.venue", "lifinity", "s.json, pools[0]: expected one of"),
        ("pools.0.venue", 3, "venue 3"),
        ("pools.0.more", 3, "pools[0]: expected venue and pool, found unknown field 'more'"),
        ("pools.0.pool", [], "pools[0].pool: expected a JSON object"),
        ("pools.0.pool.more", 1, "pools[0].pool 'x': expected one of address"),
        ("pools.0.pool.reserve_a", None, "reserve_a"),
        ("pools.0.pool.reserve_a", "1e3", "reserve_a"),
        ("pools.0.pool.reserve_a", "007", "reserve_a"),
        ("pools.0.pool.reserve_a", True, "reserve_a"),
        ("pools.0.pool.reserve_a", -1, "balances of 0 or more"),
        ("pools.0.pool.trade_fee_rate", 10**6, "trade_fee_rate 1000000"),
        ("pools.0.pool.creator_fee_on", "nobody", "creator_fee_on"),
        ("pools.0.pool.token_a", 5, "token_a"),
        ("pools.0.pool.token_a", "B", "token 'B' on both sides"),
        ("pools.0.pool.token_a", "\ud800", "half of a surrogate pair"),
        ("pools.0.pool.reserve_b", "18446744073709551616", "vault B with 18446744073709551616"),
    ],
)
def test_what_is_not_known_is_refused_by_name(path: str, value: object, said: str) -> None:
    """The file, the pool, the field."""
    with pytest.raises(InvalidData) as raised:
        decode_snapshot(changed(path, value), "s.json")
    assert str(raised.value).startswith("s.json")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "no JSON"),
        (lambda text: "[]", "a JSON object"),
        (lambda text: text[:-5], "no JSON"),
        (lambda text: text.replace("7,", "7.0,"), "integers only"),
        (lambda text: text.replace('"slot":7', '"slot":NaN'), "integers only"),
        (lambda text: text.replace('"slot":7', '"slot":7,"slot":7'), "the key 'slot' twice"),
        (lambda text: text.replace('"slot":7', f'"slot":{"9" * 5_000}'), "no JSON"),
        (lambda text: "[" * 100_000, "nested too deep"),
        (lambda text: text.replace("\n]", ",\n" + text.split("\n")[1] + "]"), "'x' twice"),
    ],
)
def test_what_is_no_snapshot_is_refused(change: Callable[[str], str], said: str) -> None:
    """Text that is cut, doubled or made up."""
    with pytest.raises(InvalidData, match=said):
        decode_snapshot(change(FORM).encode(), "s.json")
    with pytest.raises(InvalidData, match="UTF-8"):
        decode_snapshot(b"\xff\xfe", "s.json")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"bin_step"', '"more":1,"bin_step"', "unknown field more"),
        ('"amount_x"', '"more":1,"amount_x"', "unknown field bins[0].more"),
        ('"supports_limit_order":true', '"supports_limit_order":1', "supports_limit_order 1"),
        ('"id":5,', '"id":5.0,', "integers only"),
        ('"id":5,', '"id":"5.0",', "bins[0].id '5.0'"),
        ('"id":5,', '"id":600000,', "600000"),
    ],
)
def test_a_field_below_is_refused_by_its_path(old: str, new: str, said: str) -> None:
    """What a lenient reader would pass over or read as something near it."""
    spec = MeteoraDlmmSpec(
        address="x",
        token_a=A,
        token_b=B,
        bin_step=100,
        active_id=5,
        parameters=DlmmFeeParameters(base_factor=1),
        bins=(DlmmBinSpec(id=5, amount_a=1, amount_b=1),),
    )
    text = encode_snapshot(kept(MeteoraDlmmPool.from_spec(spec))).decode()
    assert old in text
    with pytest.raises(InvalidData) as raised:
        decode_snapshot(text.replace(old, new, 1).encode(), "s.json")
    assert said in str(raised.value)


def test_a_pool_twice_is_not_written() -> None:
    """Nobody could say which of the two counts."""
    with pytest.raises(InvalidData, match="twice"):
        encode_snapshot(kept(POOL, POOL))
