"""Turn scenarios into dicts and TOML and back, and say in one line what is wrong with a field."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from importlib import resources
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from orderengine.errors import InvalidScenario
from orderengine.routing.request import Strategy
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
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_EXPECTED = re.compile(r"Expected `(?P<type>[^`]+)`, got")
_PART = re.compile(r"[^.\[\]]+")
_INDEX = re.compile(r"\[([^\[\].]*)\]")
_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_WORDS = {
    "object": "a table",
    "array": "a list",
    "int | str": "a value with its unit, such as 60s or 1.5SOL",  # durations and amounts
}


class _Nothing:
    """Stand in an error for a value that was not given."""

    def __repr__(self) -> str:
        return "nothing"


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
    """Return the struct of a nested dict, or raise ``InvalidScenario`` naming the field.

    Numbers are taken as text where a field holds a decimal as text.
    """
    try:
        return msgspec.convert(_with_decimals(kind, wire), kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _explain(error, kind, wire) from None
    except InvalidScenario as error:
        raise InvalidScenario(error.field, error.found, error.expected) from None


def _decode(kind: type, value: object) -> object:
    if kind is Plugin:
        return Plugin.of(value)
    raise TypeError(kind)


def _with_decimals(kind: Any, wire: Any) -> Any:  # noqa: ANN401
    """Return ``wire`` with numbers as text in each field whose default is a decimal as text."""
    if isinstance(wire, list) and get_args(kind):
        return [_with_decimals(get_args(kind)[0], item) for item in wire]
    if isinstance(wire, dict) and get_args(kind) == (str, str):
        return {name: _as_decimal(value) for name, value in wire.items()}
    if not isinstance(wire, dict) or not _is_struct(kind):
        return wire
    found = dict(wire)
    for field in fields(kind):
        value = wire.get(field.encode_name)
        if isinstance(value, dict | list):
            found[field.encode_name] = _with_decimals(field.type, value)
        elif _is_decimal(field.default) and field.encode_name in wire:
            found[field.encode_name] = _as_decimal(value)
    return found


def _as_decimal(value: object) -> object:
    return format(Decimal(str(value)), "f") if _is_number(value) else value


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _is_decimal(default: object) -> bool:
    return isinstance(default, str) and _DECIMAL.fullmatch(default) is not None


def _is_number(value: object) -> bool:
    """Tell whether a value is a number whose digits are worth writing out; NaN is not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _explain(error: msgspec.ValidationError, kind: type, wire: dict[str, Any]) -> InvalidScenario:
    """Return our error for msgspec's: the dotted path, the value found there, what would do."""
    text = str(error)
    at = _AT.search(text)
    path = at["path"].lstrip(".") if at else ""
    text = _AT.sub("", text)
    cause = error.__cause__
    if isinstance(cause, InvalidScenario):
        return InvalidScenario(_below(path, cause.field), cause.found, cause.expected)
    unknown, missing = _UNKNOWN.search(text), _MISSING.search(text)
    if unknown:
        field = _below(path, unknown["field"])
        keys = ", ".join(entry.encode_name for entry in fields(_kind_at(kind, path)))
        return InvalidScenario(field, _find(wire, field), f"one of the keys {keys}")
    if missing:
        return InvalidScenario(_below(path, missing["field"]), _Nothing(), "a value")
    return InvalidScenario(path or "scenario", _find(wire, path), _wanted(text, kind, path))


def _below(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _wanted(text: str, kind: type, path: str) -> str:
    """Return what would do: the choices of a field that has some, else msgspec's types in words."""
    wanted = _kind_at(kind, path)
    if get_origin(wanted) is Literal:
        *others, last = map(str, get_args(wanted))
        return f"{', '.join(others)} or {last}" if others else last
    expected = _EXPECTED.search(text)
    if expected is None:
        return re.sub("^(?:expected )+", "", text, flags=re.IGNORECASE).partition(", found ")[0]
    return _WORDS.get(expected["type"]) or expected["type"].replace(" | ", " or ")


def _kind_at(kind: Any, path: str) -> Any:  # noqa: ANN401
    """Return the type that a field at a path is declared with; None where there is no such one."""
    for part in _PART.findall(path):
        if _is_struct(kind):
            kind = {entry.encode_name: entry.type for entry in fields(kind)}.get(part)
        else:
            kind = next(iter(get_args(kind)), None)
    return kind


def _find(wire: Any, path: str) -> object:  # noqa: ANN401
    found = wire
    for part in _PART.findall(path):
        try:
            found = found[int(part)] if isinstance(found, list | tuple) else found[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return found


def _tree(value: object) -> Any:  # noqa: ANN401
    """Return nested dicts and lists, plugins and strategies kept as they are."""
    if isinstance(value, Struct) and not isinstance(value, Strategy):
        return {name: _tree(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [_tree(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _tree(item) for name, item in value.items()}
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
    """Return the struct of a TOML text, over the named scenario that it ``extends``, or defaults.

    What the text does not write stays as it is there, key by key, in tables too: a table that
    writes another ``model`` keeps the other keys, of which the model reads its own. Lists, of pools
    for example, are taken as a whole.
    """
    try:
        wire = _loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise InvalidScenario("scenario", str(error), "TOML") from None
    base = wire.pop("extends", None)
    under: dict[str, Any] = _tree(kind())
    if base is not None:
        named = named_scenarios()
        if not isinstance(base, str) or base not in named:
            raise InvalidScenario("extends", base, f"one of {', '.join(named)}")
        under = _merged(under, tomllib.loads(named[base]))
    return from_dict(kind, _merged(under, wire))


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
    """Return a copy with the fields at dotted paths replaced; list items go by their index.

    An index is written ``pools.0`` or ``pools[0]``. A dict changes the keys that it has, as a table
    in TOML does; a struct replaces the whole table.
    """
    tree = _tree(struct)
    for written, value in dotted.items():
        path = _INDEX.sub(r".\1", written)
        *parents, last = path.split(".")
        place: Any = tree
        for depth, part in enumerate(parents):
            place = _child(place, part, ".".join(parents[: depth + 1]), value)
        if isinstance(place, list):
            _child(place, last, path, value)
            place[int(last)] = _tree(value)
        elif isinstance(place, dict) and last in place:
            under, over = place[last], _tree(value)
            both = isinstance(under, dict) and isinstance(value, dict)
            place[last] = _merged(under, over) if both else over
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
        InvalidScenario: no ``=``, or more than one line.
    """
    if len(text.splitlines()) > 1:
        raise InvalidScenario("--set", text, "one line")
    path, equals, written = text.partition("=")
    if not equals or not path.strip():
        raise InvalidScenario("--set", text, "key=value, such as engine.workers=64")
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except (ValueError, RecursionError):
        value = written.strip()
    return path.strip(), written.strip() if isinstance(value, date | time) else value
