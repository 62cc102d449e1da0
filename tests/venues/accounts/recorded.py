"""Give tests the accounts that were recorded on mainnet, where they are at hand.

The project may not carry them; tests that need them skip, and say so, where they are not.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pytest

from orderengine.errors import InvalidData, OrderEngineError
from orderengine.pools import Pool, direction_of
from orderengine.solana.accounts import Account, Accounts
from orderengine.venues.accounts import Program
from tests.shared import shared_path

SIX = "pools/sol_usdc_six_venues_2026-07"


def accounts_in(folder: str) -> list[Account]:
    """Return the accounts dumped in a folder of the shared data, one a JSON file."""
    files = sorted(shared_path(folder).glob("*.json"))
    return [_account(json.loads(file.read_text())) for file in files]


def _account(dump: dict[str, Any]) -> Account:
    return Account(dump["address"], dump["owner"], base64.b64decode(dump["base64Data"]))


def pools_of(
    program: Program, folder: str, wanted: Collection[str] | None = None
) -> dict[str, Pool]:
    """Return the pools of one of the six venues' folders, or those wanted, by address."""
    accounts = Accounts(accounts_in(f"{SIX}/raw/{folder}"))
    return {
        account.address: program.decode(account, accounts).pool
        for account in accounts
        if program.is_pool(account) and (wanted is None or account.address in wanted)
    }


def require_golden_quotes(program: Program, folder: str, number: int) -> None:
    """Fail unless every golden quote of a venue is met to the unit."""
    golden = json.loads(shared_path(f"{SIX}/golden_quotes.json").read_text())
    cases = [case for case in golden["cases"] if case["venue"] == program.venue]
    assert len(cases) == number
    pools = pools_of(program, folder, {case["pool"] for case in cases})
    for case in cases:
        pool = pools[case["pool"]]
        direction = direction_of(pool, case["input_mint"], case["output_mint"])
        swap = pool.swap_exact_in(
            direction, int(case["amount_in"]), int(case.get("clock_unix", "1783355400"))
        )
        assert swap.amount_out == int(case["expected_out"]), case


def changed(account: Account, offset: int, new: bytes) -> Account:
    """Return an account with some bytes replaced."""
    data = account.data[:offset] + new + account.data[offset + len(new) :]
    return Account(account.address, account.owner, data, account.slot)


def refusal(program: Program, pool: Account, others: Iterable[Account]) -> str:
    """Return the words with which accounts are refused."""
    try:
        program.decode(pool, Accounts([pool, *others]))
    except InvalidData as error:
        return str(error)
    except OrderEngineError as error:
        pytest.fail(f"refused with {error!r}")
    pytest.fail("nothing was refused")


def refusal_of_changed(
    program: Program, accounts: Sequence[Account], index: int, offset: int, new: bytes
) -> str:
    """Return the words with which a pool's accounts, the pool first, are refused once changed."""
    pool, *others = (
        changed(account, offset, new) if at == index else account
        for at, account in enumerate(accounts)
    )
    return refusal(program, pool, others)
