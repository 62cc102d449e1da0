"""Check the reading of Meteora DLMM accounts: made ones, and recorded ones where at hand."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from orderengine.errors import InsufficientLiquidity
from orderengine.pools import Direction, DlmmBin, DlmmVolatility, MeteoraDlmmPool
from orderengine.pools.meteora_dlmm_price import bin_price_x64
from orderengine.solana.accounts import Account, Accounts, address_of, key_bytes, program_address
from orderengine.venues.accounts.layout import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from orderengine.venues.accounts.meteora_dlmm import METEORA_DLMM
from tests.shared import shared_path
from tests.venues.accounts.recorded import (
    SIX,
    accounts_in,
    changed,
    pools_of,
    refusal,
    refusal_of_changed,
    require_golden_quotes,
)

ID = METEORA_DLMM.program_id
PAIR, VAULT_A, VAULT_B, MINT_A, MINT_B, SOMEBODY = (
    address_of(bytes([number]) * 32) for number in range(11, 17)
)
EXTENSION = program_address(ID, b"bitmap", key_bytes(PAIR))
NARROW, WIDE = 35_000, 400_000
"""Ranges of bin ids: within the pair's own bitmap, and beyond it."""
A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A
BinFields = tuple[int, int, int, int]
"""Amounts of A and B, open and processed orders."""


def number(value: int, size: int) -> bytes:
    """Return a little-endian integer."""
    return value.to_bytes(size, "little", signed=value < 0)


def address_of_array(index: int) -> str:
    """Return the address of an array of the made pair."""
    return program_address(ID, b"bin_array", key_bytes(PAIR), number(index, 8))


def made_pair(marked: tuple[int, ...], active_id: int = -6, widest: int = NARROW) -> Account:
    """Return a pair at 4 bps that marks some arrays."""
    data = bytearray(904)
    data[:8] = bytes.fromhex("210b3162b565b10d")
    for at, size, value in (
        (8, 2, 10_000),
        (10, 2, 30),
        (12, 2, 600),
        (14, 2, 5_000),
        (16, 4, 120_000),
        (20, 4, 300_000),
        (24, 4, -widest),
        (28, 4, widest),
        (32, 2, 1_000),
        (34, 1, 1),
        (40, 4, 10_563),
        (44, 4, 563),
        (48, 4, -5),
        (56, 8, 1_700_000_000),
        (76, 4, active_id),
        (80, 2, 4),
    ):
        data[at : at + size] = number(value, size)
    for at, key in ((88, MINT_A), (120, MINT_B), (152, VAULT_A), (184, VAULT_B)):
        data[at : at + 32] = key_bytes(key)
    data[584:712] = number(sum(1 << (index + 512) for index in marked if abs(index) < 512), 128)
    return Account(PAIR, ID, bytes(data))


def made_array(index: int, bins: dict[int, BinFields], version: int = 2) -> Account:
    """Return an array with some bins, by id; prices are set as the program sets them."""
    data = bytearray(10_136)
    data[:8] = bytes.fromhex("5c8e5cdc059446b5")
    data[8:16] = number(index, 8)
    data[16] = version
    data[24:56] = key_bytes(PAIR)
    for bin_id, (amount_a, amount_b, open_amount, processed) in bins.items():
        at = 56 + 144 * (bin_id - 70 * index)
        data[at : at + 8], data[at + 8 : at + 16] = number(amount_a, 8), number(amount_b, 8)
        data[at + 16 : at + 32] = number(bin_price_x64(bin_id, 4), 16)
        data[at + 112 : at + 120] = number(open_amount, 8)
        data[at + 128 : at + 136] = number(processed, 8)
        data[at + 140] = int(amount_a > 0)
    return Account(address_of_array(index), ID, bytes(data))


