"""Read what a process and its children have used: CPU time and memory, from the kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["cpu_ms", "memory_mb"]


def cpu_ms(pid: int) -> float | None:
    """Return the CPU time of a process, its threads and its children; None where none is told.

    Children that have ended are in it once their parent has waited for them, as PostgreSQL does for
    its backends at once.
    """
    ticks = [_cpu_ticks(child) for child in _family(pid)]
    known = [found for found in ticks if found is not None]
    return sum(known) * 1e3 / os.sysconf("SC_CLK_TCK") if known else None


def memory_mb(pid: int) -> float | None:
    """Return the resident memory of a process and its children; None where none is told.

    Pages that several of them share count once.
    """
    sizes = [_memory_kib(child) for child in _family(pid)]
    known = [found for found in sizes if found is not None]
    return sum(known) / 1024 if known else None


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):  # it has ended meanwhile, or this kernel does not tell
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _cpu_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    return sum(int(field) for field in fields[11:15])  # own and waited-for, user and system


def _memory_kib(pid: int) -> int | None:
    """Return each shared page's part, or all of them where parts are not told."""
    for name, label in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
                if line.startswith(label):
                    return int(line.split()[1])
    return None
