"""Keep Python's cycle collector from looking through a run's memory again and again.

A run makes millions of objects and hardly a cycle, so looking for cycles as often as Python does by
itself finds nothing and costs some percent. What stood in memory before the run is left alone, and
what the run makes is looked through when there is more of it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["seldom_collected"]

_NEW_OBJECTS = 50_000
"""Made but not freed before a look at the newest; Python's own figure is some hundreds."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Collect seldom inside, and as before afterwards; nothing changes where it is switched off."""
    thresholds, was_frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if not was_frozen:
            gc.unfreeze()  # what another had frozen cannot be told apart, and stays so
