"""Check that logs are lines, that each event of an order has one, and that no secret is in any."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.service.operations.logs import HIDDEN, Redactor, _JsonLines, _TextLines
from orderengine.service.settings import Settings
from tests.service.serving import serving
from tests.service.test_app import ended, submit

KEY = "oe_" + "Ab1_-" * 8 + "xyz"
TICKET = "oet_" + "Zz9-_" * 8 + "abc"
SETTINGS = Settings(
    database_url="postgresql://owner:p%40ss%2Fword-1@db:5432/orders",
    redis_url="redis://:redis-Secret@queue:6379/0",
    bootstrap_key=KEY,
)
SECRETS = ("p%40ss%2Fword-1", "p@ss/word-1", "redis-Secret", KEY)


def _error(text: str) -> Any:
    """Return an error with a cause, as ``exc_info`` has it."""
    try:
        try:
            raise ValueError(text)
        except ValueError as cause:
            raise RuntimeError({"url": text}) from cause
    except RuntimeError:
        return sys.exc_info()


def lines(message: str, *values: object, **options: Any) -> tuple[str, str]:
    """Return what a message is written as, as JSON and as text."""
    record = logging.LogRecord("orderengine.x", logging.ERROR, "", 0, message, values, None)
    record.exc_info = options.pop("exc_info", None)
    if options:
        record.fields = options
    redactor = Redactor(SETTINGS.secrets())
    return _JsonLines(redactor).format(record), _TextLines(redactor).format(record)


@pytest.mark.parametrize(
    "secret",
    [*SECRETS, TICKET, "nobody:knows@host", "ws://h/ws?ticket=abc123"],
    ids=["escaped", "plain", "redis", "key", "ticket", "address", "query"],
)
def test_no_line_holds_a_secret(secret: str) -> None:
    """Wherever it stands: message, value, field, error, the error's cause."""
    if secret.startswith("nobody"):
        secret = f"postgres://{secret}/x"
    shown = "".join(
        line
        for text in (secret, f"key={secret}", f"'{secret}'", f"\n{secret}\n")
        for line in (
            *lines(f"before {text} after"),
            *lines("before %s after", text),
            *lines("before", where=text),
            *lines("before", exc_info=_error(f"cannot connect to {text}")),
        )
    )
    hidden = {"postgres://nobody:knows@host/x": "knows", "ws://h/ws?ticket=abc123": "abc123"}
    assert hidden.get(secret, secret) not in shown
    assert HIDDEN in shown


@given(secret=st.text(min_size=1, max_size=20), around=st.text(max_size=20))
def test_whatever_the_password_is_it_is_hidden_and_json_stays_json(
    secret: str, around: str
) -> None:
    """Quotes, line ends, one letter: a line can be parsed, and does not hold it."""
    url = f"redis://:{quote(secret, safe='')}@h:1/0"
    redactor = Redactor(Settings(redis_url=url).secrets())
    record = logging.LogRecord("x", logging.ERROR, "", 0, f"{around}{secret}{around}", None, None)
    record.fields = {"seq": 1, "where": url, "status": secret}
    said = json.loads(_JsonLines(redactor).format(record))
    assert set(said) == {"at", "level", "logger", "message", "seq", "where", "status"}
    assert said["seq"] == 1
    if secret not in HIDDEN:
        assert secret not in said["message"].replace(HIDDEN, "") or secret in around * 2
        assert said["status"] == HIDDEN


def test_a_line_is_one_object() -> None:
    """With when, how grave, who and what; an error's traceback is a part of it."""
    as_json, as_text = lines("order %s", "o-1", exc_info=_error("no"), order_id="o-1", seq=3)
    assert "\n" not in as_json
    said = json.loads(as_json)
    assert (said["level"], said["logger"], said["message"]) == (
        "error",
        "orderengine.x",
        "order o-1",
    )
    assert (said["order_id"], said["seq"]) == ("o-1", 3)
    assert "RuntimeError" in said["error"]
    assert as_text.splitlines()[0].endswith("error orderengine.x: order o-1 order_id=o-1 seq=3")
    assert "RuntimeError" in as_text


def test_help_that_looks_like_an_address_is_left() -> None:
    """What a setting expects is said in full."""
    text = "expected postgresql://user:password@host:port/name or redis://[:password@]host:port/db"
    assert Redactor().clean(text) == text


def test_every_event_of_an_order_is_one_line(tmp_path: Path) -> None:
    """In the process that wrote it, in the order of the log; every line is JSON."""
    env = {
        "ORDERENGINE_LOG": "json",
        "ORDERENGINE_LOG_LEVEL": "info",
        "ORDERENGINE_SIM_PROFILE": "instant",
        "REDIS_URL": "redis://:redis-Secret@127.0.0.1:1/0",
    }
    with serving(tmp_path, **env) as process:
        with httpx.Client(base_url=process.url, timeout=10) as http:
            filled = submit(http)
            lost = submit(http, amount=str(2**64 - 1))
            for order_id in (filled, lost):
                ended(http, order_id)
            http.get("/nowhere")
        assert process.stop() == 0
        said = process.log.read_text()
    assert "redis-Secret" not in said
    found = [json.loads(line) for line in said.splitlines()]
    assert {"orderengine.process", "orderengine.orders"} <= {line["logger"] for line in found}
    with closing(sqlite3.connect(tmp_path / "orderengine.db")) as database:
        for order_id in (filled, lost):
            events = [
                json.loads(body)
                for (body,) in database.execute(
                    "SELECT body FROM events WHERE order_id = ? ORDER BY seq", [order_id]
                )
            ]
            mine = [line for line in found if line.get("order_id") == order_id]
            for line, event in zip(mine, events, strict=True):
                assert line["user"] == "user"
                for name in ("seq", "type", "status"):
                    assert line[name] == event[name]
                assert line.get("code") == event.get("code")
                assert not {"amount", "order", "route", "quotes", "reason"} & set(line)
    codes = [line.get("code") for line in found if line.get("order_id") == lost]
    assert any(codes), "a failure says its code"


def test_without_info_events_have_no_lines(tmp_path: Path) -> None:
    """The default in development; what the process is about is said all the same."""
    with serving(tmp_path, ORDERENGINE_SIM_PROFILE="instant") as process:
        with httpx.Client(base_url=process.url, timeout=10) as http:
            ended(http, submit(http))
        process.stop()
        said = process.log.read_text()
    assert "orderengine: listening on" in said
    assert "confirmed" not in said
