"""Spread a kernel over ranges of rows, runs or regions, on threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

# Below this much work (runs, or pixels / 64) a thread costs more than it brings.
_WORTH_A_THREAD = 20_000
# More ranges than threads, so that one slow range does not leave the others waiting.
_RANGES_PER_THREAD = 4


def n_threads() -> int:
    """Threads to use here: the CPUs of this process, or one inside a dask worker."""
    if "distributed" in sys.modules:  # a task on a worker runs where it is imported
        from distributed import get_worker

        try:
            get_worker()
        except ValueError:
            pass
        else:
            return 1
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def spread(task: Callable[[int, int], T], work: NDArray[np.int64]) -> list[T]:
    """Call ``task(first, last)`` for ranges of items that cover all, about equal in work.

    Parameters
    ----------
    task
        Called with half-open ranges of items, from several threads.
    work : (n + 1,) array
        Cumulative work, ascending: item i costs ``work[i + 1] - work[i]``.

    Returns
    -------
    list
        The results in order of the ranges.
    """
    n_items = work.size - 1
    total = int(work[-1] - work[0])
    threads = min(n_threads(), max(1, total // _WORTH_A_THREAD))
    if threads == 1 or n_items == 1:
        return [task(0, n_items)] if n_items else []
    shares = work[0] + np.linspace(0, total, threads * _RANGES_PER_THREAD + 1)
    ends = np.unique(np.searchsorted(work, shares).clip(0, n_items))
    return in_threads(task, list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)), threads)


def in_threads(
    task: Callable[[int, int], T], ranges: Sequence[tuple[int, int]], threads: int | None = None
) -> list[T]:
    """Call `task` once for each range, on threads made for this call only.

    A pool of its own per call is what makes concurrent callers and forked processes safe.
    """
    threads = min(threads or n_threads(), len(ranges))
    if threads <= 1:
        return [task(first, last) for first, last in ranges]
    with ThreadPoolExecutor(threads, thread_name_prefix="postseg") as pool:
        return list(pool.map(lambda bounds: task(*bounds), ranges))
