"""Be a worker process: read tasks from standard input, write answers to standard output.

A frame is eight bytes of length and as many bytes. The first frame says that the process is up. It
ends when its standard input does, so a parent that was killed leaves it to finish its task at most.
"""

from __future__ import annotations

import os
import pickle
import signal
from io import FileIO

__all__ = ["READY", "main", "read_frame", "write_frame"]

READY = b"ready"
_HEAD = 8


def write_frame(file: FileIO, data: bytes) -> None:
    """Write one frame to an unbuffered file."""
    rest = memoryview(len(data).to_bytes(_HEAD, "big") + data)
    while rest:
        rest = rest[file.write(rest) :]


def read_frame(file: FileIO) -> bytes | None:
    """Return the next frame; None where the other side has gone, even half-way."""
    head = _exactly(file, _HEAD)
    return None if head is None else _exactly(file, int.from_bytes(head, "big"))


def _exactly(file: FileIO, size: int) -> bytes | None:
    parts = []
    while size:
        part = file.read(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def main() -> None:
    """Work until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    tasks = FileIO(os.dup(0), "rb")
    answers = FileIO(os.dup(1), "wb")
    # What a user's function prints goes to standard error, and it has nothing to read.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    from orderengine.study.sweep.task import run_task  # noqa: PLC0415  (its imports may print)

    try:
        write_frame(answers, READY)
        while (task := read_frame(tasks)) is not None:
            write_frame(answers, pickle.dumps(run_task(task)))
    except BrokenPipeError:
        os._exit(1)  # nobody is there to tell
