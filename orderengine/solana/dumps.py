"""Read accounts from folders of dumps: JSON files of one account each.

Known forms: ``{"address", "owner", "base64Data"}``; ``{"pubkey", "owner", "data", "slot"}`` with
data as base64 or as ``[base64, "base64"]``; and what the ``solana account --output json`` command
writes, which has owner and data under ``account``. The slot may be absent.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.solana.accounts import Account, Accounts, key_bytes

__all__ = ["Dumps", "Problem", "read_dumps"]

_BYTES_MAX = 64 * 2**20
"""An account holds at most 10 MiB."""


class Problem(Struct, frozen=True):
    """Name something that could not be used, and why."""

    what: str
    reason: str


class Dumps(Struct, frozen=True):
    """Hold what folders of dumps gave."""

    accounts: Accounts
    files: int
    """JSON files found."""
    passed_over: int
    """Those among them that hold something else than an account."""
    problems: tuple[Problem, ...]
    """Files that should hold an account and do not, and accounts of which two dumps differ."""


class _Dump(Struct, frozen=True):
    account: Account
    file: str


def read_dumps(paths: Iterable[str | os.PathLike[str]]) -> Dumps:
    """Read every account in files and folders, and in the folders below.

    Of two dumps of an account, the one of the newer slot counts. If a slot is not known, or both
    are the same, two that differ cannot be told apart: the account is left out, and is a problem.

    Raises:
        InvalidData: a path cannot be read.
    """
    found: dict[str, list[_Dump]] = {}
    problems = []
    files = passed_over = 0
    for file in _files(paths):
        files += 1
        try:
            account = _account_in(file)
        except InvalidData as error:
            problems.append(Problem(str(file), f"{error.found}, not {error.expected}"))
            continue
        if account is None:
            passed_over += 1
        else:
            found.setdefault(account.address, []).append(_Dump(account, str(file)))
    kept = []
    for address, dumps in found.items():
        newest, rival = _newest(dumps)
        if rival is None:
            kept.append(newest.account)
        else:
            both = f"{newest.file} and {rival.file}"
            reason = f"{both} differ, and their slots do not say which is newer"
            problems.append(Problem(address, reason))
    return Dumps(Accounts(kept), files, passed_over, tuple(problems))


def _newest(dumps: Sequence[_Dump]) -> tuple[_Dump, _Dump | None]:
    """Return the newest dump of an account, and one that may be as new and differs, if any."""
    newest = max(dumps, key=lambda dump: dump.account.slot)
    for dump in dumps:
        differs = (dump.account.owner, dump.account.data) != (
            newest.account.owner,
            newest.account.data,
        )
        if differs and dump.account.slot in {0, newest.account.slot}:
            return newest, dump
    return newest, None


def _files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Yield the JSON files, each once, in an order that does not depend on the file system."""
    seen = set()
    for given in paths:
        path = Path(given)
        if not os.fspath(given) or not (path.is_dir() or path.is_file()):
            found = "no file and no folder" if path.exists() else "no such file or folder"
            raise InvalidData(os.fspath(given) or "the folder", found, "a folder of JSON files")
        for file in [path] if path.is_file() else _below(path):
            place = file.resolve()
            if place not in seen:
                seen.add(place)
                yield file


def _below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise InvalidData(error.filename, error.strerror or str(error), "a readable folder")

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if name.endswith(".json") and file.is_file():
                yield file


def _account_in(file: Path) -> Account | None:
    """Return the account of a file, or None if it holds something else."""
    try:
        if file.stat().st_size > _BYTES_MAX:
            return None
        wire = json.loads(file.read_bytes())
    except OSError as error:
        raise InvalidData(str(file), error.strerror or str(error), "a readable file") from None
    except (ValueError, RecursionError):
        raise InvalidData(str(file), "no JSON", "an account as JSON") from None
    if not isinstance(wire, dict):
        return None
    address = wire.get("address", wire.get("pubkey"))
    held = wire["account"] if isinstance(wire.get("account"), dict) else wire
    data = held.get("base64Data", held.get("data"))
    if address is None or "owner" not in held or data is None:
        return None
    slot = wire.get("slot", 0)
    if isinstance(slot, bool) or not isinstance(slot, int) or not 0 <= slot < 2**64:
        raise InvalidData(str(file), f"slot {slot!r:.40}", "a slot from 0 to 2^64 - 1")
    return Account(
        _key(address, "address", file), _key(held["owner"], "owner", file), _bytes(data, file), slot
    )


def _key(value: object, field: str, file: Path) -> str:
    try:
        key_bytes(value if isinstance(value, str) else "")
    except InvalidData as error:
        raise InvalidData(str(file), f"{field} {value!r:.60}", error.expected) from None
    return str(value)


def _bytes(value: object, file: Path) -> bytes:
    if isinstance(value, list) and len(value) == 2 and value[1] == "base64":
        value = value[0]
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise InvalidData(str(file), f"data {value!r:.40}", "data in base64")
