"""Check what is taken from folders of dumps, what is passed over, and what is named."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from orderengine.errors import InvalidData
from orderengine.solana.accounts import Account, address_of
from orderengine.solana.dumps import read_dumps

ONE, TWO, OWNER = (address_of(bytes([number]) * 32) for number in (1, 2, 3))


def dump(folder: Path, name: str, wire: object) -> str:
    """Write a file and return its path."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(wire if isinstance(wire, str) else json.dumps(wire))
    return str(file)


def wire_of(address: str, data: bytes, **more: Any) -> dict[str, Any]:
    """Return a dump."""
    return {
        "address": address,
        "owner": OWNER,
        "base64Data": base64.b64encode(data).decode(),
        **more,
    }


def test_every_known_form_is_read(tmp_path: Path) -> None:
    """Ours, a recorded answer's, and the command line tool's; in folders below, too."""
    dump(tmp_path, "a.json", wire_of(ONE, b"one", slot=7))
    text = base64.b64encode(b"two").decode()
    held = {"owner": OWNER, "data": [text, "base64"], "lamports": 1}
    for number, wire in enumerate(
        (
            {"pubkey": TWO, "owner": OWNER, "data": text},
            {"pubkey": TWO, **held},
            {"pubkey": TWO, "account": held},
        )
    ):
        dump(tmp_path, f"below/{number}.json", wire)
    dump(tmp_path, "below/notes.txt", "no JSON")
    found = read_dumps([tmp_path, tmp_path / "below"])
    assert [*found.accounts] == [Account(ONE, OWNER, b"one", 7), Account(TWO, OWNER, b"two")]
    assert (found.files, found.passed_over, found.problems) == (4, 0, ())
    assert len([*read_dumps([tmp_path / "a.json"]).accounts]) == 1


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    """JSON that is no account is counted, and no more."""
    for number, wire in enumerate(([], 5, {}, {"address": ONE}, {"owner": OWNER, "data": "x"})):
        dump(tmp_path, f"{number}.json", wire)
    found = read_dumps([tmp_path])
    assert ([*found.accounts], found.files, found.passed_over) == ([], 5, 5)
    assert not found.problems


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ('{"address": ', "no JSON"),
        (wire_of("no address", b""), "address 'no address'"),
        (wire_of(ONE, b"") | {"owner": 5}, "owner 5"),
        (wire_of(ONE, b"") | {"base64Data": "%%%"}, "data '%%%'"),
        (wire_of(ONE, b"") | {"base64Data": ["", "base58"]}, "data ['', 'base58']"),
        (wire_of(ONE, b"", slot=-1), "slot -1"),
        (wire_of(ONE, b"", slot="7"), "slot '7'"),
    ],
)
def test_a_malformed_account_is_named(wire: object, said: str, tmp_path: Path) -> None:
    """The others are taken all the same."""
    file = dump(tmp_path, "bad.json", wire)
    dump(tmp_path, "good.json", wire_of(TWO, b"two"))
    found = read_dumps([tmp_path])
    assert [account.address for account in found.accounts] == [TWO]
    (problem,) = found.problems
    assert problem.what == file
    assert said in problem.reason


@pytest.mark.parametrize(
    ("slots", "expected"),
    [((5, 7, 6), b"1"), ((7, 7, 5), None), ((0, 7, 5), None), ((0, 0, 0), None), ((7, 7, 8), b"2")],
)
def test_the_newest_dump_counts_if_there_is_one(
    slots: tuple[int, ...], expected: bytes | None, tmp_path: Path
) -> None:
    """If no slot can tell, the account is left out and both files are named."""
    for number, slot in enumerate(slots):
        dump(tmp_path, f"{number}.json", wire_of(ONE, str(number).encode(), slot=slot))
    found = read_dumps([tmp_path])
    account = found.accounts.find(ONE)
    assert (account.data if account else None) == expected
    if expected is None:
        (problem,) = found.problems
        assert problem.what == ONE
        assert problem.reason.count(".json") == 2


def test_equal_dumps_are_no_problem(tmp_path: Path) -> None:
    """The same bytes from two folders, slots known or not."""
    for number, slot in enumerate((0, 3, 0)):
        dump(tmp_path, f"{number}.json", wire_of(ONE, b"same", slot=slot))
    found = read_dumps([tmp_path])
    assert [*found.accounts] == [Account(ONE, OWNER, b"same", 3)]
    assert not found.problems


@pytest.mark.parametrize("name", ["", "none", "fifo"])
def test_what_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    """No path, nothing there, and nothing that would be waited for."""
    if name == "fifo":
        os.mkfifo(tmp_path / name)
    with pytest.raises(InvalidData, match="a folder of JSON files"):
        read_dumps([tmp_path / name if name else ""])
