"""How numeric loops are compiled: the only place of this room that imports numba.

A kernel is a plain function of numbers and arrays. `kernel` compiles it on its first call and keeps the machine code
on disk, so a second process pays no compilation. The plain function stays reachable as `.py_func`, which is how the
tests compare compiled and uncompiled results.

Where the machine code lies: under the environment variable `NUMBA_CACHE_DIR` when it is set, else in `__pycache__`
beside the source when that folder is writable, else in the user's cache folder. When none of them is writable the
import fails and says so.

A kernel bakes in the kernels and constants it uses, also those of other files, so what is on disk counts as fresh only
while every source file of its folder is unchanged, and of every folder from which a file of it imports a file that
declares kernels, and so on. A kernel may therefore use the kernels of another folder, and constants from beside them, by an
import at the top of its file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
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
    def py_func(self) -> Callable[P, R]:
        """The function as it was written."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


_DECLARES = re.compile(rb"^@kernel\b", re.MULTILINE)
_IMPORTS = re.compile(rb"^from ([\w.]+) import (\([^)]*\)|[^\n]*)|^import ([\w.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Source:
    """One Python file: its fingerprint, whether it declares kernels, and the dotted names it imports."""

    digest: bytes
    declares: bool
    imports: tuple[str, ...]


@cache
def _read(file: Path, _modified_ns: int, _size: int) -> _Source:
    text = file.read_bytes()
    names: list[str] = []
    for package, members, module in _IMPORTS.findall(text):
        names.append((package or module).decode())
        names += [f"{package.decode()}.{member.decode()}" for member in re.findall(rb"\w+", members)]
    return _Source(hashlib.sha256(text).digest(), _DECLARES.search(text) is not None, tuple(names))


def _source(file: Path) -> _Source:
    status = file.stat()
    return _read(file, status.st_mtime_ns, status.st_size)


def _import_root(folder: Path) -> Path:
    """The folder that absolute imports of a package's files start from."""
    while (folder / "__init__.py").exists():
        folder = folder.parent
    return folder


def _kernel_folders(folder: Path) -> list[Path]:
    """`folder` and all folders whose kernels may be baked into its own, in the order of their names."""
    root, found, waiting = _import_root(folder), {folder}, [folder]
    while waiting:
        for file in waiting.pop().glob("*.py"):
            for name in _source(file).imports:
                used = root / (name.replace(".", "/") + ".py")
                if used.parent not in found and used.is_file() and _source(used).declares:
                    found.add(used.parent)
                    waiting.append(used.parent)
    return sorted(found)


def folder_stamp(source: Path) -> str:
    """Fingerprint of all Python files beside `source` and in the folders whose kernels they use."""
    digest = hashlib.sha256()
    for folder in _kernel_folders(source.parent):
        for file in sorted(folder.glob("*.py")):
            digest.update(file.name.encode())
            digest.update(_source(file).digest)
    return digest.hexdigest()


@cache
def _stamp_at_start(folder: Path) -> str:
    """The stamp of a folder when its first kernel was declared: a process keeps the code it imported."""
    return folder_stamp(folder / "any")


class _WholeFolder:
    """Cached code is fresh while no source file of its folder, and of those it uses kernels of, has changed."""

    _py_file: str

    def get_source_stamp(self) -> str:
        """What numba compares: the stamp of the folder as it was when this process began."""
        return _stamp_at_start(Path(self._py_file).parent)


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
def kernel(
    *, parallel: bool = ..., inline: bool = ..., borrows: bool = ...
) -> Callable[[Callable[P, R]], Kernel[P, R]]: ...


def kernel(function: Any = None, *, parallel: bool = False, inline: bool = False, borrows: bool = False) -> Any:
    """Declare a function as a kernel: `@kernel`, or `@kernel(parallel=True)` for one that uses `prange`.

    `inline=True` is for a small step inside a hot loop: its code is copied into each caller. `borrows=True` is for one that
    gets many arrays and makes none: it leaves their reference counts alone, which its caller must hold for it.

    The arithmetic stays that of IEEE doubles in the order written (no fast-math), so compiled and plain results are
    equal bit for bit. A kernel must not divide by zero: plain Python would raise where machine code gives infinity.
    """

    options: dict[str, Any] = {
        "cache": True,
        "parallel": parallel,
        "fastmath": False,
        "error_model": "numpy",
        "nogil": True,
        "forceinline": inline,
    }
    if borrows:
        options["_nrt"] = False  # numba's own switch for code that neither makes nor keeps arrays

    def compiled(plain: Callable[P, R]) -> Kernel[P, R]:
        with _own_locators():
            made = numba.njit(**options)(plain)
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
