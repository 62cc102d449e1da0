"""Play the engine's public face against a model: in virtual time, over SQLite, over PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast
from uuid import uuid4

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.execution.machine.engine_machine import EngineMachine
from tests.execution.machine.openings import Opening, in_memory, in_sql
from tests.execution.machine.worlds import RealWorld, VirtualWorld, World
from tests.servers import PostgresServer

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
_REAL = settings(
    stateful_step_count=20,
    max_examples=8,
    # In real time a failure need not come again, so there is nothing to shrink.
    phases=(Phase.generate,),
    suppress_health_check=_SLOW,
)


def _play(world: Callable[[], World], opening: Callable[[], Opening], how: settings) -> None:
    """Play many histories, each in a world of its own; a real database pages and has history."""

    def machine() -> EngineMachine:
        made = world()
        return EngineMachine(made, opening(), has_history=not made.is_exact)

    # It asks for a class, and only calls it.
    run_state_machine_as_test(cast("type[RuleBasedStateMachine]", machine), settings=how)


def test_the_engine_in_virtual_time() -> None:
    """Over the store in memory; a history that fails is shrunk."""
    thorough = settings(stateful_step_count=30, suppress_health_check=_SLOW)
    many = settings(thorough, max_examples=4 * thorough.max_examples)
    _play(VirtualWorld, lambda: in_memory, many)


def test_the_engine_over_sqlite(tmp_path: Path) -> None:
    """In real time, where workers go on between two steps."""
    _play(RealWorld, lambda: in_sql(f"sqlite:///{tmp_path / uuid4().hex}"), _REAL)


def test_the_engine_over_postgresql(postgres: PostgresServer) -> None:
    """The same, with the server between them."""
    _play(RealWorld, lambda: in_sql(postgres.create_database()), _REAL)
