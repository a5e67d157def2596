"""Numbers and words as people read them, one place for each way of writing; imports nothing."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterable

WIDTH = 99  # columns of a text on a terminal


def human(reason: str) -> str:
    """Name of a reason as a title: ``high_convexity_deficit`` -> ``High Convexity Deficit``."""
    return name_of(reason).title()


def name_of(name: str) -> str:
    """A metric or threshold within a sentence: ``convexity_deficit`` -> ``convexity deficit``."""
    return name.replace("_", " ")


def heading(name: str) -> str:
    """A metric at the head of a column: ``convexity_deficit`` -> ``Convexity deficit``."""
    return name_of(name).capitalize()


def out_of(count: int, total: int, noun: str = "regions") -> str:
    """How many of how many: ``1,234 of 5,678 regions``."""
    return f"{count:,} of {total:,} {noun}"


def counted(count: int, noun: str) -> str:
    """How many of something: ``1 tile``, ``1,234 tiles``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def percent(count: int, total: int) -> str:
    """A share in brackets, as it follows a count; nothing where there is nothing to share."""
    return f" ({100 * count / total:.1f}%)" if total else ""


def in_percent(share: float) -> str:
    """A share from 0 to 1: ``78.5%``."""
    return f"{100 * share:.1f}%"


def floored(part: int, whole: int) -> str:
    """A share in percent, rounded down: all is only what is all."""
    return "100%" if part == whole else f"{math.floor(1000 * int(part) / int(whole)) / 10:.1f}%"


def brief(value: float) -> str:
    """A number with the digits that a chart has room for: ``1,234.57``."""
    return f"{value:,.6g}"


def exact(value: float) -> str:
    """A number as somebody set it, without trailing zeros: ``1,234.5678``."""
    return f"{value:,.10g}"


def fixed(value: float | None, digits: int, *, missing: str = "-", commas: bool = True) -> str:
    """A number with so many digits after the point; `missing` for None and NaN."""
    if value is None or value != value:
        return missing
    text = f"{value:,.{digits}f}" if commas else f"{value:.{digits}f}"
    # without a minus on what is rounded to 0
    return text if text.strip("-0.") else text.removeprefix("-")


def about(value: float) -> str:
    """A number that was computed, whole or to a digit after the point or more: ``27.7``."""
    if not value or value == round(value):
        return exact(value)
    digits = max(1, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def rounded(value: float) -> str:
    """A number too long for its column, to three significant digits: ``1.23e+06``."""
    return f"{value:.3g}"


def seconds(duration: float) -> str:
    """A time: ``1.2 s``."""
    return f"{duration:.1f} s"


def listing(texts: Iterable[str], most: int) -> str:
    """The first `most` of some texts, and how many more there are."""
    texts = list(texts)
    more = f", and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def quoted(names: Iterable[str]) -> str:
    """Names in quotes."""
    return ", ".join(map(repr, names))


def preformatted(text: str) -> str:
    """A text as a notebook shows it."""
    return f"<pre>{html.escape(text)}</pre>"


def wrapped(text: str, indent: str = "", first: str = "") -> list[str]:
    """A text in lines of a terminal, all but the first after `indent`."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent)
