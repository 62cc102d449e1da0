"""Keep pools in a file: as they were at one slot, to be quoted and studied again.

Form. One JSON object, in UTF-8: ``version`` (1), ``slot`` (0 if not known), ``time_s`` (Unix
seconds, 0 if not known) and ``pools``, each ``{"venue": ..., "pool": {...}}`` with the fields of
that venue's description. Integers above 2^53 - 1 are decimal strings, because many readers of JSON
keep no more digits; on reading, every integer may be either. Keys and pools are sorted and one pool
is one line, so equal snapshots are equal bytes, and two can be compared line by line.

A reader refuses what it does not know, for a field that is passed over may be what makes the price.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidData, OrderEngineError
from orderengine.pools.base import Pool
from orderengine.pools.fixed_point import U64_MAX
from orderengine.pools.meteora_damm_v2 import MeteoraDammV2Pool
from orderengine.pools.meteora_damm_v2_spec import MeteoraDammV2Spec
from orderengine.pools.meteora_dlmm import MeteoraDlmmPool
from orderengine.pools.meteora_dlmm_spec import MeteoraDlmmSpec
from orderengine.pools.orca_whirlpool import OrcaWhirlpoolPool
from orderengine.pools.orca_whirlpool_spec import OrcaWhirlpoolSpec
from orderengine.pools.raydium_amm_v4 import RaydiumAmmV4Pool
from orderengine.pools.raydium_clmm import RaydiumClmmPool
from orderengine.pools.raydium_clmm_spec import RaydiumClmmSpec
from orderengine.pools.raydium_cpmm import RaydiumCpmmPool

__all__ = ["SECONDS_END", "Snapshot", "decode_snapshot", "encode_snapshot", "with_tokens"]

_VERSION = 1
_EXACT_MAX = 2**53 - 1
"""The largest integer up to which a double, JSON's number in many languages, holds every one."""
SECONDS_END = 7_258_118_400
"""The latest time that a snapshot may have, Unix seconds: the year 2200."""
_DIGITS_MAX = 40
"""More than 128 bits need."""

S = TypeVar("S", bound=Struct)


class Snapshot(Struct, frozen=True, kw_only=True):
    """Hold pools as they were read together."""

    slot: int
    """The slot they were read at; 0 if not known."""
    time_s: int
    """That slot's time, or the latest time found in the accounts; Unix seconds, 0 if not known."""
    pools: tuple[Pool, ...]

    def find(self, address: str) -> Pool | None:
        """Return the pool with this address, or None."""
        return next((pool for pool in self.pools if pool.address == address), None)


class _Form(Struct, frozen=True):
    """Say how a venue's pools are described."""

    kind: type[Struct]
    build: Callable[[Any], Pool]
    describe: Callable[[Any], Struct]


def _itself(kind: type[Struct]) -> _Form:
    """Return the form of a pool that is its own description."""

    def same(pool: Any) -> Any:  # noqa: ANN401  (a pool and its description are one type here)
        return pool

    return _Form(kind, same, same)


def _described(
    kind: type[S], build: Callable[[S], Pool], describe: Callable[[Any], Struct]
) -> _Form:
    """Return the form of a pool with a description of its own: ``from_spec`` and ``to_spec``."""
    return _Form(kind, build, describe)


_FORMS: Mapping[str, _Form] = {
    "meteora_damm_v2": _described(
        MeteoraDammV2Spec, MeteoraDammV2Pool.from_spec, MeteoraDammV2Pool.to_spec
    ),
    "meteora_dlmm": _described(MeteoraDlmmSpec, MeteoraDlmmPool.from_spec, MeteoraDlmmPool.to_spec),
    "orca_whirlpool": _described(
        OrcaWhirlpoolSpec, OrcaWhirlpoolPool.from_spec, OrcaWhirlpoolPool.to_spec
    ),
    "raydium_amm_v4": _itself(RaydiumAmmV4Pool),
    "raydium_clmm": _described(RaydiumClmmSpec, RaydiumClmmPool.from_spec, RaydiumClmmPool.to_spec),
    "raydium_cpmm": _itself(RaydiumCpmmPool),
}
"""Every venue whose pools can be kept: a line each."""


