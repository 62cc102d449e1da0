"""Compile the kernels, where the extra ``fast`` is installed and somebody asks for it.

The plain functions are not replaced: a second copy of their module is compiled, on first use, and
kept on disk for the next process where the folder can be written. Nothing is reordered or fused,
so compiled and plain kernels return the same doubles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec, module_from_spec
from types import FunctionType, ModuleType
from typing import Any

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.routing.sweep import Columns

__all__ = ["Kernels", "compiled", "kernels_of"]


class Kernels(Struct, frozen=True):
    """Hold a module of kernels, plain or compiled, and what makes the sequences that they take."""

    functions: Any
    floats: Callable[[Any], Any]
    ints: Callable[[Any], Any]
    zeros: Callable[[int | tuple[int, int]], Any]
    listed: Callable[[Any], list[Any]]
    """Turns a sequence of theirs into a list."""

    def flat(self, curves: Sequence[Columns]) -> tuple[Any, ...]:
        """Return curves' columns one after another, and where each curve's begin.

        Inputs and outputs have one entry more for each curve.
        """
        offsets = [0]
        for columns in curves:
            offsets.append(offsets[-1] + len(columns.starts))
        flat = [
            self.floats([number for columns in curves for number in columns[at]])
            for at in range(len(Columns._fields))
        ]
        return (*flat, self.ints(offsets))


@cache
def kernels_of(module: ModuleType, *, is_compiled: bool) -> Kernels:
    """Return a module's kernels as they are, or compiled.

    Raises:
        InvalidData: the extra is not installed.
    """
    if not is_compiled:
        return Kernels(module, list, list, _zeros, list)
    functions = compiled(module.__name__)
    import numpy as np  # noqa: PLC0415  (of the extra)

    return Kernels(
        functions,
        lambda numbers: np.array(numbers, dtype=np.float64),
        lambda numbers: np.array(numbers, dtype=np.int64),
        np.zeros,
        lambda numbers: [*numbers.tolist()],
    )


def _zeros(shape: int | tuple[int, int]) -> list[float] | list[list[float]]:
    """Return what numpy's function of the name does, as lists."""
    if isinstance(shape, int):
        return [0.0] * shape
    return [[0.0] * shape[1] for _ in range(shape[0])]


@cache
def compiled(module: str) -> ModuleType:
    """Return a copy of a module of kernels, every function of it compiled.

    Raises:
        InvalidData: the extra is not installed.
    """
    if find_spec("numba") is None or find_spec("numpy") is None:
        raise InvalidData("compiled routing", "no numba", "pip install 'orderengine[fast]'")
    import numba  # noqa: PLC0415  (half a second, and only for who asked)

    spec = find_spec(module)
    if spec is None or spec.loader is None:
        raise InvalidData("compiled routing", f"no module {module}", "a module of kernels")
    copy = module_from_spec(spec)
    spec.loader.exec_module(copy)
    for name, found in list(vars(copy).items()):
        if isinstance(found, FunctionType) and found.__module__ == module:
            setattr(copy, name, numba.njit(cache=True, error_model="numpy")(found))
    return copy
