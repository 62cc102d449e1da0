"""Compile the kernels, where the extra ``fast`` is installed and somebody asks for it.

The plain functions are not replaced: a second copy of their module is compiled, on first use, and
kept on disk for the next process where the folder can be written. Nothing is reordered or fused,
so compiled and plain kernels return the same doubles.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec, module_from_spec
from types import FunctionType, ModuleType

from orderengine.errors import InvalidData

__all__ = ["compiled", "is_installed"]


def is_installed() -> bool:
    """Return whether the extra ``fast`` is there; does not load it."""
    return find_spec("numba") is not None and find_spec("numpy") is not None


@cache
def compiled(module: str) -> ModuleType:
    """Return a copy of a module of kernels, every function of it compiled.

    Raises:
        InvalidData: the extra is not installed.
    """
    if not is_installed():
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
