"""Check in which order the others act, and that who is turned off is not there."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from orderengine.errors import InvariantViolated
from orderengine.market.config import FlowConfig
from orderengine.market.traders.competition import ArbitrageursConfig, Claim
from orderengine.market.traders.liquidity import LiquidityConfig
from orderengine.market.traders.sandwich import SandwichConfig
from orderengine.market.world import World
from orderengine.pools import Direction, Pool
from tests.market.worlds import CPMM, PRICE_X64, SOL, deliver, go_to, sell_sol, world_of

EVERYBODY: dict[str, object] = {
    "arbitrageurs": ArbitrageursConfig(count=2, acts_share=1.0, delay_slots=0),
    "sandwich": SandwichConfig(seen_share=1.0),
    "liquidity": LiquidityConfig(sigma=0.3, every="400ms"),
    "flow": FlowConfig(trades_per_slot=5.0),
}


class Watched(World):
    """Note who trades, and how deep the pool is then."""

    noted: list[tuple[str, int]]

    def book(self, trader: str, pool: Pool, direction: Direction, swap: object) -> None:
        """Note a trade and keep it."""
        self.noted.append((trader, self.slot))
        super().book(trader, pool, direction, swap)  # type: ignore[arg-type]


def test_only_those_who_are_on_have_an_account() -> None:
    """By default there are the two of old, so the supply of a study stays what it was."""
    assert world_of()._others.accounts == ("arbitrageur", "flow")
    assert world_of(**EVERYBODY)._others.accounts == (  # type: ignore[arg-type]
        "arbitrageur",
        "flow",
        "arbitrageur-1",
        "arbitrageur-2",
        "lp",
        "attacker",
    )


def test_block_has_its_order() -> None:
    """Takers first, then bidders before the order, then the attacker on both sides of it."""
    prices = [PRICE_X64, PRICE_X64 * 103 // 100]
    world = world_of(prices_x64=prices, **EVERYBODY)  # type: ignore[arg-type]
    world.__class__ = Watched
    assert isinstance(world, Watched)
    world.noted = []
    world.ledger.issue("user", "SOL", 2_000 * SOL)
    deliver(world, sell_sol("s", 1_000 * SOL), 1)
    opened = world.pools["cpmm"]
    go_to(world, 1)
    names = [name for name, _ in world.noted]
    takers = names.count("flow")
    assert takers > 0
    assert names[:takers] == ["flow"] * takers
    assert names[takers].startswith("arbitrageur-")
    assert names[-2:] == ["attacker", "attacker"]
    assert world.pools["cpmm"] != opened
    world.require_conserved()


def test_claims_wait_for_their_turn() -> None:
    """Those above a bid act before it; those at it or below come after."""
    world = world_of(**EVERYBODY)  # type: ignore[arg-type]
    claims = [Claim(price, "arbitrageur-1", "cpmm", price) for price in (900, 500, 500, 0)]
    for least, left in ((1_000, 4), (900, 4), (500, 3), (0, 1), (-1, 0)):
        world._others.act(world, claims, least, 0)
        assert len(claims) == left


def test_skipped_slots_are_seen() -> None:
    """The price moves on without a block, so what is known is late by slots, not by blocks."""
    prices = [PRICE_X64 + slot for slot in range(60)]
    rivals = ArbitrageursConfig(count=1, delay_slots=3)
    world = world_of(CPMM, prices_x64=prices, skip_rate=0.6, arbitrageurs=rivals)
    for slot in range(5, 50):
        go_to(world, slot)
        competition = world._others._competition
        assert competition is not None
        assert competition._seen[0] == prices[slot - 3]


def test_nobody_trades_for_nothing() -> None:
    """A trader's tokens come from its account: one that is not there cannot trade."""
    world = world_of(CPMM)
    with pytest.raises(InvariantViolated):
        world.trade("nobody", world.pools["cpmm"], Direction.A_TO_B, SOL, 0)
    quiet = replace(LiquidityConfig(), sigma=0.0)
    assert not quiet.is_on
