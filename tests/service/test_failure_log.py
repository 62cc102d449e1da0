"""Check that failures are logged seldom, however often they happen."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from orderengine.service import failure_log


def test_a_failure_is_logged_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the next that is logged says how many were not."""
    now_s = 100.0
    monkeypatch.setattr(failure_log, "time", SimpleNamespace(monotonic=lambda: now_s))
    log = failure_log.failure_log("tests.failures")
    assert failure_log.failure_log("tests.failures") is log
    with caplog.at_level(logging.ERROR):
        for _ in range(1_000):
            log.error("%s failed", "it")
        now_s += 1.0
        log.error("%s failed", "it")
        now_s += 1.0
        log.error("%s failed", "it")
    said = [record.getMessage() for record in caplog.records]
    assert said == ["it failed", "it failed (999 before it were not logged)", "it failed"]
