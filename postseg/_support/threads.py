"""Spread a kernel over ranges of rows, runs or regions, on threads."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from postseg._support.progress import counter

T = TypeVar("T")

# Below this much work (runs, or pixels / 64) a thread costs more than it brings.
_WORTH_A_THREAD = 20_000
# More ranges than threads, so that one slow range does not leave the others waiting.
_RANGES_PER_THREAD = 4


ENVIRONMENT = "POSTSEG_N_JOBS"

_limit: ContextVar[int | None] = ContextVar("postseg_n_jobs", default=None)


@contextmanager
def limited(n_jobs: int | None) -> Iterator[None]:
    """Use at most `n_jobs` threads inside; None leaves it as it is."""
    token = _limit.set(n_jobs) if n_jobs is not None else None
    try:
        yield
    finally:
        if token is not None:
            _limit.reset(token)


def n_threads() -> int:
    """Threads to use here: as `limited`, else as `POSTSEG_N_JOBS`, else the CPUs of this process.

    One inside a dask worker, which has its share of the machine already.

    Raises
    ------
    ValueError
        When the environment variable is no number of threads.
    """
    if "distributed" in sys.modules:  # a task on a worker runs where it is imported
        from distributed import get_worker

        try:
            get_worker()
        except ValueError:
            pass
        else:
            return 1
    asked = _limit.get()
    if asked is None and (text := os.environ.get(ENVIRONMENT)):  # empty is not set
        asked = check_n_jobs(text, ENVIRONMENT)
    return cpus() if asked is None or asked == -1 else asked


def cpus() -> int:
    """CPUs that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def check_n_jobs(n_jobs: Any, parameter: str) -> int | None:
    """Return a number of threads, -1 meaning all CPUs and None the default.

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        number = None if n_jobs is None else int(n_jobs)
    except (TypeError, ValueError):
        number = 0
    if (number is not None and number != -1 and number < 1) or isinstance(n_jobs, bool | float):
        raise ValueError(
            f"{parameter} is {n_jobs!r}; give a number of threads, or -1 for all CPUs."
        )
    return number


def spread(
    task: Callable[[int, int], T], work: NDArray[np.int64], text: str = "Working"
) -> list[T]:
    """Call ``task(first, last)`` for ranges of items that cover all, about equal in work.

    Parameters
    ----------
    task
        Called with half-open ranges of items, from several threads.
    work : (n + 1,) array
        Cumulative work, ascending: item i costs ``work[i + 1] - work[i]``.
    text : str
        What is being done, for the progress bar.

    Returns
    -------
    list
        The results in order of the ranges.
    """
    n_items = work.size - 1
    total = int(work[-1] - work[0])
    threads = min(n_threads(), max(1, total // _WORTH_A_THREAD))
    if not n_items:
        return []
    if total < _WORTH_A_THREAD:
        return [task(0, n_items)]
    return in_threads(task, _ranges(work, threads * _RANGES_PER_THREAD), text, threads)


def in_batches(
    task: Callable[[int, int], T], work: NDArray[np.int64], batch: int, text: str = "Working"
) -> list[T]:
    """Call ``task(first, last)`` for ranges of items of about `batch` work each.

    As `spread`, but so that what a task makes on its way is never large: while one batch is
    worked on, the others' results are all that is held.
    """
    return in_threads(task, _ranges(work, 1 + int(work[-1] - work[0]) // batch), text)


def _ranges(work: NDArray[np.int64], n: int) -> list[tuple[int, int]]:
    """At most `n` ranges of items that cover all, about equal in cumulative work."""
    shares = work[0] + np.linspace(0, work[-1] - work[0], n + 1)
    inner = np.searchsorted(work, shares[1:-1])
    ends = np.unique([0, *inner, work.size - 1]).tolist()  # items without work too
    return list(itertools.pairwise(ends))


def in_threads(
    task: Callable[[int, int], T],
    ranges: Sequence[tuple[int, int]],
    text: str = "Working",
    threads: int | None = None,
) -> list[T]:
    """Call `task` once for each range, on threads made for this call only.

    A pool of its own per call is what makes concurrent callers and forked processes safe.
    """
    threads = min(threads or n_threads(), len(ranges))
    done = counter(text, len(ranges))

    def call(bounds: tuple[int, int]) -> T:
        result = task(*bounds)
        done(1)
        return result

    if threads <= 1:
        return [call(bounds) for bounds in ranges]
    with ThreadPoolExecutor(threads, thread_name_prefix="postseg") as pool:
        return list(pool.map(call, ranges))
