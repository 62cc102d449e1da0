"""Say what a route is wanted for, on which terms, and check it once for every strategy."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import force_setattr

from orderengine.errors import InvalidAmount, NoRoute, UnknownToken
from orderengine.model.amounts import U64_MAX
from orderengine.model.order import Mode, Route
from orderengine.pools.units import symbol_of
from orderengine.routing.view import MarketView

__all__ = ["Costs", "Request", "Strategy", "Terms"]


class Costs(Struct, frozen=True, kw_only=True):
    """Say what the network charges for a transaction, and what that is worth to the order."""

    signature_lamports: int = 5_000
    """Once a transaction."""
    unit_price: int = 0
    """Micro-lamports for each compute unit that the legs ask for."""
    lamport_price_x64: int
    """Base units, for one lamport, of the token that varies: ``buy`` for exact_in, else ``sell``;
    Q64.64."""

    def __post_init__(self) -> None:
        for field in ("signature_lamports", "unit_price", "lamport_price_x64"):
            given: object = getattr(self, field)
            if type(given) is not int or given < 0:
                raise InvalidAmount(field, given, "an int, at least 0")


class Terms(Struct, frozen=True, kw_only=True):
    """Say what a route may cost and how large it may be."""

    costs: Costs | None = None
    """None: legs cost nothing, and the best route is the one that pays most."""
    is_one_transaction: bool = False
    """Whether all legs must fit one transaction: 64 accounts, 1,232 bytes, 1.4 M compute units."""
    legs_max: int | None = None
    may_cycle: bool = False
    """Of ``network``: whether to trade in cycles where that pays (arbitrage on the way)."""

    @property
    def is_free(self) -> bool:
        """Whether any number of legs is as good as one."""
        return self.costs is None and not self.is_one_transaction and self.legs_max is None


class Request(Struct, frozen=True, kw_only=True):
    """Ask for a route. Checked when built.

    Raises:
        InvalidAmount: ``amount`` is no int from 1 to u64, ``legs_max`` is below 1, or both tokens
            are one.
        UnknownToken: no pool of the market holds the token.
        NoRoute: the market has no pools.
    """

    view: MarketView
    sell: str
    """Symbol or mint; held as symbol where one is built in."""
    buy: str
    amount: int
    """Base units: of ``sell`` in mode exact_in, of ``buy`` in mode exact_out."""
    mode: Mode = Mode.EXACT_IN
    terms: Terms = Terms()

    def __post_init__(self) -> None:
        if type(self.amount) is not int or not 1 <= self.amount <= U64_MAX:
            raise InvalidAmount("amount", self.amount, "an int from 1 to 2^64 - 1 base units")
        legs_max = self.terms.legs_max
        if legs_max is not None and (type(legs_max) is not int or legs_max < 1):
            raise InvalidAmount("legs_max", legs_max, "an int, at least 1")
        if not self.view.tokens:
            raise NoRoute({"the market": "has no pools"})
        for field in ("sell", "buy"):
            given: str = getattr(self, field)
            held = symbol_of(given)
            if held not in self.view.tokens:
                raise UnknownToken(given, ", ".join(self.view.tokens))
            force_setattr(self, field, held)
        if self.sell == self.buy:
            raise InvalidAmount("buy", self.buy, f"another token than sell ({self.sell})")

    @property
    def is_exact_in(self) -> bool:
        """Whether the input is fixed and the output varies."""
        return self.mode is Mode.EXACT_IN


class Strategy(Struct, frozen=True):
    """Name a way to compute a route from pools."""

    name: str
    route: Callable[[Request], Route]
    """Raises ``Rejected`` where the market has no route; the error says what was missing."""
    is_baseline: bool = False
    """Whether it is a heuristic that others use, kept to be compared with."""
    said: str = ""
    """What it does, in a line."""
