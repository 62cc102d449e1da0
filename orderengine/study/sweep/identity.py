"""Name a study by all that decides its outcome, so that what was computed before is known again.

The key of a cell is the SHA-256 of its whole scenario, of the files that this names, of the
functions in it, of what is measured, and of the package's version. A function counts with its
source and with the plain values that it takes from around it: arguments of a partial application,
variables of the enclosing function, globals of its module, attributes of an object.

It misleads where a function's outcome hangs on something else: another module that changed, a file
that the function opens itself, the package's own code under the same version.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import msgspec
from msgspec import Struct

from orderengine import __version__
from orderengine.errors import InvalidData
from orderengine.study.files import file_sha256
from orderengine.study.plugin import Plugin
from orderengine.study.scenario import Scenario

__all__ = ["Keys", "described", "digest"]

_FILE_FIELDS = ("file", "snapshot")
_DEPTH_MAX = 6


class Keys:
    """Make the keys of one study's cells; each file that scenarios name is read once."""

    def __init__(self, measured: object) -> None:
        self._measured = described(measured)
        self._files: dict[str, str] = {}

    def key(self, scenario: Scenario) -> str:
        """Return the key of a scenario under this version, 64 hex digits; its name is no part."""
        tree = scenario.to_dict() | {"name": ""}
        plugins = [described(plugin.function) for plugin in _plugins(scenario) if plugin.function]
        return digest([__version__, tree, plugins, self._file_hashes(tree), self._measured])

    def _file_hashes(self, tree: object) -> list[tuple[str, str]]:
        """Return path and hash of each file in a scenario; a missing one fails in its own cell."""
        found: list[tuple[str, str]] = []
        if isinstance(tree, dict):
            for name, value in tree.items():
                if name in _FILE_FIELDS and isinstance(value, str) and value:
                    found.append((value, self._file_hash(value)))
                else:
                    found += self._file_hashes(value)
        elif isinstance(tree, list):
            for item in tree:
                found += self._file_hashes(item)
        return found

    def _file_hash(self, path: str) -> str:
        if path not in self._files:
            try:
                self._files[path] = file_sha256(path)
            except InvalidData:
                self._files[path] = ""
        return self._files[path]


def digest(plain: object) -> str:
    """Return the SHA-256 of plain values as JSON with sorted keys."""
    return sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def _plugins(value: object) -> list[Plugin]:
    """Return the plugins of a scenario, in the order of its fields."""
    if isinstance(value, Plugin):
        return [value]
    if isinstance(value, Struct):
        return [
            plugin for name in value.__struct_fields__ for plugin in _plugins(getattr(value, name))
        ]
    if isinstance(value, list | tuple):
        return [plugin for item in value for plugin in _plugins(item)]
    return []


def described(value: object, depth: int = 0) -> Any:  # noqa: ANN401  (plain values)
    """Return plain values that say what a value is, the same in every process.

    Functions and objects are described with what is in them, those of installed libraries by their
    name. What is too deep, or refers to itself, is described by its type.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > _DEPTH_MAX:
        return _name(value)

    def inner(part: object) -> Any:  # noqa: ANN401
        return described(part, depth + 1)

    if isinstance(value, list | tuple):
        return [inner(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): inner(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, functools.partial):
        return {"partial": [inner(value.func), inner(value.args), inner(value.keywords)]}
    if isinstance(value, MethodType):
        return {"method": [inner(value.__func__), inner(value.__self__)]}
    if isinstance(value, Struct):
        return {"struct": _name(value), "holds": inner(_held(value))}
    if isinstance(value, ModuleType) or _is_of_library(value):
        return _name(value)
    if isinstance(value, type):
        return [_name(value), Plugin.of(value).source_sha256]
    if isinstance(value, FunctionType):
        around = {
            name: inner(value.__globals__[name])
            for name in _names_in(value.__code__)
            if name in value.__globals__ and value.__globals__[name] is not value
        }
        nonlocals = inspect.getclosurevars(value).nonlocals
        return {
            "function": [value.__qualname__, Plugin.of(value).source_sha256],
            "around": around,
            "closure": {name: inner(at) for name, at in nonlocals.items() if at is not value},
            "defaults": [inner(value.__defaults__), inner(value.__kwdefaults__)],
        }
    source = Plugin.of(value).source_sha256 if callable(value) else ""
    return {"object": [_name(value), source], "holds": inner(_held(value))}


def _is_of_library(value: object) -> bool:
    """Whether a value's module is this package's, Python's own or an installed one."""
    module = str(getattr(value, "__module__", "") or "")
    top = module.partition(".")[0]
    if top == "orderengine" or top in sys.stdlib_module_names:
        return True
    file = str(getattr(sys.modules.get(module), "__file__", "") or "")
    return any(folder in file for folder in ("site-packages", "dist-packages"))


def _held(value: object) -> dict[str, object]:
    if isinstance(value, Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(getattr(value, "__dict__", {}))


def _names_in(code: CodeType) -> list[str]:
    """Return the names that a function's code uses, those of functions inside it, too."""
    inside = [part for part in code.co_consts if isinstance(part, CodeType)]
    found = dict.fromkeys(code.co_names)
    for part in inside:
        found |= dict.fromkeys(_names_in(part))
    return sorted(found)


def _name(value: object) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    name = getattr(named, "__qualname__", "")
    return f"{getattr(named, '__module__', '')}.{name}"
