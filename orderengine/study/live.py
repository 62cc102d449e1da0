"""Put a scenario's orders to a running service, and measure what it does with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from orderengine.client.client import Client as PlainClient
from orderengine.errors import Unavailable
from orderengine.market.fields import check, price_of
from orderengine.market.prices import to_x64
from orderengine.model.tokens import token
from orderengine.model.wire import event_log_sha256
from orderengine.study.load_report import report_of
from orderengine.study.load_run import LoadRun
from orderengine.study.progress import progress_of
from orderengine.study.result import Result, in_time_order
from orderengine.study.run import first_error, peak_rss_mb, scenario
from orderengine.study.scenario import Scenario

__all__ = ["Client"]


class Client(PlainClient):
    """Speak to one service as one user, and load it; see ``orderengine.client.client.Client``."""

    async def load(  # noqa: PLR0913  (each by name)
        self,
        study: Scenario | str = "default",
        *,
        orders: int | None = None,
        concurrency: int | None = None,
        rate_per_s: float | None = None,
        ws: Literal["one", "per-order"] = "one",
        lost_after_s: float = 120,
        progress: bool | Callable[[int, int], None] | None = None,
    ) -> Result:
        """Put a scenario's orders to the service, and return its events as a study's result.

        Open loop unless ``concurrency`` is given: orders start when the scenario says, whether or
        not others have been answered, and latency counts from there. ``result.load`` holds what
        the client measured. Sizes are made at the scenario's ``market.price.start``; the market,
        the engine and the cancellations of the scenario play no part.

        Args:
            study: a scenario, or the name or path of one.
            orders: how many; None for the scenario's.
            concurrency: closed loop: so many orders at once, each until its end.
            rate_per_s: open loop at this mean rate; None for the scenario's arrivals.
            ws: read events over one socket for all orders, or over one for each.
            lost_after_s: an order that has not ended by so long after its receipt is lost; at
                least the scenario's deadline, or orders still alive are called lost.
            progress: as for ``simulate``.

        Raises:
            InvalidScenario: a field or an argument is wrong.
            Unavailable: the service is not ready, or its socket cannot be opened; try later.
            InvariantViolated: the service gave one id to two orders.
        """
        chosen = study if isinstance(study, Scenario) else scenario(study)
        chosen = _changed(chosen, orders, concurrency, rate_per_s)
        check("ws", ws, ws in {"one", "per-order"}, "one or per-order")
        check("lost_after_s", lost_after_s, 0 < lost_after_s <= 86_400, "seconds, up to a day")
        if not await self.ready():
            raise Unavailable("the service is up but not ready to take orders")
        run = LoadRun(
            self,
            chosen,
            price_x64=_start_x64(chosen),
            concurrency=concurrency,
            ws=ws,
            lost_after_s=lost_after_s,
            progress=progress_of(progress, chosen.orders, "loading"),
        )
        began = time.process_time()
        try:
            await run.run()
        except BaseExceptionGroup as group:
            raise first_error(group) from None
        return _result(chosen, run, began)


def _changed(
    chosen: Scenario, orders: int | None, concurrency: int | None, rate_per_s: float | None
) -> Scenario:
    """Return the scenario with what ``load`` was told."""
    if concurrency is not None:
        expected = "no rate beside it: a closed loop starts an order when one ends"
        check("concurrency", concurrency, rate_per_s is None, expected)
        check("concurrency", concurrency, 1 <= concurrency <= 10_000, "from 1 to 10000")
    changes: dict[str, object] = {} if orders is None else {"orders": orders}
    if rate_per_s is not None:
        changes["arrivals.rate_per_s"] = float(rate_per_s)
        if chosen.arrivals.model == "burst":
            changes["arrivals.model"] = "even"
    return chosen.replace(changes)


def _start_x64(chosen: Scenario) -> int:
    market = chosen.market
    price = price_of("market.price.start", market.price.start)
    return to_x64(price, token(market.base), token(market.quote))


def _result(chosen: Scenario, run: LoadRun, began: float) -> Result:
    logs = run.logs()
    digest = event_log_sha256(in_time_order(logs))
    cpu_seconds = time.process_time() - began
    load = report_of(
        list(run.tallies.claimed.values()),
        refused=run.refused,
        reconnects=run.reconnects,
        began_at=run.began_at,
        cpu_seconds=cpu_seconds,
    )
    return Result(
        scenario=chosen,
        logs=logs,
        event_log_sha256=digest,
        cpu_seconds=cpu_seconds,
        peak_rss_mb=peak_rss_mb(),
        supply={},
        prices_sha256="",
        load=load,
    )
