"""Say how many quotes a second our pools make, beside the venues' own JavaScript SDKs.

The SDKs are not part of this project, and Raydium's is GPL-3.0: they are only called, in a process
of their own. ``ORDERENGINE_SDK`` names a folder that holds them; to make one:

    cp -r benchmarks/peers/sdk_quotes /path/to/sdk_quotes
    npm ci --ignore-scripts --prefix /path/to/sdk_quotes
    ORDERENGINE_SDK=/path/to/sdk_quotes make bench

Both sides quote the same pools and amounts and are timed in turn, each by its own process's CPU
time, after the answers were found to be equal. Pools are built before; a quote is one call, and on
our side the reading of ``amount_out``. Sixty-four amounts take turns, and nothing is cached.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.clmm_accounts import made_accounts
from benchmarks.compare import cpu_seconds, interleave
from benchmarks.peers.sdk_process import SdkProcess, sdk_process
from benchmarks.pool_cases import CASES, NOW_S, PoolCase
from orderengine.errors import InvalidData
from orderengine.pools import Direction, Pool
from orderengine.pools.verify import pool_of
from orderengine.solana.accounts import Account, Accounts
from orderengine.venues.accounts import PROGRAMS, Program
from tests.venues.accounts.recorded import SIX, accounts_in

ROUND_CPU_S = 0.3

quotes = pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name.replace(",", "").replace(" ", "_")) for case in CASES]
)


class Ours(NamedTuple):
    """Hold one of our pools and the swaps to quote."""

    pool: Pool
    swaps: tuple[tuple[Direction, int], ...]

    @classmethod
    def of(cls, case: PoolCase) -> Ours:
        """Build the pool and check that every swap crosses what the case says, or skip."""
        try:
            pool = pool_of(case.venue, case.pool, case.name)
        except InvalidData as error:
            if not error.found.startswith("venue "):
                raise
            pytest.skip(f"NO POOL: {error.found}, expected {error.expected}")
        swaps = tuple(
            (Direction(str(swap["direction"])), int(str(swap["amount"]))) for swap in case.swaps
        )
        assert len(set(swaps)) == len(swaps)
        crossed = {pool.swap_exact_in(*swap, NOW_S).crossed for swap in swaps}
        assert crossed == {case.crossed}
        return cls(pool, swaps)

    def answers(self) -> list[dict[str, str]]:
        """Return what the SDKs are asked for too."""
        found = [self.pool.swap_exact_in(*swap, NOW_S) for swap in self.swaps]
        return [
            {
                "amount_in": str(swap.amount_in),
                "amount_out": str(swap.amount_out),
                "fee": str(swap.fee_in + swap.fee_out),
            }
            for swap in found
        ]

    def passes(self) -> int:
        """Return how often the swaps fit into a round."""
        passes = 1
        while cpu_seconds(self._quote, passes) < ROUND_CPU_S:
            passes *= 2
        return passes

    def cpu_s_a_quote(self, passes: int) -> float:
        """Quote every swap so many times; return the CPU seconds of one."""
        return cpu_seconds(self._quote, passes) / (passes * len(self.swaps))

    def _quote(self, passes: int) -> None:
        quote, swaps = self.pool.swap_exact_in, self.swaps
        for _ in range(passes):
            for direction, amount in swaps:
                quote(direction, amount, NOW_S).amount_out  # noqa: B018  (a lazy answer is none)


@pytest.fixture(scope="module")
def sdk() -> Iterator[SdkProcess]:
    """Run the SDKs, or skip."""
    with sdk_process() as process:
        yield process


def _note(benchmark: BenchmarkFixture, case: PoolCase, medians: dict[str, float]) -> None:
    benchmark.extra_info["quotes_per_s"] = {
        name: round(1e6 / cpu_us) for name, cpu_us in medians.items()
    }
    benchmark.extra_info.update({"crossed": case.crossed, "amounts": len(case.swaps)})


@pytest.mark.benchmark(group="pools, ours alone")
@quotes
def test_quotes(benchmark: BenchmarkFixture, case: PoolCase) -> None:
    """Exact-in quotes of one pool, alone."""
    ours = Ours.of(case)
    passes = ours.passes()
    _note(
        benchmark,
        case,
        interleave(benchmark, {"orderengine": lambda: ours.cpu_s_a_quote(passes)}, 1),
    )


@quotes
def test_quotes_beside_the_sdk(
    benchmark: BenchmarkFixture, case: PoolCase, sdk: SdkProcess
) -> None:
    """The same quotes by the venue's own SDK, in turn with ours."""
    benchmark.group = f"pools, {case.name}"
    ours = Ours.of(case)
    assert ours.answers() == sdk.answers(case)  # the same quotes, or no comparison
    our_passes, sdk_passes = ours.passes(), sdk.passes(case, ROUND_CPU_S)
    medians = interleave(
        benchmark,
        {
            "orderengine": lambda: ours.cpu_s_a_quote(our_passes),
            "sdk": lambda: sdk.cpu_s_a_quote(case, sdk_passes),
        },
        1,
    )
    _note(benchmark, case, medians)
    times_the_sdk = round(medians["sdk"] / medians["orderengine"], 2)
    benchmark.extra_info.update(
        {"times_the_sdk": times_the_sdk, "goal": case.goal, "sdk_versions": sdk.versions}
    )


@pytest.mark.benchmark(group="pools, decoding")
@pytest.mark.parametrize("origin", ["made", "recorded"])
def test_decoding_a_clmm_pool_with_five_tick_arrays(
    benchmark: BenchmarkFixture, origin: str
) -> None:
    """From account bytes to a pool that quotes: 150 made ticks, or the real ones where at hand."""
    program = next((known for known in PROGRAMS if known.venue == "raydium_clmm"), None)
    if program is None:
        pytest.skip("NO DECODER: no program raydium_clmm in orderengine.venues.accounts")
    account, accounts = made_accounts() if origin == "made" else _recorded(program)
    arrays = [held for held in accounts if len(held.data) == 10_240]
    assert len(arrays) == 5
    pool = program.decode(account, accounts).pool
    assert pool.swap_exact_in(Direction.A_TO_B, 10**9, NOW_S).amount_out > 0
    passes = 20
    medians = interleave(
        benchmark,
        {"orderengine": lambda: cpu_seconds(_decode, program, account, accounts, passes)},
        passes,
    )
    benchmark.extra_info["cpu_ms_a_pool"] = round(medians["orderengine"] / 1e3, 3)


def _recorded(program: Program) -> tuple[Account, Accounts]:
    dumped = accounts_in(f"{SIX}/raw/raydium-clmm")
    return next(account for account in dumped if program.is_pool(account)), Accounts(dumped)


def _decode(program: Program, account: Account, accounts: Accounts, passes: int) -> None:
    for _ in range(passes):
        program.decode(account, accounts)
