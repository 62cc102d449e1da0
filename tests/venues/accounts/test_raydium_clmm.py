"""Check the reading of Raydium CLMM accounts: made ones, and recorded ones where at hand."""

from __future__ import annotations

import base64
import gzip
import json
import re
from struct import pack

import pytest

from orderengine.errors import InsufficientLiquidity, InvalidData
from orderengine.pools import (
    ClmmDynamicFee,
    ClmmTickSpec,
    Direction,
    RaydiumClmmPool,
    RaydiumClmmSpec,
)
from orderengine.pools.fixed_point import Q64
from orderengine.solana.accounts import Account, Accounts, address_of, key_bytes, program_address
from orderengine.venues.accounts.raydium_clmm import RAYDIUM_CLMM
from tests.shared import shared_path
from tests.venues.accounts.made import token_account
from tests.venues.accounts.recorded import (
    SIX,
    accounts_in,
    changed,
    refusal,
    require_golden_quotes,
)

POOL, CONFIG, VAULT_A, VAULT_B, MINT_A, MINT_B = (
    address_of(bytes([number]) * 32) for number in range(1, 7)
)
PROGRAM_ID = RAYDIUM_CLMM.program_id
EXTENSION = program_address(PROGRAM_ID, b"pool_tick_array_bitmap_extension", key_bytes(POOL))
SPACING, SPAN = 10, 600
OUTERMOST = -307_200 - SPAN
"""The first array that the extension lists, not the pool."""


def array_address(start: int) -> str:
    """Return where the array of ticks from ``start`` lies."""
    return program_address(
        PROGRAM_ID, b"tick_array", key_bytes(POOL), start.to_bytes(4, "big", signed=True)
    )


