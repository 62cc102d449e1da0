"""Route and execute token-swap orders over Solana DEX pools.

One engine, two worlds: studies in virtual time (``simulate``), and a live service. Importing this
package loads only anyio and msgspec; the rest is loaded when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from orderengine import errors
from orderengine.errors import OrderEngineError
from orderengine.model.amounts import amount, format_amount, parse_amount
from orderengine.model.events import Event, Status
from orderengine.model.lifecycle import OrderState, fold
from orderengine.model.order import Leg, Mode, Order, Priority, Quote, Route
from orderengine.model.tokens import Token, token

if TYPE_CHECKING:
    from orderengine.study.calibrated import Calibration
    from orderengine.study.calibration import calibrate
    from orderengine.study.compare import compare
    from orderengine.study.compared import Comparison
    from orderengine.study.live import Client
    from orderengine.study.loading import load
    from orderengine.study.result import Result
    from orderengine.study.routes import market_view, route
    from orderengine.study.run import scenario, simulate
    from orderengine.study.scenario import Scenario
    from orderengine.study.sweep.result import SweepResult
    from orderengine.study.sweep.run import sweep

__version__ = "0.1.0"

__all__ = [
    "Calibration",
    "Client",
    "Comparison",
    "Event",
    "Leg",
    "Mode",
    "Order",
    "OrderEngineError",
    "OrderState",
    "Priority",
    "Quote",
    "Result",
    "Route",
    "Scenario",
    "Status",
    "SweepResult",
    "Token",
    "amount",
    "calibrate",
    "compare",
    "errors",
    "fold",
    "format_amount",
    "load",
    "market_view",
    "parse_amount",
    "route",
    "scenario",
    "simulate",
    "sweep",
    "token",
]

_LAZY = {
    "Calibration": "orderengine.study.calibrated",
    "Client": "orderengine.study.live",
    "Comparison": "orderengine.study.compared",
    "Result": "orderengine.study.result",
    "Scenario": "orderengine.study.scenario",
    "SweepResult": "orderengine.study.sweep.result",
    "calibrate": "orderengine.study.calibration",
    "compare": "orderengine.study.compare",
    "load": "orderengine.study.loading",
    "market_view": "orderengine.study.routes",
    "route": "orderengine.study.routes",
    "scenario": "orderengine.study.run",
    "simulate": "orderengine.study.run",
    "sweep": "orderengine.study.sweep.run",
}


def __getattr__(name: str) -> object:
    """Load what studies and clients need when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