def made_vault(address: str, mint: str, amount: int, *, more: bytes = b"") -> Account:
    """Return a token account; with ``more`` bytes one of Token-2022."""
    data = key_bytes(mint) + bytes(32) + number(amount, 8) + bytes(93) + more
    return Account(address, TOKEN_2022_PROGRAM if more else TOKEN_PROGRAM, data)


def made_extension(*indices: int) -> Account:
    """Return the bitmap extension of the made pair, with marks at array indices."""
    up = sum(1 << (index - 512) for index in indices if index > 0)
    down = sum(1 << (-index - 1 - 512) for index in indices if index < 0)
    data = bytes.fromhex("506f7c7137ed1205") + key_bytes(PAIR) + number(up, 768) + number(down, 768)
    return Account(EXTENSION, ID, data)


VAULTS = [made_vault(VAULT_A, MINT_A, 10_000), made_vault(VAULT_B, MINT_B, 20_000)]
ACTIVE = made_array(-1, {-6: (100, 200, 30, 4), -7: (0, 500, 0, 0), -70: (0, 600, 0, 0)})
ABOVE = made_array(0, {0: (700, 0, 0, 0)})


def made_accounts() -> list[Account]:
    """Return a pair whose arrays -1 and 0 hold something, and all that belongs to it."""
    return [made_pair((-1, 0)), ACTIVE, ABOVE, *VAULTS]


def decoded(accounts: list[Account], absent: tuple[str, ...] = ()) -> MeteoraDlmmPool:
    """Return the pool of made accounts, the first of which is the pair."""
    pool = METEORA_DLMM.decode(accounts[0], Accounts(accounts, absent)).pool
    assert isinstance(pool, MeteoraDlmmPool)
    return pool


def test_a_pool_is_what_its_accounts_say() -> None:
    """Bins that hold something, fee settings, the fee's state; the vaults to the unit."""
    accounts = made_accounts()
    pool = decoded(accounts)
    assert (pool.address, pool.token_a, pool.token_b) == (PAIR, MINT_A, MINT_B)
    assert (pool.active_id, pool.bin_step, pool.fee_always_in_b) == (-6, 4, False)
    assert pool.bin_ids == (-70, -7, -6, 0)
    assert pool.bins == (
        DlmmBin(0, 600),
        DlmmBin(0, 500),
        DlmmBin(100, 200, 4, 30, orders_sell_a=True),
        DlmmBin(700, 0, orders_sell_a=True),
    )
    assert pool.volatility == DlmmVolatility(
        volatility_accumulator=10_563,
        volatility_reference=563,
        index_reference=-5,
        last_update_timestamp=1_700_000_000,
    )
    parameters = pool.parameters
    assert (parameters.base_factor, parameters.base_fee_power_factor) == (10_000, 1)
    assert (parameters.filter_period, parameters.decay_period) == (30, 600)
    assert (parameters.reduction_factor, parameters.protocol_share) == (5_000, 1_000)
    assert parameters.variable_fee_control == 120_000
    assert parameters.max_volatility_accumulator == 300_000
    assert (pool.vault_a, pool.vault_b) == (10_000, 20_000)
    assert (pool.accrued_fee_a, pool.accrued_fee_b) == (10_000 - 834, 20_000 - 1_300)
    assert pool.known_bin_ids == (-443_636, 443_636)
    assert METEORA_DLMM.decode(accounts[0], Accounts(accounts)).time_s == 1_700_000_000


@pytest.mark.parametrize(
    ("function", "rewarded", "version", "orders"),
    [
        pytest.param(0, False, 2, 34, id="undetermined, no rewards: orders"),
        pytest.param(0, True, 2, 0, id="undetermined, rewards: none"),
        pytest.param(1, False, 2, 0, id="for rewards"),
        pytest.param(2, True, 2, 34, id="for orders"),
        pytest.param(2, False, 1, 0, id="an old array has volumes there"),
    ],
)
def test_orders_count_where_the_pair_and_the_array_have_them(
    function: int, rewarded: bool, version: int, orders: int
) -> None:
    """By the pair's function, its rewards and the array's version."""
    accounts = made_accounts()
    accounts[0] = changed(accounts[0], 35, bytes([function]))
    if rewarded:
        accounts[0] = changed(accounts[0], 408, key_bytes(SOMEBODY))
    accounts[1] = changed(accounts[1], 16, bytes([version]))
    held = decoded(accounts).bins[2]
    assert held.processed_order_amount + held.open_order_amount == orders


