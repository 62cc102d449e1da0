"""Check that a run which forgets keeps nothing of what has ended for long."""

from __future__ import annotations

from pathlib import Path

import pytest

import orderengine as oe
from orderengine.model.events import Submitted
from orderengine.study import run
from orderengine.study.forgetting import Forgetting
from orderengine.study.wiring import Wired, wire
from tests.study.busy import BUSY


def test_only_what_may_still_land_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end the store is empty, and each signature still known was valid at the last end."""
    parts: list[Wired] = []

    def watched(*args: object) -> Wired:
        parts.append(wire(*args))  # type: ignore[arg-type]
        return parts[-1]

    monkeypatch.setattr(run, "wire", watched)
    result = oe.simulate(BUSY, progress=False, out=tmp_path)
    (wired,) = parts
    assert wired.store.logs == []
    signed = [event for log in result.logs for event in log if type(event) is Submitted]
    limits = {event.signature: event.last_valid_height for event in signed}
    kept = wired.world.executions
    assert len(kept) < len(signed) / 4
    # A signature is dropped with the first order that ends after its limit and after those of the
    # orders that ended before: an attempt lasts 10 blocks here, an order some attempts.
    assert all(limits[signature] > wired.world.height - 60 for signature in kept)


def test_ended_order_gives_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in memory forgets nothing; what forgetting returns is an order's whole log."""
    parts: list[Wired] = []

    def watched(*args: object) -> Wired:
        parts.append(wire(*args))  # type: ignore[arg-type]
        return parts[-1]

    monkeypatch.setattr(run, "wire", watched)
    kept = oe.simulate(BUSY, orders=50, progress=False)
    (wired,) = parts
    assert len(wired.store.logs) == 50
    forgetting = Forgetting(wired.store, wired.settlement, wired.world)
    for log in kept.logs:
        assert forgetting.end(log[0].order_id) == log
    assert wired.store.logs == []
