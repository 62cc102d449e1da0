"""Show how far a study is: a bar where somebody watches, or a function of the caller's."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any, Self

__all__ = ["Progress", "progress_of"]

_STEPS = 200


class Progress:
    """Report ended orders, at most some hundred times a run; a context manager.

    Args:
        total: orders in all.
        report: called with (ended, total).
        close: called at the end.
    """

    def __init__(
        self,
        total: int,
        report: Callable[[int, int], None] | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        self._total = total
        self._report = report
        self._close = close
        self._every = max(total // _STEPS, 1)

    def update(self, ended: int) -> None:
        """Say how many orders have ended."""
        if self._report is not None and (ended % self._every == 0 or ended == self._total):
            self._report(ended, self._total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._close is not None:
            self._close()


def progress_of(
    wanted: bool | Callable[[int, int], None] | None, total: int, doing: str = "simulating"
) -> Progress:
    """Return the progress that was asked for; None means where somebody watches."""
    if callable(wanted):
        return Progress(total, wanted)
    if wanted is None:
        wanted = sys.stderr.isatty() or "ipykernel" in sys.modules
    if not wanted:
        return Progress(total)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets tqdm falls back to text and says so
        from tqdm.auto import tqdm  # noqa: PLC0415  (part of the extra study)

    bar: Any = tqdm(total=total, unit=" orders", desc=doing, leave=False)

    def report(ended: int, _: int) -> None:
        bar.update(ended - bar.n)

    return Progress(total, report, bar.close)