def test_an_array_that_was_not_read_bounds_the_pool() -> None:
    """Marked but not read bounds; marked and absent does not, and unmarked need not be read."""
    pair = made_pair((-4, -3, -1, 0, 2))
    below = made_array(-3, {-200: (0, 900, 0, 0)})
    pool = decoded([pair, ACTIVE, below, *VAULTS])
    assert pool.known_bin_ids == (-210, -1)
    assert pool.bin_ids[0] == -200
    with pytest.raises(InsufficientLiquidity, match="bins above -1 are unknown"):
        pool.swap_exact_in(B_TO_A, 1_000, 1_700_000_000)
    with pytest.raises(InsufficientLiquidity, match="bins below -210 are unknown"):
        pool.swap_exact_in(A_TO_B, 10_000, 1_700_000_000)
    # What lies beyond an unread array is not taken, or the swap would jump over it.
    far = made_array(2, {140: (9, 0, 0, 0)})
    assert decoded([pair, ACTIVE, far, *VAULTS]).bin_ids == (-70, -7, -6)
    pool = decoded([pair, ACTIVE, below, *VAULTS], (address_of_array(-4), address_of_array(0)))
    assert pool.known_bin_ids == (-443_636, 139)


def test_the_extension_says_what_lies_beyond_the_pairs_bitmap() -> None:
    """Unread it bounds a wide pair; absent, or without marks, it does not; marks count."""
    pair = made_pair((-1, 0), widest=WIDE)
    accounts = [pair, ACTIVE, ABOVE, *VAULTS]
    assert decoded(accounts).known_bin_ids == (-512 * 70, 512 * 70 - 1)
    assert decoded(accounts, (EXTENSION,)).known_bin_ids == (-443_636, 443_636)
    assert decoded([*accounts, made_extension()]).known_bin_ids == (-443_636, 443_636)
    assert decoded([*accounts, made_extension(-513, 700)]).known_bin_ids == (
        -512 * 70,
        700 * 70 - 1,
    )
    assert decoded([*accounts, made_extension(-1_600)]).known_bin_ids == (-1_599 * 70, 443_636)
    far = made_array(700, {49_001: (50, 0, 0, 0)})
    pool = decoded([*accounts, made_extension(-513, 700), far])
    assert (pool.bin_ids[-1], pool.known_bin_ids) == (49_001, (-512 * 70, 443_636))


def test_addresses_are_the_vaults_and_the_arrays_around_the_price() -> None:
    """As many marked ones on each side as asked for; the extension only where it may matter."""
    narrow = made_pair((-9, -4, -3, -1, 0, 2))
    arrays = tuple(map(address_of_array, (-4, -3, -1, 0, 2)))
    assert METEORA_DLMM.addresses(narrow, 2) == (VAULT_A, VAULT_B, *arrays)
    assert METEORA_DLMM.addresses(narrow, 0) == (VAULT_A, VAULT_B, address_of_array(-1))
    wide = made_pair((-9, -4, -3, -1, 0, 2), widest=WIDE)
    assert METEORA_DLMM.addresses(wide, 9) == (
        VAULT_A,
        VAULT_B,
        EXTENSION,
        *map(address_of_array, (-9, -4, -3, -1, 0, 2)),
    )
    # Beyond the bitmap only the extension knows, so the neighbours are asked for.
    beyond = made_pair((0,), active_id=600 * 70, widest=WIDE)
    assert METEORA_DLMM.addresses(beyond, 1) == (
        VAULT_A,
        VAULT_B,
        EXTENSION,
        *map(address_of_array, (599, 600, 601)),
    )


