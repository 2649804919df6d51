"""How numeric loops are compiled: the only place of this room that imports numba.

A kernel is a plain function of numbers and arrays. `kernel` compiles it on its first call and keeps the machine code
on disk, so a second process pays no compilation. The plain function stays reachable as `.py_func`, which is how the
tests compare compiled and uncompiled results.

Where the machine code lies: under the environment variable `NUMBA_CACHE_DIR` when it is set, else in `__pycache__`
beside the source when that folder is writable, else in the user's cache folder. When none of them is writable the
import fails and says so.

A kernel bakes in the kernels and constants it uses, also those of neighbouring files, so what is on disk counts as
fresh only while every source file of its folder is unchanged. Kernels therefore use kernels of their own folder only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

import numba
import numpy.typing as npt
from numba.core import cgutils as untyped_builders
from numba.core import types
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

config: Any = numba.config  # its entries are set at run time, so it has no types
cgutils: Any = untyped_builders

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Kernel(Protocol[P, R]):
    """A compiled function and, as `py_func`, its source in plain Python."""

    @property
    def py_func(self) -> Callable[P, R]: ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


def folder_stamp(source: Path) -> str:
    """Fingerprint of all Python files beside `source`; it changes when any of them does."""
    digest = hashlib.sha256()
    for file in sorted(source.parent.glob("*.py")):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


class _WholeFolder:
    """Cached code is fresh while no source file of its folder has changed."""

    _py_file: str

    def get_source_stamp(self) -> str:
        return folder_stamp(Path(self._py_file))


class ChosenFolder(_WholeFolder, UserProvidedCacheLocator):
    """The folder named by `NUMBA_CACHE_DIR`."""


class BesideSource(_WholeFolder, InTreeCacheLocator):
    """`__pycache__` beside the source file."""


class UserFolder(_WholeFolder, UserWideCacheLocator):
    """The user's cache folder."""


@contextmanager
def _own_locators() -> Iterator[None]:
    """Let numba place code by the rules above, for the kernels of this program only."""
    before = config.CACHE_LOCATOR_CLASSES
    config.CACHE_LOCATOR_CLASSES = ",".join(
        f"{locator.__module__}.{locator.__name__}" for locator in (ChosenFolder, BesideSource, UserFolder)
    )
    try:
        yield
    finally:
        config.CACHE_LOCATOR_CLASSES = before


@overload
def kernel(function: Callable[P, R]) -> Kernel[P, R]: ...
@overload
def kernel(*, parallel: bool = ..., inline: bool = ...) -> Callable[[Callable[P, R]], Kernel[P, R]]: ...


def kernel(function: Any = None, *, parallel: bool = False, inline: bool = False) -> Any:
    """Declare a function as a kernel: `@kernel`, or `@kernel(parallel=True)` for one that uses `prange`.

    `inline=True` is for a small step inside a hot loop: its code is copied into each caller.

    The arithmetic stays that of IEEE doubles in the order written (no fast-math), so compiled and plain results are
    equal bit for bit. A kernel must not divide by zero: plain Python would raise where machine code gives infinity.
    """

    def compiled(plain: Callable[P, R]) -> Kernel[P, R]:
        with _own_locators():
            made = numba.njit(
                cache=True, parallel=parallel, fastmath=False, error_model="numpy", nogil=True, forceinline=inline
            )(plain)
        return cast("Kernel[P, R]", made)

    return compiled if function is None else compiled(function)


def borrowed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same array; inside a kernel, without its reference count.

    Counting references is atomic, and in a loop of tiny steps costs a third of the time. The caller of the outermost
    kernel holds the array while the kernel runs, so nothing needs to be counted; the result must not outlive the kernel.
    """
    return array


def _drop_count(context: Any, array: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()  # noqa: SLF001 - the only way numba offers

    return array(array), lower


_without_count: Any = numba.extending.intrinsic(_drop_count)


@numba.extending.overload(borrowed)
def _borrowed_in_kernels(array: Any) -> Any:
    if not isinstance(array, types.Array):
        return None

    def borrow(array: Any) -> Any:
        return _without_count(array)

    return borrow