def tick_array(start: int, nets: dict[int, int], orders: int | None = None) -> Account:
    """Return an array with initialised ticks, and one with limit orders."""
    data = bytearray(10_240)
    data[:8] = bytes.fromhex("c09b55cd31f9812a")
    data[8:40] = key_bytes(POOL)
    data[40:44] = pack("<i", start)
    for tick, net in nets.items():
        offset = 44 + 168 * ((tick - start) // SPACING)
        data[offset : offset + 4] = pack("<i", tick)
        data[offset + 4 : offset + 20] = net.to_bytes(16, "little", signed=True)
        data[offset + 20 : offset + 36] = abs(net).to_bytes(16, "little")
        # What the program remembers of earlier orders is none.
        data[offset + 116] = 1
    if orders is not None:
        offset = 44 + 168 * ((orders - start) // SPACING)
        data[offset : offset + 4] = pack("<i", orders)
        data[offset + 132] = 1
    return Account(array_address(start), PROGRAM_ID, bytes(data))


ARRAYS = {
    -1_200: {-700: 10**9},
    -600: {-600: 10**9},
    0: {0: 10**9, 590: -(10**9)},
    1_200: {1_200: -(10**9)},
}
"""Ticks by array; the array from 600 is not initialised."""


def made_accounts() -> dict[str, Account]:
    """Return a pool of spacing 10 at tick 0, with its extension, which lists one array far out."""
    pool = bytearray(1_544)
    pool[:8] = bytes.fromhex("f7ede3f5d7c3de46")
    for offset, key in ((9, CONFIG), (73, MINT_A), (105, MINT_B), (137, VAULT_A), (169, VAULT_B)):
        pool[offset : offset + 32] = key_bytes(key)
    pool[235:237] = pack("<H", SPACING)
    # From each of the four ticks at and below tick 0, one of them far out.
    pool[237:253] = (4 * 10**9).to_bytes(16, "little")
    pool[253:269] = Q64.to_bytes(16, "little")
    bits = sum(1 << (512 + start // SPAN) for start in ARRAYS)
    pool[904:1032] = bits.to_bytes(128, "little")
    for offset, value in ((309, 11), (317, 22), (1064, 3), (1072, 4), (1080, 1_600_000_000)):
        pool[offset : offset + 8] = value.to_bytes(8, "little")
    pool[397 + 169 + 17 : 397 + 169 + 25] = (1_700_000_000).to_bytes(8, "little")
    config = bytearray(117)
    config[:8] = bytes.fromhex("daf42168cbcb2b6f")
    config[43:47], config[47:51] = pack("<I", 120_000), pack("<I", 2_500)
    config[53:57] = pack("<I", 40_000)
    extension = bytearray(1_832)
    extension[:8] = bytes.fromhex("3c9624db61808b99")
    extension[8:40] = key_bytes(POOL)
    # The first negative bitmap ends where the pool's begins: its last bit is the nearest array.
    extension[40 + 14 * 64 + 63] = 1 << 7
    accounts = [
        Account(POOL, PROGRAM_ID, bytes(pool)),
        Account(CONFIG, PROGRAM_ID, bytes(config)),
        token_account(VAULT_A, MINT_A, 10**12),
        token_account(VAULT_B, MINT_B, 2 * 10**12),
        Account(EXTENSION, PROGRAM_ID, bytes(extension)),
        tick_array(OUTERMOST, {OUTERMOST: 10**9}),
        *(tick_array(start, nets) for start, nets in ARRAYS.items()),
    ]
    return {account.address: account for account in accounts}


def spec_of(accounts: dict[str, Account], absent: tuple[str, ...] = ()) -> RaydiumClmmSpec:
    """Return what is read of the pool."""
    decoded = RAYDIUM_CLMM.decode(accounts[POOL], Accounts(accounts.values(), absent))
    assert isinstance(decoded.pool, RaydiumClmmPool)
    return decoded.pool.to_spec()


def test_all_accounts_give_the_whole_pool() -> None:
    """Ticks of every array, none of the uninitialised one, and no bound of what is known."""
    accounts = made_accounts()
    ticks = {OUTERMOST: 10**9}
    for nets in ARRAYS.values():
        ticks |= nets
    assert spec_of(accounts) == RaydiumClmmSpec(
        address=POOL,
        token_a=MINT_A,
        token_b=MINT_B,
        tick_spacing=SPACING,
        trade_fee_rate=2_500,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
        fee_on=0,
        tick_current=0,
        sqrt_price_x64=Q64,
        liquidity=4 * 10**9,
        ticks=tuple(ClmmTickSpec(tick=tick, liquidity_net=net) for tick, net in ticks.items()),
        vault_a=10**12,
        vault_b=2 * 10**12,
        protocol_fee_a=11,
        protocol_fee_b=22,
        fund_fee_a=3,
        fund_fee_b=4,
    )
    decoded = RAYDIUM_CLMM.decode(accounts[POOL], Accounts(accounts.values()))
    assert decoded.time_s == 1_700_000_000


@pytest.mark.parametrize(
    ("missing", "absent", "known"),
    [
        ([array_address(-1_200)], (), (-600, None)),
        ([array_address(-600)], (), (0, None)),
        ([array_address(1_200)], (), (None, 1_200)),
        ([array_address(OUTERMOST)], (), (OUTERMOST + SPAN, None)),
        ([EXTENSION], (), (-307_200, 307_200)),
        ([EXTENSION, array_address(1_200)], (), (-307_200, 1_200)),
        ([EXTENSION], (EXTENSION,), (None, None)),
    ],
)
def test_what_was_not_read_bounds_what_is_known(
    missing: list[str], absent: tuple[str, ...], known: tuple[int | None, int | None]
) -> None:
    """An array that a bitmap lists, or a bitmap; an extension that does not exist lists none."""
    accounts = made_accounts()
    for address in missing:
        del accounts[address]
    spec = spec_of(accounts, absent)
    assert (spec.known_from, spec.known_to) == known
    least, most = known[0] or -(10**6), known[1] or 10**6
    assert all(least <= tick.tick < most for tick in spec.ticks)


def test_a_swap_beyond_what_was_read_is_refused() -> None:
    """And says so; one that stays inside is what the whole pool quotes."""
    accounts = made_accounts()
    whole = RaydiumClmmPool.from_spec(spec_of(accounts))
    del accounts[array_address(-1_200)]
    part = RaydiumClmmPool.from_spec(spec_of(accounts))
    inside = part.swap_exact_in(Direction.A_TO_B, 10**6, 0)
    assert inside.amount_out == whole.swap_exact_in(Direction.A_TO_B, 10**6, 0).amount_out
    with pytest.raises(InsufficientLiquidity, match="not known"):
        part.swap_exact_in(Direction.A_TO_B, 10**9, 0)
    assert whole.swap_exact_in(Direction.A_TO_B, 10**9, 0).crossed == 3


@pytest.mark.parametrize(
    ("start", "tick", "known"), [(-600, -300, (-299, None)), (0, 300, (None, 300))]
)
def test_limit_orders_bound_what_is_known(
    start: int, tick: int, known: tuple[int | None, int | None]
) -> None:
    """A swap that reaches them would fill them, which the pools here do not."""
    accounts = made_accounts()
    with_orders = tick_array(start, ARRAYS[start], orders=tick)
    accounts[with_orders.address] = with_orders
    spec = spec_of(accounts)
    assert (spec.known_from, spec.known_to) == known


def test_limit_orders_at_the_current_tick_stop_one_direction() -> None:
    """Tick 0 is the next one for a swap downwards; upwards it is behind."""
    accounts = made_accounts()
    with_orders = tick_array(0, {590: -(10**9)}, orders=0)
    accounts[with_orders.address] = with_orders
    accounts[POOL] = changed(accounts[POOL], 253, (Q64 + 10**14).to_bytes(16, "little"))
    pool = RaydiumClmmPool.from_spec(spec_of(accounts))
    assert pool.swap_exact_in(Direction.B_TO_A, 10**6, 0).amount_out > 0
    with pytest.raises(InsufficientLiquidity, match="not known"):
        pool.swap_exact_in(Direction.A_TO_B, 10**6, 0)


def test_addresses_come_from_the_bitmap() -> None:
    """The current array and so many initialised ones on each side, as far as there are."""
    pool = made_accounts()[POOL]
    fixed = (CONFIG, VAULT_A, VAULT_B, EXTENSION)
    here, below, above = array_address(0), array_address(-600), array_address(1_200)
    assert RAYDIUM_CLMM.addresses(pool, 0) == (*fixed, here)
    assert RAYDIUM_CLMM.addresses(pool, 1) == (*fixed, here, above, below)
    farthest = array_address(-1_200)
    assert set(RAYDIUM_CLMM.addresses(pool, 9)) == {*fixed, here, above, below, farthest}
    # At spacing 60 the pool's own bitmap lists every tick, and there is no extension.
    coarse = changed(pool, 235, pack("<H", 60))
    assert EXTENSION not in RAYDIUM_CLMM.addresses(coarse, 0)


def test_the_dynamic_fee_is_read() -> None:
    """Where the program's source has it; other bytes of it are for later."""
    accounts = made_accounts()
    packed = pack("<HHHIIiIIQ", 30, 600, 5_000, 40_000, 350_000, -7, 8, 9, 1_800_000_000)
    accounts[POOL] = changed(accounts[POOL], 1_096, packed)
    spec = spec_of(accounts)
    assert spec.dynamic_fee == ClmmDynamicFee(
        filter_period=30,
        decay_period=600,
        reduction_factor=5_000,
        dynamic_fee_control=40_000,
        max_volatility_accumulator=350_000,
        tick_spacing_index_reference=-7,
        volatility_reference=8,
        volatility_accumulator=9,
        last_update_timestamp=1_800_000_000,
    )
    decoded = RAYDIUM_CLMM.decode(accounts[POOL], Accounts(accounts.values()))
    assert decoded.time_s == 1_800_000_000


@pytest.mark.parametrize(
    ("address", "offset", "new", "said"),
    [
        (POOL, 0, b"\0", "Raydium CLMM pool.*discriminator f7ede3f5d7c3de46, found.*00ede3"),
        (POOL, 389, b"\x10", "status that allows swaps, found status 16"),
        (POOL, 390, b"\x03", "0, 1 or 2, found fee_on 3"),
        (POOL, 235, b"\0\0", "tick_spacing above 0, found tick_spacing 0"),
        (POOL, 269, b"\x01", "sqrt_price_x64 .* at tick_current 1"),
        (CONFIG, 7, b"\0", "fee configuration.*discriminator"),
        (VAULT_A, 0, b"\0", "vault A.*mint"),
        (EXTENSION, 8, b"\0", "bitmap extension.*pool"),
        (array_address(0), 8, b"\0", "tick array.*pool"),
        (array_address(0), 40, b"\x01", "start_tick_index 0, found start_tick_index 1"),
        (array_address(0), 44, b"\x01", "tick 0, found tick 0 1"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    address: str, offset: int, new: bytes, said: str
) -> None:
    """Account, field and expectation."""
    accounts = made_accounts()
    accounts[address] = changed(accounts[address], offset, new)
    assert re.search(said, refusal(RAYDIUM_CLMM, accounts[POOL], accounts.values()))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (CONFIG, "fee configuration of Raydium CLMM pool"),
        (VAULT_B, "vault B of Raydium CLMM pool"),
        (array_address(0), "tick array from 0 of Raydium CLMM pool"),
    ],
)
def test_a_missing_account_is_named(address: str, said: str) -> None:
    """Those that every swap needs: the array around the price is one, if the bitmap lists it."""
    accounts = made_accounts()
    del accounts[address]
    assert said in refusal(RAYDIUM_CLMM, accounts[POOL], accounts.values())


def test_an_array_that_is_listed_and_absent_is_named() -> None:
    """The bitmap and the chain cannot both be right."""
    accounts = made_accounts()
    del accounts[array_address(1_200)]
    held = Accounts(accounts.values(), (array_address(1_200),))
    with pytest.raises(InvalidData, match=r"tick array from 1200 .*no such account"):
        RAYDIUM_CLMM.decode(accounts[POOL], held)


@pytest.mark.needs_shared_data
def test_recorded_accounts_give_the_golden_quotes() -> None:
    """The pool's quotes of 2026-07-06 in both directions, to the unit."""
    require_golden_quotes(RAYDIUM_CLMM, "raydium-clmm", 2)


@pytest.mark.needs_shared_data
def test_recorded_arrays_are_the_ones_asked_for() -> None:
    """Two on each side of the price were recorded, and bound what is known."""
    accounts = Accounts(accounts_in(f"{SIX}/raw/raydium-clmm"))
    (account,) = (account for account in accounts if RAYDIUM_CLMM.is_pool(account))
    wanted = RAYDIUM_CLMM.addresses(account, 2)
    assert len(wanted) == 9
    assert all(accounts.find(address) for address in wanted)
    pool = RAYDIUM_CLMM.decode(account, accounts).pool
    assert isinstance(pool, RaydiumClmmPool)
    spec = pool.to_spec()
    assert (spec.known_from, spec.tick_current, spec.known_to) == (-25_200, -25_038, -24_900)
    assert spec.dynamic_fee is None
    for direction in Direction:
        least = pool.price_x64 // 1_000 if direction is Direction.A_TO_B else pool.price_x64 * 1_000
        most = pool.amount_in_to_price(direction, least, 0)
        swap = pool.swap_exact_in(direction, most, 0)
        assert swap.crossed > 10
        assert swap.pool.vault_a >= 0
        with pytest.raises(InsufficientLiquidity, match="not known"):
            pool.swap_exact_in(direction, most + 1, 0)


@pytest.mark.needs_shared_data
def test_recorded_pools_without_their_arrays_are_refused() -> None:
    """165 pools of 2026-01 and one other: each is known for what it is and lacks what it lacks."""
    path = shared_path("pools/clmm_pools_with_jup_2026-01_raw.json.gz")
    recorded = json.loads(gzip.decompress(path.read_bytes()))["response"]
    single = shared_path("pools/single_accounts/raw/carbon_raydium-clmm_pool_state_account.json")
    pools = [(address, held["data"][0]) for address, held in recorded]
    pools.append((POOL, json.loads(single.read_text())["data"]))
    assert len(pools) == 166
    for address, data in pools:
        account = Account(address, PROGRAM_ID, base64.b64decode(data))
        assert RAYDIUM_CLMM.is_pool(account)
        assert len(RAYDIUM_CLMM.addresses(account, 2)) >= 4
        assert account.data[390] == 0
        assert not any(account.data[1_096:1_176])
        said = refusal(RAYDIUM_CLMM, account, [])
        assert "fee configuration of Raydium CLMM pool" in said or "status" in said


@pytest.mark.needs_shared_data
def test_single_recorded_accounts_are_read() -> None:
    """A tick array of another pool opens as one; a pool cannot be made of it."""
    folder = shared_path("pools/single_accounts/raw")
    held = json.loads((folder / "carbon_raydium-clmm_tick_array_state_account.json").read_text())
    account = Account(array_address(0), PROGRAM_ID, base64.b64decode(held["data"]))
    accounts = made_accounts()
    accounts[account.address] = account
    said = refusal(RAYDIUM_CLMM, accounts[POOL], accounts.values())
    assert re.search("tick array.*pool", said)
    held = json.loads((folder / "carbon_raydium-clmm_amm_config_account.json").read_text())
    accounts = made_accounts()
    accounts[CONFIG] = Account(CONFIG, PROGRAM_ID, base64.b64decode(held["data"]))
    assert spec_of(accounts).trade_fee_rate == 100
