"""Check the reading of Orca Whirlpools: made accounts, and recorded ones where at hand."""

from __future__ import annotations

import base64
import json
import re

import pytest

from orderengine.errors import InsufficientLiquidity
from orderengine.pools import (
    Direction,
    OrcaWhirlpoolPool,
    OrcaWhirlpoolSpec,
    WhirlpoolAdaptiveFee,
    WhirlpoolTick,
)
from orderengine.pools.fixed_point import Q64
from orderengine.pools.orca_whirlpool_ticks import TICK_MAX, TICK_MIN, sqrt_price_at_tick
from orderengine.solana.accounts import Account, Accounts, address_of, key_bytes, program_address
from orderengine.venues.accounts.orca_whirlpool import ORCA_WHIRLPOOL
from tests.shared import shared_path
from tests.venues.accounts.made import token_account
from tests.venues.accounts.recorded import (
    changed,
    refusal,
    refusal_of_changed,
    require_golden_quotes,
)

PROGRAM = ORCA_WHIRLPOOL.program_id
POOL, VAULT_A, VAULT_B, MINT_A, MINT_B = (
    address_of(bytes([number]) * 32) for number in range(1, 6)
)
SIZE = 88 * 64
"""Ticks that one array of a pool with spacing 64 spans."""


def array_address(start: int) -> str:
    """Return where the program keeps an array."""
    return program_address(PROGRAM, b"tick_array", key_bytes(POOL), str(start).encode())


def packed(size: int, fields: dict[int, bytes]) -> bytes:
    """Return bytes that are 0 but for some fields at their offsets."""
    data = bytearray(size)
    for offset, field in fields.items():
        data[offset : offset + len(field)] = field
    return bytes(data)


def number(value: int, size: int) -> bytes:
    """Return a little-endian integer, signed if it is negative."""
    return value.to_bytes(size, "little", signed=value < 0)


def pool_account(fee_tier_index: int = 64) -> Account:
    """Return a pool of spacing 64 at price 1 with a million of liquidity."""
    fields = {
        0: bytes.fromhex("3f95d10ce1806309"),
        41: number(64, 2),
        43: number(fee_tier_index, 2),
        45: number(3_000, 2),
        47: number(1_300, 2),
        49: number(10**6, 16),
        65: number(Q64, 16),
        81: number(0, 4),
        85: number(7, 8),
        93: number(70, 8),
        101: key_bytes(MINT_A),
        133: key_bytes(VAULT_A),
        181: key_bytes(MINT_B),
        213: key_bytes(VAULT_B),
        261: number(1_700_000_000, 8),
    }
    return Account(POOL, PROGRAM, packed(653, fields))


def tick_bytes(net: int) -> bytes:
    """Return an initialised tick."""
    return b"\1" + number(net, 16) + number(abs(net), 16) + bytes(80)


