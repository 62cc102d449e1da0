"""Let a scenario hold a function of the user's own, and say which one it was.

A built-in is known by its name. A function written in a file or a notebook cell is known by its
name and the SHA-256 of its source, so two results can be told apart whose scenarios look alike. So
is a routing strategy, by that of its function.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Mapping
from hashlib import sha256
from types import CodeType
from typing import Any, TypeVar, cast

from orderengine.errors import InvalidScenario
from orderengine.routing.request import Strategy

__all__ = ["Plugin"]

F = TypeVar("F")


class Plugin:
    """Name a built-in, or carry a function with its name and the hash of its source."""

    __slots__ = ("function", "name", "source_sha256")

    def __init__(self, name: str, source_sha256: str = "", function: object | None = None) -> None:
        self.name = name
        self.source_sha256 = source_sha256
        self.function = function

    @classmethod
    def of(cls, value: object) -> Plugin:
        """Return the plugin that a scenario field says: a name, a function, or a written reference.

        Raises:
            ValueError: none of these.
        """
        if isinstance(value, Plugin):
            return value
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, Strategy):
            return cls(value.name, _source_sha256(_inner(value.route)), value)
        if callable(value):
            named = _inner(value)
            name = getattr(named, "__qualname__", type(named).__qualname__)
            return cls(name, _source_sha256(named), value)
        if isinstance(value, Mapping) and set(value) == {"name", "source_sha256"}:
            return cls(str(value["name"]), str(value["source_sha256"]))
        raise ValueError(f"expected a name or a function, found {value!r}")

    def resolve(self, field: str, built_in: Mapping[str, F]) -> F:
        """Return the function to call.

        Raises:
            InvalidScenario: no built-in has the name, or the function itself is not at hand.
        """
        if self.function is not None:
            return cast("F", self.function)
        if self.source_sha256:
            raise InvalidScenario(
                field,
                self.name,
                f"the function itself: scenario.replace({field.replace('.', '__')}={self.name})",
            )
        if self.name not in built_in:
            raise InvalidScenario(field, self.name, f"one of {', '.join(built_in)}, or a function")
        return built_in[self.name]

    def to_builtin(self) -> str | dict[str, str]:
        """Return what is written to TOML."""
        if not self.source_sha256:
            return self.name
        return {"name": self.name, "source_sha256": self.source_sha256}

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Plugin)
            and self.to_builtin() == other.to_builtin()
            and self.function == other.function
        )

    def __hash__(self) -> int:
        return hash((self.name, self.source_sha256))

    def __repr__(self) -> str:
        return f"Plugin({self.name!r})" if not self.source_sha256 else f"Plugin({self.name}, …)"


def _inner(value: object) -> object:
    """Return the function that a partial application calls in the end."""
    while isinstance(value, functools.partial):
        value = value.func
    return value


def _source_sha256(function: object) -> str:
    """Hash the source text without its indent; of a function without source, its byte code.

    Values that a function takes from around it (a closure's, a partial's) are no part of it.
    """
    target = function if inspect.isroutine(function) else type(function)
    try:
        source = textwrap.dedent(inspect.getsource(cast("Any", target))).encode()
    except (OSError, TypeError):
        code = getattr(target, "__code__", None)
        source = (repr(target) if code is None else _code_text(code)).encode()
    return sha256(source).hexdigest()


def _code_text(value: object) -> str:
    """Return byte code with its constants as text, the same in every process."""
    if isinstance(value, CodeType):
        parts = (value.co_code.hex(), value.co_names, value.co_varnames, value.co_consts)
        return f"code({', '.join(map(_code_text, parts))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_code_text, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_code_text, value)))}}}"
    return repr(value)
