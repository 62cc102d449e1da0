"""Describe the simulated world: everything that is outside the engine.

Figures cite where they come from; what no source gives is marked as an assumption. The sources are
those of the project's Solana notes: `blockrazor` (slot times, August 2025), `Syndica` (September
2025), `Raydium docs` (compute units), and measured files: 188 transfers of 2024-10-01
(Block-Logic/ping-thing-client), one mainnet block (361774429), 871 Jupiter quotes of 2025-10-23.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from orderengine.market.chain.bids import BidConfig
from orderengine.market.chain.blocks import BlockConfig
from orderengine.market.chain.commitment import CommitmentLevel, ConsensusConfig
from orderengine.market.chain.congestion import CongestionConfig
from orderengine.market.chain.leaders import LeaderConfig, Leaders
from orderengine.market.chain.paths import PathName, PathsConfig
from orderengine.market.draws import Draws
from orderengine.market.fields import (
    Duration,
    amount_of,
    check,
    duration_ns,
    price_of,
)
from orderengine.market.latency import LatencyConfig
from orderengine.market.pools import DEFAULT_POOLS, PoolConfig
from orderengine.market.prices import PriceConfig
from orderengine.market.traders.competition import ArbitrageursConfig
from orderengine.market.traders.flow import FlowConfig
from orderengine.market.traders.liquidity import LiquidityConfig
from orderengine.market.traders.sandwich import SandwichConfig
from orderengine.model.tokens import TOKENS

__all__ = ["FeeConfig", "FlowConfig", "LandingConfig", "MarketConfig"]


class FeeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe what a transaction costs: lamports a signature, and a price a compute unit."""

    signature_lamports: int = 5_000
    """Solana's base fee (Raydium docs)."""
    urgent_micro_lamports: int = 200_000
    """A compute unit's price for urgent orders: the 75th percentile of block 361774429."""
    normal_micro_lamports: int = 300
    """For normal orders: the median of block 361774429."""
    bulk_micro_lamports: int = 0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            check(name, value, 0 <= value <= 10**12, "from 0 to 10^12")


class LandingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe how a sent transaction reaches a block, and when it never does."""

    model: Literal["delay", "slots", "instant", "network"] = "delay"
    """``delay``: lands in the first slot that begins after a drawn delay; ``slots``: lands a
    geometric number of slots after the one it is sent in; ``instant``: lands as it is sent;
    ``network``: as ``delay``, but delay and loss are those of its path, and grow with congestion.
    """
    delay: LatencyConfig = LatencyConfig(model="lognormal", median="2000ms", sigma=0.42)
    """With waiting for the next slot's start, 6 slots in the median, as measured; the spread makes
    the p90 until confirmation that of 188 measured transfers (p50 3,225, p90 4,663 ms)."""
    slots_p: float = 0.6
    """Of ``slots``: the chance to land in the next slot, and in each one after it."""
    drop_rate: float = 0.1
    """Chance that one sending is lost on its way. Assumption: no source gives a rate."""
    fail_rate: float = 0.0
    """Chance that a transaction which lands fails, whatever it asks; for trying out failures."""
    drop_notice: Duration = "0ms"
    """If above 0, a lost transaction is reported dead after this time, and can land no more. Solana
    gives no such notice; it stands for simple models that retry after a fixed wait."""
    blockhash_blocks: int = 150
    """Blocks (not slots) for which a signature stays valid (Solana docs)."""
    confirm: LatencyConfig = LatencyConfig(model="lognormal", median="1000ms", sigma=0.2)
    """From landing to knowing it. Assumption: what landing leaves of the measured median."""
    path: PathName = "rpc"
    """Of ``network``: how orders are sent."""
    urgent_path: Literal["", "rpc", "staked", "bundle"] = ""
    """How urgent ones are; empty for ``path``."""
    paths: PathsConfig = PathsConfig()
    commitment: CommitmentLevel = "confirmed"
    """What an order waits for, where ``market.consensus`` has a profile."""

    def __post_init__(self) -> None:
        check("slots_p", self.slots_p, 0 < self.slots_p <= 1, "above 0 and at most 1")
        check("drop_rate", self.drop_rate, 0 <= self.drop_rate < 1, "from 0 to below 1")
        check("fail_rate", self.fail_rate, 0 <= self.fail_rate <= 1, "from 0 to 1")
        duration_ns("drop_notice", self.drop_notice)
        blocks = self.blockhash_blocks
        check("blockhash_blocks", blocks, 1 <= blocks <= 100_000, "from 1 to 100000 blocks")


class MarketConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe a world: pair, slots, outside price, pools, flow, latencies, landing, fees.

    Orders trade one pair, base and quote. Pools may hold other tokens, for routes of several hops.
    """

    base: str = "SOL"
    quote: str = "USDC"
    slot: Duration = "400ms"
    """A slot's length (target 400 ms; 437 measured one-minute means are 382 to 423 ms)."""
    slot_jitter: float = 0.0
    """Standard deviation of the logarithm of a slot's length; 0 for slots of one length. 0.2 gives
    the spread of the minute means (``market.chain.slots``)."""
    skip_rate: float = 0.0007
    """Chance that a slot has no block (Syndica, September 2025)."""
    leaders: LeaderConfig = LeaderConfig()
    congestion: CongestionConfig = CongestionConfig()
    blocks: BlockConfig = BlockConfig()
    bids: BidConfig = BidConfig()
    """What others bid for block space."""
    consensus: ConsensusConfig = ConsensusConfig()
    price: PriceConfig = PriceConfig()
    snapshot: str = ""
    """A file that ``orderengine snapshot`` wrote: its pools of this pair take the place of
    ``pools``. The price then starts at that of the deepest, and the study at the file's time."""
    hops: bool = False
    """Whether the snapshot's pools of other pairs are taken, too, where these connect base and
    quote by way of other built-in tokens."""
    pools: tuple[PoolConfig, ...] = DEFAULT_POOLS
    prices: dict[str, str] = {}
    """Of each token that pools hold besides base and quote: quote tokens for one of it, outside the
    pools. Assumption: constant. Of a snapshot's, what is not given is the deepest pool's price."""
    arbitrage: bool = True
    """Whether an arbitrageur trades every pool back to within its fee of the outside price, at the
    start of each slot, before our own orders."""
    arbitrageurs: ArbitrageursConfig = ArbitrageursConfig()
    """Competing ones, in its place."""
    flow: FlowConfig = FlowConfig()
    sandwich: SandwichConfig = SandwichConfig()
    liquidity: LiquidityConfig = LiquidityConfig()
    quote_latency: LatencyConfig = LatencyConfig(model="lognormal", median="492ms", sigma=0.531)
    """From asking a venue to the reading of its pools' state. Median and p90 (972 ms) of 871
    Jupiter quotes through a proxy; for Raydium's and Meteora's own endpoints an assumption."""
    build_latency: LatencyConfig = LatencyConfig(model="lognormal", median="30ms", sigma=0.3)
    """From the choice of a route to its signature, the answer's way back included. Assumption."""
    quote_pools: Literal["all", "one"] = "all"
    """``one``: each order is quoted by one pool only, drawn for it."""
    landing: LandingConfig = LandingConfig()
    fees: FeeConfig = FeeConfig()

    def __post_init__(self) -> None:
        symbols = [entry.symbol for entry in TOKENS]
        for name in ("base", "quote"):
            symbol = getattr(self, name)
            check(name, symbol, symbol in symbols, f"one of {', '.join(symbols)}")
        check("quote", self.quote, self.quote != self.base, f"another token than {self.base}")
        slot_ns = duration_ns("slot", self.slot)
        check("slot", self.slot, 1_000_000 <= slot_ns <= 60_000_000_000, "from 1ms to 60s")
        check("slot_jitter", self.slot_jitter, 0 <= self.slot_jitter <= 1, "from 0 to 1")
        check("skip_rate", self.skip_rate, 0 <= self.skip_rate <= 0.9, "from 0 to 0.9")
        Leaders(self.leaders, self.skip_rate, Draws(0, ""))  # refuses what does not add up
        is_final = self.landing.commitment != "processed" or self.consensus.fork_rate == 0
        said = "0 with the commitment processed: what is reported as landed must be final"
        check("consensus.fork_rate", self.consensus.fork_rate, is_final, said)
        check("pools", len(self.pools), len(self.pools) > 0, "at least one pool")
        names = [pool.name for pool in self.pools]
        check("pools", names, len(set(names)) == len(names), "a different name for each pool")
        amount_of("flow.size_median", self.flow.size_median, self.base)
        self._check_traders()
        for name, price in self.prices.items():
            others = [symbol for symbol in symbols if symbol not in {self.base, self.quote}]
            check("prices", name, name in others, f"tokens out of {', '.join(others)}")
            price_of(f"prices.{name}", price)
        for index, pool in enumerate(() if self.snapshot else self.pools):
            pair = self.pair_of(pool)
            is_pair = len(pair) == 2 == len(set(pair)) and set(pair) <= set(symbols)
            expected = f"two tokens out of {', '.join(symbols)}, such as SOL/USDT"
            check(f"pools[{index}].pair", pool.pair, is_pair, expected)
            for name in pair:
                is_priced = name in {self.base, self.quote, *self.prices}
                check("prices", self.prices, is_priced, f"a price of {name}, in {self.quote}")
            amount_of(f"pools[{index}].depth", pool.depth, pair[1])
        paid = any(getattr(self.fees, name) for name in self.fees.__struct_fields__)
        if self.landing.model == "network":
            ways = (self.landing.path, self.landing.urgent_path or self.landing.path)
            paid |= any(getattr(self.landing.paths, name).tip_lamports for name in ways)
        has_sol = "SOL" in (self.base, self.quote)
        check(
            "fees",
            f"fees above 0 for {self.base}/{self.quote}",
            has_sol or not paid,
            "fees of 0 unless one token of the pair is SOL, in which they are paid",
        )

    def _check_traders(self) -> None:
        """Refuse a capital of another token, and costs in lamports without a price of SOL."""
        if self.arbitrageurs.capital:
            amount_of("arbitrageurs.capital", self.arbitrageurs.capital, self.base)
        has_sol = "SOL" in (self.base, self.quote, *self.prices)
        for name, value, is_on in (
            ("arbitrageurs.count", self.arbitrageurs.count, self.arbitrageurs.count > 0),
            ("sandwich.seen_share", self.sandwich.seen_share, self.sandwich.seen_share > 0),
        ):
            expected = "0 unless SOL, in which they count their costs, is in the pair or in prices"
            check(name, value, has_sol or not is_on, expected)

    def pair_of(self, pool: PoolConfig) -> tuple[str, ...]:
        """Return the symbols of a pool's tokens, the base token first."""
        return tuple(pool.pair.split("/")) if pool.pair else (self.base, self.quote)
