"""Compile, for each struct type, the function that writes it as canonical JSON.

The form of a type follows from its annotations alone. From it a single f-string is made in which
keys, punctuation and the type's tag are constants, so that writing a value costs little more than
turning its integers into text: every event of a study is written once, for the hash.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from json.encoder import encode_basestring
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import Struct

from orderengine.model.amounts import Amount
from orderengine.model.instants import Instant, rfc3339

__all__ = ["Field", "Form", "fields_of", "tag_of", "writer_of"]


Form = Literal["text", "integer", "amount", "instant", "struct", "structs"]


class Field(NamedTuple):
    """Tell how one field of a struct type stands in its JSON object."""

    name: str
    key: str
    form: Form
    nested: type[Struct] | None
    """The type of the struct, or of each of the structs."""
    is_optional: bool
    """Whether it may be None, which is written by leaving out the key."""


@cache
def fields_of(kind: type[Struct]) -> tuple[Field, ...]:
    """Return the fields of a struct type in the order they were declared.

    Raises:
        TypeError: the type of a field has no canonical form.
    """
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_field(name, hints[name]) for name in kind.__struct_fields__)


def _field(name: str, hint: Any) -> Field:  # noqa: ANN401  (whatever an annotation may be)
    is_optional = NoneType in get_args(hint)
    if is_optional:
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    form, nested = _form_of(hint)
    key = name.removesuffix("_ns") if form == "instant" else name
    return Field(name, key, form, nested, is_optional)


def _form_of(hint: Any) -> tuple[Form, type[Struct] | None]:  # noqa: ANN401  (as above)
    if hint == Amount:
        return "amount", None
    if hint == Instant:
        return "instant", None
    if hint is int:
        return "integer", None
    of = get_args(hint)[0] if get_origin(hint) is tuple else hint
    if isinstance(of, type) and issubclass(of, Struct):
        return ("struct" if of is hint else "structs"), of
    if isinstance(hint, type) and issubclass(hint, str):
        return "text", None
    raise TypeError(f"{hint} has no canonical form")


def tag_of(kind: type[Struct]) -> str | None:
    """Return what stands under ``type`` in the objects of a struct type, None if nothing does."""
    tag = kind.__struct_config__.tag
    return None if tag is None else str(tag)


_EXPRESSIONS: dict[Form, str] = {
    "text": "{quoted(it.NAME)}",
    "integer": "{it.NAME}",
    "amount": '"{it.NAME}"',
    "instant": '"{rfc3339(it.NAME)}"',
    "struct": "{write_NAME(it.NAME)}",
    # As a rule there is one or none, and joining costs as much as writing three integers.
    "structs": "[{write_NAME(it.NAME[0]) if len(it.NAME) == 1"
    ' else join(map(write_NAME, it.NAME)) if it.NAME else ""}]',
}
"""What stands in the f-string for a field of each form."""

_NAMES = {"quoted": encode_basestring, "rfc3339": rfc3339, "join": ",".join}
"""What the expressions call; ``encode_basestring`` escapes as msgspec does, and in C too."""


def _member(field: Field) -> str:
    """Return the f-string's part for a field, comma first: what is absent takes its comma along."""
    member = f',"{field.key}":' + _EXPRESSIONS[field.form].replace("NAME", field.name)
    if field.is_optional:
        return f"""{{"" if it.{field.name} is None else f'{member}'}}"""
    return member


@cache
def writer_of(kind: type[Struct]) -> Callable[[Any], str]:
    """Return the function that writes values of a struct type.

    Raises:
        TypeError: the type has no canonical form.
    """
    fields, tag = fields_of(kind), tag_of(kind)
    members = {field.key: _member(field) for field in fields}
    if tag is not None:
        members["type"] = f',"type":"{tag}"'
    body = "".join(members[key] for key in sorted(members))
    if not body.startswith(","):
        raise TypeError(f"the first key of {kind.__name__} may be absent, then a comma comes first")
    nested = {f"write_{f.name}": writer_of(f.nested) for f in fields if f.nested is not None}
    # The source is made of our own annotations, as dataclasses make theirs; no value gets into it.
    source = "lambda it: f'''{{" + body[1:] + "}}'''"
    writer: Callable[[Any], str] = eval(source, _NAMES | nested)  # noqa: S307
    return writer
