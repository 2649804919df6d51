"""How numeric loops are compiled: the only place of this room that imports numba.

A kernel is a plain function of numbers and arrays. `kernel` compiles it on its first call and keeps the machine code
on disk, so a second process pays no compilation. The plain function stays reachable as `.py_func`, which is how the
tests compare compiled and uncompiled results.

The cache lies beside the source file when that folder is writable, else in the user's cache folder; the environment
variable `NUMBA_CACHE_DIR` overrides both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

import numba

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Kernel(Protocol[P, R]):
    """A compiled function and, as `py_func`, its source in plain Python."""

    @property
    def py_func(self) -> Callable[P, R]: ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


@overload
def kernel(function: Callable[P, R]) -> Kernel[P, R]: ...
@overload
def kernel(*, inline: bool = ...) -> Callable[[Callable[P, R]], Kernel[P, R]]: ...


def kernel(function: Any = None, *, inline: bool = False) -> Any:
    """Declare a function as a kernel: `@kernel`, or `@kernel(inline=True)` for a small step inside a hot loop.

    The arithmetic stays that of IEEE doubles in the order written (no fast-math, no fused multiply-add across
    statements), so compiled and plain results are equal bit for bit.
    """

    def compiled(plain: Callable[P, R]) -> Kernel[P, R]:
        options: dict[str, Any] = {"cache": True, "fastmath": False, "error_model": "numpy"}
        if inline:
            options["inline"] = "always"
        return cast("Kernel[P, R]", numba.njit(**options)(plain))

    return compiled if function is None else compiled(function)
