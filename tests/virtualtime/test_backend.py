"""Check how anyio comes to know the backend, and the private places that this touches."""

from __future__ import annotations

import tomllib
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path

import anyio
import pytest
from anyio._core import _eventloop

from orderengine import virtualtime
from orderengine.virtualtime.backend import VirtualTimeBackend

pytest_plugins = ["pytester"]


def test_registering_is_all_that_anyio_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ``register``, twice even, ``anyio.run`` finds the backend by its name."""
    monkeypatch.delitem(_eventloop.loaded_backends, virtualtime.NAME, raising=False)

    async def main() -> float:
        await anyio.sleep(60)
        return anyio.current_time()

    with pytest.raises(LookupError):
        anyio.run(main, backend=virtualtime.NAME)
    virtualtime.register()
    virtualtime.register()
    assert _eventloop.loaded_backends[virtualtime.NAME] is VirtualTimeBackend
    assert anyio.run(main, backend=virtualtime.NAME) == 60


def test_options_are_refused() -> None:
    """The backend has no options, so giving one is a mistake."""

    async def main() -> None:
        raise AssertionError("it must not begin")

    virtualtime.register()
    with pytest.raises(ValueError, match="has no options, was given debug"):
        anyio.run(main, backend=virtualtime.NAME, backend_options={"debug": True})


def test_anyio_is_held_to_the_version_that_was_tested() -> None:
    """The private fields may move with any minor version: raise the bound after conformance."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert "anyio>=4.16,<4.17" in project["project"]["dependencies"]
    assert version("anyio").startswith("4.16.")


def test_a_task_handle_has_the_fields_we_fill() -> None:
    """A handle is filled without its ``__init__``: its fields must be those we know."""
    assert set(anyio.TaskHandle.__slots__) == {
        "__weakref__",
        "_cancel_scope",
        "_coro",
        "_exception",
        "_finished_event",
        "_name",
        "_return_value",
        "_start_value",
    }


def test_a_task_handle_tells_how_its_task_stands() -> None:
    """Pending, cancelling, then finished, cancelled or failed, with the value or the error."""

    async def give() -> int:
        await anyio.sleep(1)
        return 5

    async def fail() -> None:
        await anyio.sleep(2)
        raise LookupError("lost")

    status = anyio.TaskHandle.Status

    async def main() -> None:
        async with anyio.create_task_group() as group:
            given = group.start_soon(give, name="giver")
            ended = group.start_soon(anyio.sleep_forever)
            assert (given.name, given.status) == ("giver", status.PENDING)
            assert "pending" in repr(given)
            ended.cancel()
            assert ended.status is status.CANCELLING
            assert await given == 5
            assert (given.status, ended.status) == (status.FINISHED, status.CANCELLED)
            given.cancel()  # too late to matter
            assert given.return_value == 5
        with pytest.RaisesGroup(LookupError):
            async with anyio.create_task_group() as group:
                failed = group.start_soon(fail)
        assert failed.status is status.FAILED
        assert isinstance(failed.exception, LookupError)

    virtualtime.run(main)


def test_each_task_has_its_own_context() -> None:
    """A context variable set in one task is seen by what it spawns afterwards, and nowhere else."""
    name = ContextVar("name", default="none")
    seen: list[str] = []

    async def task(own: str) -> None:
        seen.append(f"{own} began with {name.get()}")
        name.set(own)
        await anyio.sleep(1)
        async with anyio.create_task_group() as group:
            group.start_soon(child, own)

    async def child(own: str) -> None:
        seen.append(f"child of {own} sees {name.get()}")

    async def main() -> None:
        name.set("main")
        async with anyio.create_task_group() as group:
            group.start_soon(task, "a")
            group.start_soon(task, "b")
        seen.append(name.get())

    virtualtime.run(main)
    assert seen == [
        "a began with main",
        "b began with main",
        "child of a sees a",
        "child of b sees b",
        "main",
    ]
    assert name.get() == "none"


def test_tasks_describe_themselves() -> None:
    """Ids count in spawn order; a task's parent is the one in whose code its group stands."""

    async def main() -> list[tuple[int, int | None, str | None]]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1, name="child")
            found = [(info.id, info.parent_id, info.name) for info in anyio.get_running_tasks()]
            assert anyio.get_current_task().id == 1
        return found

    main.__qualname__ = "main"
    assert virtualtime.run(main) == [(1, None, f"{__name__}.main"), (2, 1, "child")]


def test_the_pytest_plugin_runs_tests_and_fixtures(pytester: pytest.Pytester) -> None:
    """A project's own tests run in virtual time with one fixture, and an hour takes no time."""
    pytester.makeconftest(
        """
        import pytest
        from orderengine import virtualtime

        virtualtime.register()

        @pytest.fixture
        def anyio_backend():
            return virtualtime.NAME
        """
    )
    pytester.makepyfile(
        """
        import anyio
        import pytest
        from contextvars import ContextVar

        pytestmark = pytest.mark.anyio
        name = ContextVar("name")

        @pytest.fixture
        async def opened():
            name.set("fixture")
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                yield anyio.current_time()
                group.cancel_scope.cancel()

        async def test_hour(opened):
            await anyio.sleep(3600)
            assert anyio.current_time() - opened == 3600
            assert name.get() == "fixture"

        async def test_stuck():
            await anyio.Event().wait()

        async def test_after_stuck(opened):
            await anyio.sleep(1)

        async def test_broken():
            raise LookupError("lost")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*Deadlock: at * ns every task waits*in test_stuck at *"])


def test_a_timeout_is_always_raised() -> None:
    """Also where the deadline's nearest nanosecond lies before it: 0.5 + 0.4 for one."""

    async def main() -> None:
        for step in range(1, 200):
            await anyio.sleep(0.001 * step % 0.37)
            for delay_s in (0.4, 0.1, 0.3, 0.7):
                with pytest.raises(TimeoutError), anyio.fail_after(delay_s):
                    await anyio.sleep(60)

    virtualtime.run(main)