def with_tokens(pool: Pool, token_a: str, token_b: str) -> Pool:
    """Return a pool under other names of its tokens, for example symbols in place of mints."""
    form = _FORMS[pool.venue]
    return form.build(replace(form.describe(pool), token_a=token_a, token_b=token_b))


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the snapshot as JSON, pools by venue and address.

    Raises:
        InvalidData: a pool's venue has no form, or two pools have one address.
    """
    _require_distinct((pool.address for pool in snapshot.pools), "the snapshot")
    if not 0 <= snapshot.time_s <= SECONDS_END:
        expected = f"from 0 to {SECONDS_END}"
        raise InvalidData("the snapshot", f"time_s {snapshot.time_s}", expected)
    lines = []
    for pool in sorted(snapshot.pools, key=lambda pool: (pool.venue, pool.address)):
        form = _FORMS.get(pool.venue)
        if form is None:
            raise InvalidData(f"pool {pool.address}", f"venue {pool.venue!r}", _one_of_the_venues())
        plain = msgspec.to_builtins(form.describe(pool), str_keys=True)
        lines.append(_text({"pool": _exact(plain), "venue": pool.venue}))
    pools = ",\n".join(lines)
    rest = {"slot": snapshot.slot, "time_s": snapshot.time_s, "version": _VERSION}
    return f'{{"pools":[\n{pools}\n],{_text(_exact(rest))[1:]}\n'.encode()


def decode_snapshot(data: bytes, source: str) -> Snapshot:
    """Return the snapshot of ``encode_snapshot``'s form; ``source`` names it in errors.

    Raises:
        InvalidData: it is no JSON, of another version, names an unknown venue or field, lacks one,
            or a pool cannot be as described; the error says where.
    """
    wire = _object(_parsed(data, source), source)
    version = wire.pop("version", None)
    if version not in (_VERSION, str(_VERSION)) or isinstance(version, bool):
        found = "no version" if version is None else f"version {_shown(version)}"
        raise InvalidData(source, found, f"a snapshot of version {_VERSION}")
    slot = _integer(wire, "slot", 2**64 - 1, source)
    time_s = _integer(wire, "time_s", SECONDS_END, source)
    entries = wire.pop("pools", None)
    if not isinstance(entries, list):
        raise InvalidData(source, f"pools {_shown(entries)}", "a list of pools")
    _refuse_unknown(wire, source, "version, slot, time_s and pools")
    pools = tuple(_pool(entry, f"{source}, pools[{index}]") for index, entry in enumerate(entries))
    _require_distinct((pool.address for pool in pools), source)
    return Snapshot(slot=slot, time_s=time_s, pools=pools)


def _pool(entry: object, source: str) -> Pool:
    wire = _object(entry, source)
    venue, described = wire.pop("venue", None), wire.pop("pool", None)
    _refuse_unknown(wire, source, "venue and pool")
    form = _FORMS.get(venue) if isinstance(venue, str) else None
    if form is None:
        raise InvalidData(source, f"venue {_shown(venue)}", _one_of_the_venues())
    where = f"{source}.pool"
    fields = _object(described, where)
    if isinstance(fields.get("address"), str):
        where = f"{where} {_shown(fields['address'])}"
    try:
        spec = msgspec.convert(fields, form.kind, strict=False, str_keys=True)
        _require_same(fields, msgspec.to_builtins(spec, str_keys=True), where, "")
        pool = form.build(spec)
    except msgspec.ValidationError as error:
        raise InvalidData(where, str(error), f"a pool of {venue}") from None
    except InvalidData as error:
        if error.source.startswith(where):
            raise
        raise InvalidData(where, f"{error.source}: {error.found}", error.expected) from None
    except OrderEngineError as error:
        raise InvalidData(where, str(error), f"a pool of {venue}") from None
    for name, held in (("vault A", pool.vault_a), ("vault B", pool.vault_b)):
        if not 0 <= held <= U64_MAX:
            raise InvalidData(where, f"{name} with {held}", "from 0 to 2^64 - 1 base units")
    if pool.token_a == pool.token_b:
        raise InvalidData(where, f"token {_shown(pool.token_a)} on both sides", "two tokens")
    return pool


def _require_same(wire: object, kept: object, source: str, path: str) -> None:
    """Refuse what a description has passed over, or has read as something else.

    ``kept`` is the description written out again: a field that is not in it is unknown, and a value
    that is not equal to it was of another type.
    """
    if isinstance(wire, dict) and isinstance(kept, dict):
        for key, value in wire.items():
            below = f"{path}.{key}" if path else key
            if key not in kept:
                raise InvalidData(source, f"unknown field {below}", f"one of {', '.join(kept)}")
            _require_same(value, kept[key], source, below)
    elif isinstance(wire, list) and isinstance(kept, list | tuple) and len(wire) == len(kept):
        for index, (value, of_kept) in enumerate(zip(wire, kept, strict=True)):
            _require_same(value, of_kept, source, f"{path}[{index}]")
    else:
        is_digits = isinstance(wire, str) and isinstance(kept, int)
        as_text = str(kept) if is_digits and not isinstance(kept, bool) else kept
        if type(wire) is not type(as_text) or wire != as_text:
            expected = f"a value such as {_shown(kept)}"
            raise InvalidData(source, f"{path} {_shown(wire)}", expected)


def _integer(wire: dict[str, Any], name: str, most: int, source: str) -> int:
    value = wire.pop(name, None)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        found = f"no {name}" if value is None else f"{name} {_shown(value)}"
        raise InvalidData(source, found, f"{name} from 0 to {most}")
    return value


def _parsed(data: bytes, source: str) -> object:
    """Read JSON with integers of any length; no fractions, no key twice."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InvalidData(source, f"the key {_shown(twice)} twice", "each key once")
        return found

    def no_fraction(text: str) -> NoReturn:
        raise InvalidData(source, f"the number {text[:_DIGITS_MAX]}", "integers only")

    try:
        found = json.loads(
            data.decode(),
            object_pairs_hook=unique,
            parse_float=no_fraction,
            parse_constant=no_fraction,
        )
        json.dumps(found, ensure_ascii=False).encode()  # refuses an escaped half of a character
    except UnicodeEncodeError:
        raise InvalidData(source, "half of a surrogate pair", "a snapshot as JSON") from None
    except UnicodeDecodeError:
        raise InvalidData(source, "bytes that are no UTF-8", "a snapshot as JSON") from None
    except RecursionError:
        raise InvalidData(source, "JSON nested too deep", "a snapshot as JSON") from None
    except ValueError as error:  # json's own, and int's of too many digits
        raise InvalidData(source, f"no JSON ({error})", "a snapshot as JSON") from None
    return found


def _object(value: object, source: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidData(source, _shown(value), "a JSON object")
    return dict(value)


def _refuse_unknown(wire: Mapping[str, object], source: str, known: str) -> None:
    if wire:
        raise InvalidData(source, f"unknown field {_shown(next(iter(wire)))}", known)


def _require_distinct(addresses: Iterable[str], source: str) -> None:
    seen: set[str] = set()
    for address in addresses:
        if address in seen:
            raise InvalidData(source, f"pool {_shown(address)} twice", "each pool once")
        seen.add(address)


def _one_of_the_venues() -> str:
    return f"one of {', '.join(_FORMS)}"


def _exact(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT_MAX:
        return str(value)
    return value


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
