"""What a command shows on the terminal: progress, warnings and one line per failure."""

import io
import logging
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import click

from postseg._support.progress import bar, shown_by


class Group(click.Group):
    """Ends every failure in one line, and shows warnings as lines too, after the work."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with _stopped_by_sigterm(), _collected_notes() as notes:
                result = super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            raise click.ClickException(one_line(error)) from error
        for note in dict.fromkeys(notes()):
            click.echo(f"Warning: {note}", err=True)
        return result


@contextmanager
def step(text: str, quiet: bool) -> Iterator[None]:
    """Show on a terminal what is being done, and for how long.

    Parameters
    ----------
    text : str
        What is being done.
    quiet : bool
        Show nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield
        return
    # printed afterwards: the display and the report would write over each other
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), bar(text) as show, shown_by(show):
            yield
    finally:
        click.echo(printed.getvalue(), nl=False)


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, which batch systems send, clean up as Ctrl-C does."""

    def stop(signum: int, frame: Any) -> None:
        signal.signal(signum, signal.SIG_IGN)  # a second one would interrupt the cleaning
        raise SystemExit(128 + signum)

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if not ours:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _collected_notes() -> Iterator[Callable[[], list[str]]]:
    """Keep warnings and what libraries log, which come as several lines with a code path."""
    collector = _Collector()
    logging.getLogger().addHandler(collector)
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield lambda: [
                " ".join(text.split())
                for text in [*(str(warning.message) for warning in caught), *collector.messages]
            ]
    finally:
        logging.getLogger().removeHandler(collector)


def one_line(error: Exception) -> str:
    """Say what went wrong in one line.

    Parameters
    ----------
    error : Exception
        Any; what nobody expected is shown with its place in the code.
    """
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    elif isinstance(
        error, (OSError, ValueError, TypeError, RuntimeError, ImportError, MemoryError)
    ):
        text = str(error) or type(error).__name__
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}"
        text = f"{type(error).__name__}: {error} ({place}). This is unexpected: please report it."
    return " ".join(text.split())
