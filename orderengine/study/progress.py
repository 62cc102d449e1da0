"""Show how far a study or a sweep is: a bar where somebody watches, or the caller's function."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any, Self

__all__ = ["CellProgress", "Progress", "cell_progress_of", "progress_of"]

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


class CellProgress:
    """Report the cells of a sweep that have ended; a context manager.

    Args:
        total: cells in all.
        report: called with (done, failed, total).
        close: called at the end.
    """

    def __init__(
        self,
        total: int,
        report: Callable[[int, int, int], None] | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        self._total = total
        self._report = report
        self._close = close

    def update(self, done: int, failed: int) -> None:
        """Say how many cells are done, and how many have failed."""
        if self._report is not None:
            self._report(done, failed, self._total)

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
    if not _is_wanted(wanted):
        return Progress(total)
    bar = _bar(total=total, unit=" orders", desc=doing)

    def report(ended: int, _: int) -> None:
        bar.update(ended - bar.n)

    return Progress(total, report, bar.close)


def cell_progress_of(
    wanted: bool | Callable[[int, int, int], None] | None,
    total: int,
    resumed: int = 0,
    doing: str = "sweeping",
) -> CellProgress:
    """Return the progress that was asked for; the time left counts no cell that was resumed."""
    if callable(wanted):
        return CellProgress(total, wanted)
    if not _is_wanted(wanted):
        return CellProgress(total)
    bar = _bar(total=total, initial=resumed, unit=" cells", desc=doing)
    told = 0

    def report(done: int, failed: int, _: int) -> None:
        nonlocal told
        bar.update(done + failed - bar.n)
        if failed > told:
            told = failed
            bar.set_postfix_str(f"{failed} failed")

    return CellProgress(total, report, bar.close)


def _is_wanted(wanted: object) -> bool:
    if wanted is None:
        return sys.stderr.isatty() or "ipykernel" in sys.modules
    return bool(wanted)


def _bar(**described: object) -> Any:  # noqa: ANN401  (tqdm has no types)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets tqdm falls back to text and says so
        from tqdm.auto import tqdm  # noqa: PLC0415  (part of the extra study)

    return tqdm(leave=False, **described)
