"""Hold one process of a fleet and measure, from outside, what it uses."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from time import monotonic

from tests.chaos.record import Vitals
from tests.service.serving import Process

__all__ = ["Running"]

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Running:
    """Hold a process, and what was measured of it so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.began_s = monotonic()
        self.rss_mb: list[float] = []
        self.files: list[int] = []
        self.is_expected_to_end = False

    def look(self) -> None:
        """Measure, where the system tells."""
        folder = Path(f"/proc/{self.process.pid}")
        with suppress(OSError, IndexError):
            pages = int((folder / "statm").read_text().split()[1])
            files = len(list((folder / "fd").iterdir()))
            if pages:  # one that is being killed has given them back
                self.rss_mb.append(pages * _PAGE_MB)
                self.files.append(files)

    def vitals(self, name: str) -> Vitals | None:
        """Return what was measured."""
        if not self.rss_mb:
            return None
        return Vitals(
            process=name,
            pid=self.process.pid,
            lived_s=round(monotonic() - self.began_s, 1),
            rss_mb_first=round(self.rss_mb[0], 1),
            rss_mb_last=round(self.rss_mb[-1], 1),
            rss_mb_max=round(max(self.rss_mb), 1),
            files_max=max(self.files),
            files_last=self.files[-1],
        )
