"""Compiled loops over plain arrays: no classes, no pandas, no shapely in here."""

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.options import DefaultOptions
from numba.core.serialize import dumps

# an option that numba does not promise: without it kernels are slower, and the same
_UNCOUNTED = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel that Python calls; what it calls itself is `compiled`.

    An exception of a signal handler, as of Ctrl-C, that comes up while numba makes the arrays
    that a kernel returns becomes a SystemError, since numba does not look: it is raised instead.
    """
    run = compiled(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return run(*arguments)
        except SystemError as error:
            cause: BaseException = error
            while isinstance(cause, SystemError) and cause.__cause__ is not None:
                cause = cause.__cause__
            raise cause from None

    return call


def compiled(function: Callable[..., Any]) -> Any:
    """Compile `function` on its first call, free of the GIL, and keep the machine code on disk.

    Never ``parallel=True``: its thread pools break under concurrent Python threads and under
    fork, which is how tiles are run. `postseg._support.threads` spreads kernels instead.
    """
    return _cached(njit(nogil=True)(function), function)


def borrowing(function: Callable[..., Any]) -> Any:
    """`compiled`, for what neither makes arrays nor returns any.

    References to those that it is lent are not counted, which takes longer than a small kernel.
    Numba refuses what makes arrays.
    """
    return _cached(njit(nogil=True, **_UNCOUNTED)(function), function)


def inlined(function: Callable[..., Any]) -> Any:
    """`borrowing`, into its callers: for what takes many arrays and does little with them."""
    return _cached(njit(nogil=True, forceinline=True, **_UNCOUNTED)(function), function)


def _cached(dispatcher: Any, function: Callable[..., Any]) -> Any:
    # no writable place for the cache, as in a read-only container: as numba left it, without
    with suppress(RuntimeError, OSError):
        dispatcher._cache = _Cache(function)
    return dispatcher


class _Summed(CompileResultCacheImpl):
    """Machine code with its checksum: numba would run what a bad disk made of it."""

    def get_filename_base(self, *of: Any) -> str:
        return f"{super().get_filename_base(*of)}.summed"  # apart from what numba alone would read

    def reduce(self, result: Any) -> tuple[bytes, bytes]:
        code = dumps(super().reduce(result))
        return hashlib.sha256(code).digest(), code

    def rebuild(self, context: Any, payload: tuple[bytes, bytes]) -> Any:
        checksum, code = payload
        if hashlib.sha256(code).digest() != checksum:
            raise ValueError("the cache of machine code is damaged")
        return super().rebuild(context, pickle.loads(code))


class _Cache(FunctionCache):
    """Numba's cache, which saves time or does nothing: a damaged file or a full disk is no error.

    What damaged files raise on loading is anything.
    """

    _impl_class = _Summed

    def load_overload(self, *of: Any) -> Any:
        try:
            return super().load_overload(*of)
        except Exception:
            with suppress(Exception):
                self.flush()  # so that what is compiled now is kept
            return None

    def save_overload(self, *of: Any) -> None:
        with suppress(Exception):
            super().save_overload(*of)
