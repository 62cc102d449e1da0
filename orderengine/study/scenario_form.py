"""Turn scenarios into dicts and TOML and back, and say in one line what is wrong with a field."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date, time
from importlib import resources
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from orderengine.errors import InvalidScenario
from orderengine.study.plugin import Plugin

__all__ = [
    "changed",
    "from_dict",
    "from_toml",
    "named_scenarios",
    "parse_setting",
    "to_dict",
    "to_toml",
]

S = TypeVar("S", bound=Struct)

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]+)`")
_EXPECTED = re.compile(r"Expected `(?P<type>[^`]+)`, got")


def named_scenarios() -> dict[str, str]:
    """Return the TOML text of each scenario that has a name, by name."""
    folder = resources.files("orderengine.study") / "scenarios"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".toml"): file.read_text("utf-8")
        for file in files
        if file.name.endswith(".toml")
    }


def from_dict(kind: type[S], wire: dict[str, Any]) -> S:
    """Return the struct of a nested dict, or raise ``InvalidScenario`` naming the field."""
    try:
        return msgspec.convert(wire, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _explain(error, wire) from None
    except InvalidScenario as error:
        raise InvalidScenario(error.field, error.found, error.expected) from None


def _decode(kind: type, value: object) -> object:
    if kind is Plugin:
        return Plugin.of(value)
    raise TypeError(kind)


def _explain(error: msgspec.ValidationError, wire: dict[str, Any]) -> InvalidScenario:
    """Return our error for msgspec's: the dotted path, the value found there, what would do."""
    text = str(error)
    at = _AT.search(text)
    path = at["path"].lstrip(".") if at else ""
    text = _AT.sub("", text)
    cause = error.__cause__
    if isinstance(cause, InvalidScenario):
        field = f"{path}.{cause.field}" if path else cause.field
        return InvalidScenario(field, cause.found, cause.expected)
    unknown = _UNKNOWN.search(text)
    if unknown:
        field = f"{path}.{unknown['field']}" if path else unknown["field"]
        return InvalidScenario(field, _find(wire, field), "no such key (see the scenario's keys)")
    expected = _EXPECTED.search(text)
    if expected:
        wanted = expected["type"].replace(" | ", " or ")
    else:
        wanted = text.removeprefix("expected ").partition(", found ")[0]
    return InvalidScenario(path or "scenario", _find(wire, path), wanted)


def _find(wire: Any, path: str) -> object:  # noqa: ANN401
    found = wire
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            found = found[int(part)] if isinstance(found, list | tuple) else found[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return found


def _tree(value: object) -> Any:  # noqa: ANN401
    """Return nested dicts and lists, plugins kept as they are."""
    if isinstance(value, Struct):
        return {name: _tree(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [_tree(item) for item in value]
    return value


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.to_builtin() if isinstance(value, Plugin) else value


def to_dict(struct: Struct) -> dict[str, Any]:
    """Return all fields as nested plain values; functions become their name and hash."""
    plain: dict[str, Any] = _plain(_tree(struct))
    return plain


def to_toml(struct: Struct) -> str:
    """Return all fields as TOML."""
    import tomli_w  # noqa: PLC0415  (part of the extra study)

    text: str = tomli_w.dumps(to_dict(struct))
    return text


def from_toml(kind: type[S], text: str) -> S:
    """Return the struct of a TOML text, over the named scenario that it ``extends``, if any."""
    try:
        wire = _loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidScenario("scenario", str(error), "TOML") from None
    base = wire.pop("extends", None)
    if base is not None:
        named = named_scenarios()
        if not isinstance(base, str) or base not in named:
            raise InvalidScenario("extends", base, f"one of {', '.join(named)}")
        wire = _merged(tomllib.loads(named[base]), wire)
    return from_dict(kind, wire)


def _loads(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text, its dates and times as text, as our fields hold them.

    Raises:
        ValueError: not TOML, or an integer of thousands of digits.
        RecursionError: nested too deeply.
    """
    return {name: _undated(value) for name, value in tomllib.loads(text).items()}


def _undated(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {name: _undated(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_undated(item) for item in value]
    return value.isoformat() if isinstance(value, date | time) else value


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[name] = _merged(below, value)
        else:
            merged[name] = value
    return merged


def changed(struct: S, dotted: Mapping[str, object]) -> S:
    """Return a copy with the fields at dotted paths replaced; list items go by their index."""
    tree = _tree(struct)
    for path, value in dotted.items():
        *parents, last = path.split(".")
        place: Any = tree
        for depth, part in enumerate(parents):
            place = _child(place, part, ".".join(parents[: depth + 1]), value)
        if isinstance(place, list):
            _child(place, last, path, value)
            place[int(last)] = _tree(value)
        elif isinstance(place, dict) and last in place:
            place[last] = _tree(value)
        else:
            raise InvalidScenario(path, value, f"one of the keys {_keys(place)}")
    return from_dict(type(struct), tree)


def _child(place: Any, part: str, path: str, value: object) -> Any:  # noqa: ANN401
    if isinstance(place, list):
        if part.isascii() and part.isdigit() and int(part[:9]) < len(place):
            return place[int(part)]
        raise InvalidScenario(path, value, f"an index from 0 to {len(place) - 1}")
    if isinstance(place, dict) and part in place:
        return place[part]
    raise InvalidScenario(path, value, f"one of the keys {_keys(place)}")


def _keys(place: object) -> str:
    return ", ".join(place) if isinstance(place, dict) else "of a table"


def parse_setting(text: str) -> tuple[str, Any]:
    """Return (dotted path, value) of ``key=value``; the value is TOML, or else a plain string.

    A date or time stays as it is written.

    Raises:
        InvalidScenario: no ``=``.
    """
    path, equals, written = text.partition("=")
    if not equals or not path.strip():
        raise InvalidScenario("--set", text, "key=value, such as engine.workers=64")
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except (ValueError, RecursionError):
        value = written.strip()
    return path.strip(), written.strip() if isinstance(value, date | time) else value
