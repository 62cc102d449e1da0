"""Let an attacker put a trade before and one after a transaction that it sees coming.

It buys on a pool of the victim's what the victim is about to buy, lets the victim trade at the
worse price, and sells all of it again: front-run, victim, back-run, one after the other. The
transactions' limits are all that protects the victim, so the attacker takes as much as they leave:
it never makes a victim fail, for then it would have nothing to gain. Every number is found by
running the exact transactions on the exact pools (``front``), and the three are one bundle: if the
victim would fail anyway, nothing happens at all (P. Daian et al., "Flash Boys 2.0", IEEE Symposium
on Security and Privacy 2020; L. Zhou et al., "High-frequency trading on decentralized on-chain
exchanges", IEEE Symposium on Security and Privacy 2021).

Assumption: one attacker, with unlimited tokens, who sees each attempt with a given chance,
attacks one pool of it, and must gain more than a cost; it gives the validator a share of the gain.
No figure is measured. Where it misleads: there is no second attacker to bid away its gain, and it
does not put several victims into one attack.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.errors import InvariantViolated
from orderengine.market.draws import Draws, key_of
from orderengine.market.fields import check
from orderengine.market.traders.floor import Floor, lamports_of
from orderengine.market.traders.front import Front, best_front
from orderengine.market.transactions import Settled, Transaction
from orderengine.pools import Direction, Swap, tokens_of
from orderengine.pools.fixed_point import Q64

__all__ = ["ATTACKER", "Attack", "Attacker", "SandwichConfig"]

ATTACKER = "attacker"
"""Its account in the ledger."""


class SandwichConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe the sandwich attacker."""

    seen_share: float = 0.0
    """Chance that it sees an attempt before it lands; 0 for no attacker. What is sent on a
    protected path it never sees."""
    cost_lamports: int = 15_000
    """What an attack must gain more than: three signatures of 5,000."""
    tip_share: float = 0.5
    """Share of the gain above the cost that goes to the validator. Assumption."""

    def __post_init__(self) -> None:
        for name in ("seen_share", "tip_share"):
            share = getattr(self, name)
            check(name, share, 0 <= share <= 1, "from 0 to 1")
        cost = self.cost_lamports
        check("cost_lamports", cost, 0 <= cost <= 10**12, "from 0 to 10^12")


class Attack(Struct, frozen=True, kw_only=True, gc=False):
    """Record an attack that happened; amounts in base units."""

    slot: int
    pool: str
    sold: str
    """The token that the front-run spends and the back-run brings."""
    front_in: int
    bought: int
    """What the front-run brings, all of which the back-run spends."""
    back_out: int
    tip_lamports: int
    """Paid by the attacker out of its gain."""
    sell: str
    """What the victim sells."""
    buy: str
    lost_in: int
    """How much more of ``sell`` the victim paid than it would have without the attack."""
    lost_out: int
    """How much less of ``buy`` it received."""

    @property
    def gain(self) -> int:
        """What the attacker has more of ``sold``, before the tip."""
        return self.back_out - self.front_in


class _Bundle(Struct, frozen=True):
    """Hold an attack whose front-run is booked."""

    signature: str
    front: Front
    back: Swap
    back_direction: Direction
    record: Attack


class Attacker:
    """See transactions, attack those that are worth it, and remember each attack by signature."""

    def __init__(self, config: SandwichConfig, seed: int) -> None:
        self._config = config
        self._draws = Draws(seed, "sandwich/seen")
        self.attacks: dict[str, Attack] = {}
        """By the victim's signature."""

    def before(
        self,
        floor: Floor,
        signature: str,
        transaction: Transaction,
        now_s: int,
    ) -> _Bundle | None:
        """Book the front-run, if there is an attack worth it; the victim executes next.

        A bundle, and what is sent on the bundles' path, is hidden.

        The draw is named by the transaction's memo, order and attempt: two policies that sign
        different bytes are seen alike.
        """
        is_seen = self._draws.happens(self._config.seen_share, key_of(transaction.memo))
        if transaction.is_hidden or not is_seen:
            return None
        pools = {leg.pool: floor.pools[leg.pool] for leg in transaction.legs}
        bare = floor.trial(transaction, pools, now_s)
        if bare is None or not self._has_room(floor, transaction, bare):
            return None
        found, gained = None, self._config.cost_lamports
        for address, direction in {leg.pool: leg.direction for leg in transaction.legs}.items():
            front = best_front(
                lambda tried: floor.trial(transaction, tried, now_s),
                pools,
                address,
                direction,
                now_s,
            )
            if front is not None:
                lamports = self._lamports(floor, front)
                if lamports > gained:
                    found, gained = front, lamports
        if found is None:
            return None
        tip = self._config.cost_lamports
        tip += int(self._config.tip_share * (gained - tip))
        sold, _ = tokens_of(floor.pools[found.pool], found.direction)
        (sell, buy), settled = _ends(floor, transaction), found.settled
        record = Attack(
            slot=floor.slot,
            pool=found.pool,
            sold=sold,
            front_in=found.front.amount_in,
            bought=found.front.amount_out,
            back_out=found.back.amount_out,
            tip_lamports=tip,
            sell=sell,
            buy=buy,
            lost_in=bare.changes[sell] - settled.changes[sell],
            lost_out=bare.changes[buy] - settled.changes[buy],
        )
        floor.book(ATTACKER, floor.pools[found.pool], found.direction, found.front)
        back_direction = (
            Direction.B_TO_A if found.direction is Direction.A_TO_B else Direction.A_TO_B
        )
        return _Bundle(signature, found, found.back, back_direction, record)

    def after(self, floor: Floor, bundle: _Bundle) -> None:
        """Book the back-run, which was computed on the pool that the victim has left by now.

        Raises:
            InvariantViolated: the victim did something else than when it was tried.
        """
        pool = floor.pools[bundle.front.pool]
        if pool != bundle.front.after_victim:
            raise InvariantViolated(f"{bundle.signature} executed otherwise than it was tried")
        floor.book(ATTACKER, pool, bundle.back_direction, bundle.back)
        tip = bundle.record.tip_lamports
        if tip:
            floor.ledger.pay(ATTACKER, "validators", "SOL", tip)
        self.attacks[bundle.signature] = bundle.record

    def _has_room(self, floor: Floor, transaction: Transaction, bare: Settled) -> bool:
        """Return whether the victim's limits leave more than the cost to be taken.

        What the attacker gains the victim loses, at a price that is at most the pool's after the
        victim's own trade. Twice the outside worth of what the limits leave is a bound as long as
        that price is below twice the outside one; nobody attacks what is dearer still.
        """
        sell, buy = _ends(floor, transaction)
        left = (bare.changes[buy] - transaction.amount_out_min) * floor.worth_x64(buy)
        spare = (transaction.amount_in_max + bare.changes[sell]) * floor.worth_x64(sell)
        return lamports_of(floor, 2 * max(left, spare) // Q64) > self._config.cost_lamports

    def _lamports(self, floor: Floor, front: Front) -> int:
        """Return what a front-run gains, in lamports at outside prices, rounded down."""
        token, _ = tokens_of(floor.pools[front.pool], front.direction)
        return lamports_of(floor, front.gain * floor.worth_x64(token) // Q64)


def _ends(floor: Floor, transaction: Transaction) -> tuple[str, str]:
    """Return what the victim sells and buys."""
    first, last = transaction.legs[0], transaction.legs[-1]
    sell, _ = tokens_of(floor.pools[first.pool], first.direction)
    _, buy = tokens_of(floor.pools[last.pool], last.direction)
    return sell, buy
