"""Write logs as lines: one JSON object each, or short text; never with a secret in them.

Everything that logs in a process ends here: our own modules, the server's, the queue's, and an
error that ends the process. Bodies of requests are never logged. Passwords, keys and tickets that
found their way into a message or an error's text are taken out of each line when it is written.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from orderengine.model.events import AttemptFailed, Event, Failed, Routed, Submitted
from orderengine.model.lifecycle import OrderState
from orderengine.service.settings import Settings

__all__ = ["HIDDEN", "OrderLog", "Redactor", "configure", "say"]

HIDDEN = "***"
_SHAPES = re.compile(
    r"oet?_[A-Za-z0-9_-]{16,}"  # keys and tickets
    r"|(?<=://)(?!\[?(?:user)?:password@)[^\s/@]*(?:@[^\s/@]*)*@"  # user:password@ of an address
    r"|(?<=[?&]ticket=)[^\s&\"']+"
    r"|(?<=Bearer )[^\s\"']+"
)
_PROCESS = "orderengine.process"
_orders = logging.getLogger("orderengine.orders")
_process = logging.getLogger(_PROCESS)


class Redactor:
    """Take secrets out of texts: those that are known, and whatever has the shape of one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # An address holds a password escaped, an error of a library may show it either way.
        forms = {form for secret in secrets for form in (secret, unquote(secret), quote(secret))}
        forms |= {json.dumps(form)[1:-1] for form in forms} | {repr(form)[1:-1] for form in forms}
        longest_first = sorted(filter(None, forms), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def clean(self, text: str) -> str:
        """Return the text with ``***`` in the place of each secret."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _SHAPES.sub(HIDDEN, text)


class _Lines(logging.Formatter):
    """Be what both forms share: when, how grave, who, what; an error's traceback."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._clean = redactor.clean
        self._second = (0, "")

    def _when(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second[0]:
            self._second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second[1]}.{int(record.msecs):03d}Z"

    def _error(self, record: logging.LogRecord) -> str:
        """Return the traceback, or nothing."""
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(record.stack_info)
        return self._clean("\n".join(parts))

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = getattr(record, "fields", {})
        return {
            name: self._clean(value) if isinstance(value, str) else value
            for name, value in fields.items()
        }


class _JsonLines(_Lines):
    """Write one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Secrets leave its texts before they are quoted, so it stays JSON."""
        line = {
            "at": self._when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._clean(record.getMessage()),
            **self._fields(record),
        }
        if error := self._error(record):
            line["error"] = error
        return msgspec.json.encode(line).decode()


class _TextLines(_Lines):
    """Write short text for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and a traceback below it."""
        said = self._clean(record.getMessage())
        said += "".join(f" {name}={value}" for name, value in self._fields(record).items())
        if record.name == _PROCESS and record.levelno < logging.WARNING:
            return f"orderengine: {said}"
        line = f"{self._when(record)} {record.levelname.lower()} {record.name}: {said}"
        error = self._error(record)
        return f"{line}\n{error}" if error else line


def configure(settings: Settings) -> None:
    """Write all logs of this process to standard error, as the settings say; once, at its start."""
    redactor = Redactor(settings.secrets())
    handler = logging.StreamHandler(sys.stderr)
    lines = _JsonLines if settings.log == "json" else _TextLines
    handler.setFormatter(lines(redactor))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries say under info what nobody asked for, and under debug what a job or query holds.
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("orderengine").setLevel(level)
    _process.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _last_words


def _last_words(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log what ends the process, as any other error is."""
    _process.critical("this process ends by an error", exc_info=(kind, error, trace))


def say(message: str) -> None:
    """Say what this process is about to do; that is shown at every level."""
    _process.info("%s", message)


class OrderLog:
    """Log one line an event of an order, in the process that wrote it."""

    def __init__(self) -> None:
        self._emit = _orders.handle

    @property
    def is_wanted(self) -> bool:
        """Whether such lines are shown at all."""
        return _orders.isEnabledFor(logging.INFO)

    def __call__(self, state: OrderState, event: Event) -> None:
        """Log the event. Names and codes only: what an order is about stands in its log."""
        kind = str(type(event).__struct_config__.tag)
        fields: dict[str, object] = {
            "order_id": event.order_id,
            "user": state.order.user,
            "seq": event.seq,
            "type": kind,
            "status": event.status.value,
        }
        if isinstance(event, Routed | Submitted | AttemptFailed):
            fields["attempt"] = event.attempt
        if isinstance(event, AttemptFailed | Failed):
            fields["code"] = event.code
        # Made by hand: finding out which line of code logs would cost more than all the rest.
        record = logging.LogRecord(_orders.name, logging.INFO, "", 0, f"order {kind}", None, None)
        record.fields = fields
        self._emit(record)