@pytest.mark.parametrize(
    ("index", "offset", "new", "said"),
    [
        (0, 0, b"\0", "Meteora DLMM pair.*discriminator 210b3162b565b10d"),
        (0, 82, b"\x01", "status 0, enabled, found status 1"),
        (0, 75, b"\x04", "0 to 3, found pair_type 4"),
        (0, 35, b"\x03", "0, 1 or 2, found function_type 3"),
        (0, 36, b"\x02", "0 or 1, found collect_fee_mode 2"),
        (0, 76, number(100_000, 4), "an id from -35000 to 35000.*found active_id 100000"),
        (0, 80, bytes(2), "a step from 1"),
        (1, 7, b"\0", "bin array.*discriminator"),
        (1, 24, b"\0", "lb_pair"),
        (1, 8, number(-2, 8), "index -1, found index -2"),
        (1, 16, b"\x03", "0, 1 or 2, found version 3"),
        (1, 56 + 144 * 64 + 16, b"\x01", "price of bin -6"),
        (3, 0, b"\0", "vault A.*mint"),
        (3, 64, number(833, 8), "vaults that hold at least what the bins do"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    index: int, offset: int, new: bytes, said: str
) -> None:
    """Account, field and expectation."""
    assert re.search(said, refusal_of_changed(METEORA_DLMM, made_accounts(), index, offset, new))


def test_a_missing_account_is_named() -> None:
    """A vault, or the array that holds the price; that one may be absent, and then it is empty."""
    pair, *others = made_accounts()
    assert "vault B" in refusal(METEORA_DLMM, pair, others[:-1])
    assert "active bin array" in refusal(METEORA_DLMM, pair, others[1:])
    assert decoded([pair, *others[1:]], (address_of_array(-1),)).bin_ids == (0,)
    shortened = Account(pair.address, pair.owner, pair.data[:-1])
    assert not METEORA_DLMM.is_pool(shortened)
    assert "904 bytes, found 903 bytes" in refusal(METEORA_DLMM, shortened, others)


def test_a_foreign_extension_is_refused() -> None:
    """It must be of this pair."""
    pair, *others = made_accounts()
    pair = changed(pair, 24, number(-WIDE, 4))
    foreign = changed(made_extension(), 8, b"\0")
    assert "bitmap extension" in refusal(METEORA_DLMM, pair, [*others, foreign])


def test_a_token_with_transfer_fees_is_refused() -> None:
    """Its vault carries the extension TransferFeeAmount."""
    accounts = made_accounts()
    more = b"\x02" + number(2, 2) + number(8, 2) + bytes(8)
    accounts[3] = made_vault(VAULT_A, MINT_A, 10_000, more=more)
    assert "transfer fees" in refusal(METEORA_DLMM, accounts[0], accounts[1:])


@pytest.mark.parametrize(
    ("by_time", "point", "slot", "traded_at_s", "early", "is_read"),
    [
        pytest.param(False, 0, 0, 0, False, True, id="no activation point"),
        pytest.param(False, 500, 500, 0, False, True, id="slot reached"),
        pytest.param(False, 500, 499, 0, False, False, id="slot not reached"),
        pytest.param(True, 500, 900, 0, False, False, id="a time is no slot"),
        pytest.param(True, 500, 0, 500, True, True, id="traded since the time"),
        pytest.param(True, 500, 0, 499, False, True, id="traded, and nobody may early"),
        pytest.param(True, 500, 0, 499, True, False, id="traded, maybe by who may early"),
        pytest.param(False, 500, 0, 0, False, False, id="slot unknown, never traded"),
    ],
)
def test_a_pair_that_may_wait_for_its_activation_is_refused(
    by_time: bool, point: int, slot: int, traded_at_s: int, early: bool, is_read: bool
) -> None:
    """Of the pair types 1 and 2, unless it is shown to be active."""
    accounts = made_accounts()
    pair = changed(accounts[0], 75, b"\x02")
    pair = changed(pair, 86, bytes([by_time]))
    pair = changed(pair, 816, number(point, 8))
    pair = changed(pair, 56, number(traded_at_s, 8))
    if early:
        pair = changed(pair, 752, key_bytes(SOMEBODY))
    accounts[0] = Account(pair.address, pair.owner, pair.data, slot)
    if is_read:
        assert decoded(accounts).active_id == -6
    else:
        assert "known to be active" in refusal(METEORA_DLMM, accounts[0], accounts[1:])


@pytest.mark.needs_shared_data
def test_recorded_accounts_give_the_golden_quotes() -> None:
    """Two quotes of 2026-07-06 across bins and orders, to the unit."""
    require_golden_quotes(METEORA_DLMM, "meteora-dlmm", 2)


@pytest.mark.needs_shared_data
def test_recorded_accounts_are_all_that_is_asked_for() -> None:
    """Five arrays around the price, the extension, vaults that hold what their accounts say."""
    accounts = accounts_in(f"{SIX}/raw/meteora-dlmm")
    (pair,) = filter(METEORA_DLMM.is_pool, accounts)
    asked = METEORA_DLMM.addresses(pair, 2)
    assert len(asked) == 8
    assert set(asked) <= {account.address for account in accounts}
    ((_, pool),) = pools_of(METEORA_DLMM, "meteora-dlmm").items()
    assert isinstance(pool, MeteoraDlmmPool)
    assert (pool.vault_a, pool.vault_b) == (25_331_854_934_753, 2_488_785_874_477)
    assert pool.known_bin_ids == (-92 * 70, -87 * 70 - 1)
    assert sum(held.open_order_amount > 0 for held in pool.bins) > 10


def _fixture(name: str, *, slot: int = 0) -> list[Account]:
    """Return one of the fixtures of Meteora's SDK: the pair, its arrays, its vaults."""
    folder = shared_path(f"pools/meteora_dlmm_sdk_fixtures/raw/{name}")
    pair = Account(name, ID, (folder / "lb_pair.bin").read_bytes(), slot)
    accounts = [pair]
    for file in sorted(folder.glob("bin_array_*.bin")):
        data = file.read_bytes()
        address = program_address(ID, b"bin_array", key_bytes(name), data[8:16])
        accounts.append(Account(address, ID, data))
    for at, file_name in ((152, "reserve_x.bin"), (184, "reserve_y.bin")):
        data = (folder / file_name).read_bytes()
        program = TOKEN_PROGRAM if len(data) == 165 else TOKEN_2022_PROGRAM
        accounts.append(Account(address_of(pair.data[at : at + 32]), program, data))
    return accounts


@pytest.mark.needs_shared_data
def test_fixture_of_a_test_network_is_read_once_it_is_active() -> None:
    """9t3E…: fees in token B, orders, an activation slot; refused while the slot is unknown."""
    name = "9t3EyC9FweyL7PBWvKz3mrXg8B9fwFc9SK3QxM4ENqhd"
    pair, *others = _fixture(name)
    assert "activation slot 448432755" in refusal(METEORA_DLMM, pair, others)
    accounts = _fixture(name, slot=448_432_755)
    pool = METEORA_DLMM.decode(accounts[0], Accounts(accounts)).pool
    assert isinstance(pool, MeteoraDlmmPool)
    assert pool.fee_always_in_b
    assert pool.known_bin_ids == (-443_636, 443_636)
    # Bins and orders are all that the vaults hold: it has never traded.
    assert (pool.accrued_fee_a, pool.accrued_fee_b) == (0, 0)
    assert (pool.vault_a, pool.vault_b) == (229_999_999_999_970, 229_999_999_962)
    assert sum(held.open_order_amount for held in pool.bins) == 30_030_000_000_000


@pytest.mark.needs_shared_data
def test_fixture_of_2024_has_volumes_where_orders_are_now() -> None:
    """EtAd…: arrays of version 1; as orders those numbers would be a thousand times its vault."""
    pair, *others = _fixture("EtAdVRLFH22rjWh3mcUasKFF27WtHhsaCvK27tPFFWig")
    pool = METEORA_DLMM.decode(pair, Accounts([pair, *others])).pool
    assert isinstance(pool, MeteoraDlmmPool)
    assert all(held.open_order_amount == 0 for held in pool.bins)
    assert (pool.vault_a, pool.vault_b) == (4_362_066_806, 1_820_186_920)
    assert (pool.accrued_fee_a, pool.accrued_fee_b) == (775_199_347, 189_010_030)
    # Its third array was not recorded.
    assert pool.known_bin_ids == (-443_636, 69)
    assert pool.swap_exact_in(A_TO_B, 10**9, 1_734_391_500).amount_out > 0
    as_orders = [changed(account, 16, b"\x02") for account in others[:2]]
    assert "vaults that hold at least" in refusal(METEORA_DLMM, pair, [*as_orders, *others[2:]])


@pytest.mark.needs_shared_data
def test_fixture_with_a_transfer_fee_is_refused() -> None:
    """B5Ei…: a Token-2022 mint with a fee on transfers."""
    pair, *others = _fixture("B5Eia4cE71tKuEDaqPHucJLG2fxySKyKzLMewd2nUvoc")
    assert "transfer fees" in refusal(METEORA_DLMM, pair, others)


@pytest.mark.needs_shared_data
def test_a_recorded_pair_of_the_newest_kind_names_its_accounts() -> None:
    """Type 3; its bitmap marks the array that holds the price."""
    folder = "pools/single_accounts/raw/carbon_meteora-dlmm_lb_pair_account.json"
    dump: dict[str, Any] = json.loads(shared_path(folder).read_text())
    pair = Account(PAIR, ID, base64.b64decode(dump["data"]))
    assert METEORA_DLMM.is_pool(pair)
    vault_a, vault_b, *arrays = METEORA_DLMM.addresses(pair, 1)
    assert vault_a == "7SWjpLPaLKxGogCY321XRFbiSiAkXSKh8q8qioGdu8N8"
    assert vault_b == "iiWfKZygJii3g8RrKyWVQJdc6CciK2xGpuD8aCbgqbS"
    assert address_of_array(-16) in arrays


def _snapshots() -> list[list[dict[str, Any]]]:
    """Return the bins of the recorded series, in time."""
    folder = shared_path("pools/meteora_dlmm_5rCf_snapshots_2026-06-07/raw")
    files = sorted(folder.glob("bin_arrays_*.json"))
    return [json.loads(file.read_text())["raw"]["bins"] for file in files]


@pytest.mark.needs_shared_data
def test_recorded_series_has_our_prices_and_its_bins_never_lose_value() -> None:
    """Eleven snapshots of 5rCf… within three hours, read by Meteora's SDK.

    Its prices have 20 digits, ours 18 at these ids. Between two snapshots, a bin whose liquidity
    nobody changed was only traded in, so its value at our price did not fall (I11).
    """
    snapshots, compared, traded = _snapshots(), 0, 0
    assert len(snapshots) == 11
    last: dict[int, tuple[str, int]] = {}
    for bins in snapshots:
        for held in bins:
            bin_id = held["binId"]
            price_x64 = bin_price_x64(bin_id, 4)
            assert price_x64 / 2**64 == pytest.approx(float(held["price"]), rel=1e-15)
            value_x64 = price_x64 * int(held["xAmount"]) + (int(held["yAmount"]) << 64)
            supply, before_x64 = last.get(bin_id, ("", 0))
            if supply == held["supply"]:
                assert value_x64 >= before_x64
                compared += 1
                traded += value_x64 > before_x64
            last[bin_id] = held["supply"], value_x64
    assert compared > 200
    assert traded > 5
