"""Progress of the long steps, for whoever shows it: a bar from Python, or the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Show = Callable[[str, float], None]  # what is being done, and which part of it is: 0 to 1

_show: ContextVar[Show | None] = ContextVar("postseg_progress", default=None)


@contextmanager
def shown_by(show: Show | None) -> Iterator[None]:
    """Let `show` hear of the progress of what runs inside; None leaves it as it is."""
    token = _show.set(show) if show is not None else None
    try:
        yield
    finally:
        if token is not None:
            _show.reset(token)


def counter(text: str, total: float) -> Callable[[float], None]:
    """Return a function to call, from any thread, with each amount of `total` that is done."""
    show = _show.get()
    if show is None or total <= 0:
        return lambda amount: None
    done = 0.0
    show(text, 0)

    def add(amount: float) -> None:
        nonlocal done
        done += amount
        show(text, min(1, done / total))

    return add


@contextmanager
def of_dask(text: str, n_tasks: int, prefix: str | tuple[str, ...] = "") -> Iterator[None]:
    """Count dask's tasks with such a `prefix` of their name; a cluster's are not seen from here."""
    if _show.get() is None:
        yield
        return
    from dask.callbacks import Callback

    add = counter(text, n_tasks)

    def after(key: Any, *_: Any) -> None:
        name = key[0] if isinstance(key, tuple) else key
        if str(name).startswith(prefix):
            add(1)

    with Callback(posttask=after):
        yield


@contextmanager
def bar(text: str | None = None) -> Iterator[Show]:
    """Show a bar on stderr (rich), one line per step under `text`, gone when all is done.

    What is printed meanwhile appears above it, and still on stdout when that is a file.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    display = Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    )
    tasks: dict[str, Any] = {}

    def show(text: str, done: float) -> None:
        if text not in tasks:
            tasks[text] = display.add_task(text, total=1.0)
        display.update(tasks[text], completed=done)

    with display:
        if text is not None:
            display.add_task(text, total=None)
        yield show


@contextmanager
def bar_if(wanted: bool) -> Iterator[None]:
    """Show a bar of what runs inside, or leave it as it is."""
    if not wanted:
        yield
        return
    with bar() as show, shown_by(show):
        yield