def fixed_array(start: int, nets: dict[int, int]) -> Account:
    """Return an array that gives every tick its place."""
    fields = {
        0: bytes.fromhex("4561bdbe6e0742bb"),
        8: number(start, 4),
        9_956: key_bytes(POOL),
        **{12 + 113 * ((tick - start) // 64): tick_bytes(net) for tick, net in nets.items()},
    }
    return Account(array_address(start), PROGRAM, packed(9_988, fields))


def dynamic_array(start: int, nets: dict[int, int]) -> Account:
    """Return an array that has one byte for a tick that is not initialised."""
    fields = {
        0: bytes.fromhex("11d8f68ee1c7da38"),
        8: number(start, 4),
        12: key_bytes(POOL),
        44: number(sum(1 << (tick - start) // 64 for tick in nets), 16),
    }
    head = packed(60, fields)
    ticks = (start + 64 * index for index in range(88))
    body = b"".join(tick_bytes(nets[tick]) if tick in nets else b"\0" for tick in ticks)
    return Account(array_address(start), PROGRAM, head + body)


def oracle_account() -> Account:
    """Return an oracle with a different number in each field."""
    fields = {
        0: bytes.fromhex("8bc283b38cb3e5f4"),
        8: key_bytes(POOL),
        40: number(1_600_000_000, 8),
        48: number(30, 2),
        50: number(600, 2),
        52: number(500, 2),
        54: number(4_000, 4),
        58: number(350_000, 4),
        62: number(32, 2),
        64: number(33, 2),
        82: number(1_700_000_001, 8),
        90: number(1_700_000_002, 8),
        98: number(10_001, 4),
        102: number(-2, 4),
        106: number(20_002, 4),
    }
    address = program_address(PROGRAM, b"oracle", key_bytes(POOL))
    return Account(address, PROGRAM, packed(254, fields))


def made_accounts() -> list[Account]:
    """Return pool, vaults and two arrays of either kind: a position from tick -64 to 128."""
    return [
        pool_account(),
        token_account(VAULT_A, MINT_A, 5_000_000),
        token_account(VAULT_B, MINT_B, 6_000_000),
        dynamic_array(-SIZE, {-64: 10**6}),
        fixed_array(0, {128: -(10**6)}),
    ]


def decoded(accounts: list[Account], absent: tuple[str, ...] = ()) -> OrcaWhirlpoolPool:
    """Return the pool that accounts hold."""
    pool = ORCA_WHIRLPOOL.decode(accounts[0], Accounts(accounts, absent)).pool
    assert isinstance(pool, OrcaWhirlpoolPool)
    return pool


def test_pool_is_read_field_by_field() -> None:
    """Ticks come from both kinds of array; those two bound what is known."""
    accounts = made_accounts()
    assert ORCA_WHIRLPOOL.is_pool(accounts[0])
    assert ORCA_WHIRLPOOL.decode(accounts[0], Accounts(accounts)).time_s == 1_700_000_000
    assert decoded(accounts).to_spec() == OrcaWhirlpoolSpec(
        address=POOL,
        token_a=MINT_A,
        token_b=MINT_B,
        tick_spacing=64,
        fee_rate=3_000,
        protocol_fee_rate=1_300,
        tick_current=0,
        sqrt_price_x64=Q64,
        liquidity=10**6,
        ticks=(WhirlpoolTick(-64, 10**6, 10**6), WhirlpoolTick(128, -(10**6), 10**6)),
        known_ticks=(-SIZE, SIZE - 1),
        accrued_fee_a=7,
        accrued_fee_b=70,
        vault_a=5_000_000,
        vault_b=6_000_000,
    )


def test_addresses_are_what_a_swap_may_need() -> None:
    """Vaults, the arrays within reach in the order of their ticks, and an oracle if adaptive."""
    arrays = tuple(array_address(start) for start in (-SIZE, 0, SIZE))
    assert ORCA_WHIRLPOOL.addresses(pool_account(), 1) == (VAULT_A, VAULT_B, *arrays)
    assert ORCA_WHIRLPOOL.addresses(pool_account(), 0) == (VAULT_A, VAULT_B, arrays[1])
    oracle = oracle_account().address
    adaptive = ORCA_WHIRLPOOL.addresses(pool_account(1_024), 0)
    assert adaptive == (VAULT_A, VAULT_B, oracle, arrays[1])
    # From tick -443636 to 443636 there are 79 arrays on each side of 0.
    assert len(ORCA_WHIRLPOOL.addresses(pool_account(), 1_000)) == 2 + 158


def test_an_array_that_was_not_read_bounds_and_one_that_is_absent_does_not() -> None:
    """Without the array below, a swap down ends at tick 0; without anything there, at its edge."""
    accounts = [account for account in made_accounts() if account.address != array_address(-SIZE)]
    bounded = decoded(accounts)
    assert bounded.liquidity_map.first_tick == 0
    with pytest.raises(InsufficientLiquidity, match=f"known from 0 to {SIZE - 1} only"):
        bounded.swap_exact_in(Direction.A_TO_B, 1_000, 0)
    empty_below = decoded(accounts, (array_address(-SIZE),))
    assert empty_below.liquidity_map.first_tick == -SIZE
    assert empty_below.swap_exact_in(Direction.A_TO_B, 1_000, 0).amount_out == 996
    everywhere = tuple(array_address(start) for start in range(-79 * SIZE, 79 * SIZE, SIZE))
    whole = decoded(accounts, everywhere).liquidity_map
    assert (whole.first_tick, whole.last_tick) == (TICK_MIN, TICK_MAX)
    none_at_all = decoded(accounts[:3], everywhere)
    assert none_at_all.liquidity_map.ticks == ()


def test_an_adaptive_pool_needs_its_oracle() -> None:
    """An index of the fee tier that is not the spacing says so; times of the oracle count."""
    accounts = made_accounts()
    accounts[0] = pool_account(1_024)
    assert "oracle of Orca Whirlpool" in refusal(ORCA_WHIRLPOOL, accounts[0], accounts[1:])
    accounts.append(oracle_account())
    assert decoded(accounts).adaptive_fee == WhirlpoolAdaptiveFee(
        filter_period=30,
        decay_period=600,
        reduction_factor=500,
        adaptive_fee_control_factor=4_000,
        max_volatility_accumulator=350_000,
        tick_group_size=32,
        major_swap_threshold_ticks=33,
        last_reference_update_timestamp=1_700_000_001,
        last_major_swap_timestamp=1_700_000_002,
        volatility_reference=10_001,
        tick_group_index_reference=-2,
        volatility_accumulator=20_002,
        trade_enable_timestamp=1_600_000_000,
    )
    assert ORCA_WHIRLPOOL.decode(accounts[0], Accounts(accounts)).time_s == 1_700_000_002
    accounts[-1] = changed(accounts[-1], 8, b"\0")
    assert "Orca oracle" in refusal(ORCA_WHIRLPOOL, accounts[0], accounts[1:])


@pytest.mark.parametrize(
    ("index", "offset", "new", "said"),
    [
        (0, 0, b"\0", "Orca Whirlpool.*discriminator 3f95d10ce1806309, found.*0095d1"),
        (0, 41, bytes(2), "at least 1, found tick_spacing 0"),
        (0, 81, number(TICK_MAX + 1, 4), "found tick_current_index 443637"),
        (0, 81, number(1, 4), "tick of sqrt_price_x64"),
        (1, 0, b"\0", "vault A.*mint"),
        (
            3,
            8,
            number(0, 4),
            "dynamic tick array.*start_tick_index -5632, found.*start_tick_index 0",
        ),
        (3, 12, b"\0", "dynamic tick array.*whirlpool"),
        (3, 44, b"\1", "what tick_bitmap says, found initialized of tick -5632 0"),
        (3, 60, b"\2", "0 or 1, found initialized of tick -5632 2"),
        (3, 61, b"\1", "what tick_bitmap says, found initialized of tick -5568 1"),
        (4, 0, b"\0", "discriminator"),
        (4, 8, number(64, 4), "start_tick_index 0, found start_tick_index 64"),
        (4, 9_956, b"\0", "tick array.*whirlpool"),
        (4, 12, b"\3", "0 or 1, found initialized of tick 0 3"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    index: int, offset: int, new: bytes, said: str
) -> None:
    """Account, field and expectation."""
    assert re.search(said, refusal_of_changed(ORCA_WHIRLPOOL, made_accounts(), index, offset, new))


def test_a_missing_account_is_named() -> None:
    """The vault or the array of the price that a dump lacks."""
    pool, vault_a, vault_b, below, here = made_accounts()
    assert "vault B" in refusal(ORCA_WHIRLPOOL, pool, [vault_a, below, here])
    assert "tick array from 0" in refusal(ORCA_WHIRLPOOL, pool, [vault_a, vault_b, below])
    short = Account(below.address, below.owner, below.data[:-1])
    said = refusal(ORCA_WHIRLPOOL, pool, [vault_a, vault_b, short, here])
    assert "at least 260 bytes, found length 259" in said
    longer = Account(pool.address, pool.owner, pool.data + b"\0")
    assert not ORCA_WHIRLPOOL.is_pool(longer)


@pytest.mark.needs_shared_data
def test_recorded_accounts_give_the_golden_quotes() -> None:
    """The pool's three quotes of 2026-07-06, up to 1000 SOL over several ticks, to the unit."""
    require_golden_quotes(ORCA_WHIRLPOOL, "orca-whirlpool", 3)


def recorded(name: str) -> bytes:
    """Return the bytes of a single recorded account of the program."""
    folder = shared_path("pools/single_accounts/raw")
    dump = json.loads((folder / f"carbon_orca-whirlpool_{name}.json").read_text())
    assert dump["owner"] == PROGRAM
    return base64.b64decode(dump["data"])


@pytest.mark.needs_shared_data
def test_recorded_dynamic_array_is_read() -> None:
    """From tick 45056 on, its 33rd tick is the only initialised one; the pool around it is made."""
    data = recorded("dynamic_tick_array_account0")
    address = address_of(data[12:44])
    made = pool_account()
    tick = 45_056 + 100
    fields = {
        65: number(sqrt_price_at_tick(tick), 16),
        81: number(tick, 4),
    }
    for offset, new in fields.items():
        made = changed(made, offset, new)
    pool = Account(address, PROGRAM, made.data)
    seeds = (b"tick_array", key_bytes(address), b"45056")
    array = Account(program_address(PROGRAM, *seeds), PROGRAM, data)
    _, vault_a, vault_b, *_ = made_accounts()
    ticks = decoded([pool, vault_a, vault_b, array]).liquidity_map.ticks
    net = 74_989_308_705
    assert ticks == (WhirlpoolTick(45_056 + 32 * 64, net, net),)


@pytest.mark.needs_shared_data
def test_recorded_splash_pool_and_fixed_array_are_read() -> None:
    """Two arrays cover all ticks; the upper one, which was not recorded, is taken as absent."""
    data = recorded("tick_array_account")
    address = address_of(data[9_956:])
    pool = Account(address, PROGRAM, recorded("whirlpool_account"))
    below, above = (
        program_address(PROGRAM, b"tick_array", key_bytes(address), start)
        for start in (b"-2894848", b"0")
    )
    vault_a, vault_b = ORCA_WHIRLPOOL.addresses(pool, 1)[:2]
    assert ORCA_WHIRLPOOL.addresses(pool, 1)[2:] == (below, above)
    mint_a, mint_b = address_of(pool.data[101:133]), address_of(pool.data[181:213])
    accounts = [
        pool,
        token_account(vault_a, mint_a, 10**9),
        token_account(vault_b, mint_b, 10**15),
        Account(below, PROGRAM, data),
    ]
    splash = decoded(accounts, (above,))
    assert splash.liquidity_map.ticks == (WhirlpoolTick(-427_648, 141_421_356, 141_421_356),)
    # sqrt price 70710.678..., so 1999.9999966 A and 9999999983219.69 B
    # of virtual reserves; 99 net A of 100 go in: 471653168137.99 down.
    assert splash.swap_exact_in(Direction.A_TO_B, 100, 0).amount_out == 471_653_168_137
