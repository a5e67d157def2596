"""Compiled loops over plain arrays: no classes, no pandas, no shapely in here."""

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` on its first call, free of the GIL, and keep the machine code on disk.

    Never ``parallel=True``: its thread pools break under concurrent Python threads and under
    fork, which is how tiles are run. `postseg.parallel` spreads kernels instead.
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no writable place for the cache, as in a read-only container
        return njit(nogil=True)(function)
