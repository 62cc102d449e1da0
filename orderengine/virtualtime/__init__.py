"""Run anyio code in virtual time: waiting costs nothing. Knows nothing of orders."""

from orderengine.virtualtime.jump_clock import Deadlock, now_ns, run

__all__ = ["Deadlock", "now_ns", "run"]
