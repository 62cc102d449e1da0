"""Trade pools back to the outside price: an arbitrageur who is always first, rich and unpaid for.

Assumption: it knows the outside price of the slot at its start, has unlimited tokens, pays nothing
for its transactions and comes before everybody else in the block. Where it misleads: pools follow
the price more closely than those on mainnet; ``competition`` has arbitrageurs who come late and
count their costs.
"""

from __future__ import annotations

from orderengine.market.prices.spread import Spread
from orderengine.market.traders.floor import Floor
from orderengine.pools import Direction, Pool

__all__ = ["ARBITRAGEUR", "arbitrage", "seen_worth_x64"]

ARBITRAGEUR = "arbitrageur"
"""Its account in the ledger."""


def seen_worth_x64(
    floor: Floor, spread: Spread | None, pool: Pool, name: str, price_x64: int
) -> int:
    """Return the worth of a token to who trades on a pool and knows this price of the base token.

    In the quote token, Q64.64; only the base token's is seen with the deviation of the pool.
    """
    if name != floor.base:
        return floor.worth_x64(name)
    return price_x64 if spread is None else spread.seen_x64(pool, price_x64)


def arbitrage(floor: Floor, spread: Spread | None, pool: Pool, now_s: int) -> None:
    """Trade until the pool's price after its fee is no better than the outside price.

    Selling A to the pool pays while it gives more B for A than outside; selling B pays while it
    asks less B for A than outside. The base token may be either of the two, or none.
    """
    worth_a = seen_worth_x64(floor, spread, pool, pool.token_a, floor.price_x64)
    worth_b = seen_worth_x64(floor, spread, pool, pool.token_b, floor.price_x64)
    price_x64 = (worth_a << 64) // worth_b
    for direction in (Direction.A_TO_B, Direction.B_TO_A):
        amount_in = pool.amount_in_to_price(direction, price_x64, now_s)
        if amount_in > 0:
            floor.trade(ARBITRAGEUR, pool, direction, amount_in, now_s)
            return
