"""Areas as text, such as ``"20 um2"``: read, written in one way, turned into pixels."""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from fractions import Fraction
from typing import NamedTuple

MICRONS, PIXELS, PERCENT = "um2", "px", "%"
UNITS = {
    MICRONS: "um²",
    PIXELS: "px",
    PERCENT: "%",
}  # as a config has them, and as people read them
UNITS_IN_WORDS = f"{MICRONS}, {PIXELS} or {PERCENT}"

_EXAMPLES = "as in '20 um2', '80 px' or '10 %'"
BOUNDS_IN_WORDS = f"two bounds in {PIXELS}, as in '20 to 300 {PIXELS}'"
_LONGEST = 50  # characters of a number, which any float has room in
_NUMBER = (
    # Fractions of numbers with longer exponents would fill the memory
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3}(?![0-9]))?"
    r"|[+-]?(?:nan|inf)\b)"
)
_TEXT = re.compile(rf"\s*{_NUMBER}\s*(.*?)\s*", re.DOTALL)
_BOUNDS = re.compile(rf"\s*{_NUMBER}\s*(?:{PIXELS}\s*)?to\s*{_NUMBER}\s*{PIXELS}\s*")
_SAME = Fraction(1, 10**9)  # relative; 80 * 0.2125**2 as Python prints it is not quite 80 pixels
_EXACT = 2**53  # up to there every whole number is a float
_LARGEST = Fraction(sys.float_info.max)


class Quantity(NamedTuple):
    """An area in words: a number, as somebody wrote it, and one of `UNITS`."""

    number: str
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}"

    @property
    def value(self) -> Fraction:
        """The number, exactly."""
        return Fraction(self.number)


class Bounds(NamedTuple):
    """The smallest and the largest area that is meant, both in pixels."""

    low: Quantity
    high: Quantity

    def __str__(self) -> str:
        return f"{self.low.number} to {self.high}"


def has_number(text: str) -> bool:
    """Whether a text begins with a number, so that what follows is meant as its unit."""
    return _TEXT.fullmatch(text) is not None


def parse(text: str) -> Quantity:
    """Read an area with a unit.

    Raises
    ------
    ValueError
        Says what is wrong with it, and which units there are.
    """
    found = _TEXT.fullmatch(text)
    if found is None or len(found[1]) > _LONGEST:
        raise ValueError(f"{text!r:.80} is no number with a unit, {_EXAMPLES}")
    number, unit = found.groups()
    # one letter for the two micro signs, 2 for ²
    plain = unicodedata.normalize("NFKC", unit).replace("\u03bc", "u").replace("um^2", MICRONS)
    if plain not in UNITS:
        problem = f"has the unit {unit!r:.60}" if unit else "has no unit"
        raise ValueError(f"{text!r:.80} {problem}; units are {UNITS_IN_WORDS}, {_EXAMPLES}")
    if not abs(float(number)) <= sys.float_info.max:
        raise ValueError(f"{text!r:.80} is not finite; give a finite number, {_EXAMPLES}")
    quantity = Quantity(number, plain)
    if quantity.value < 0:
        raise ValueError(f"{text!r:.80} is below 0; give an area from 0, {_EXAMPLES}")
    if plain == PERCENT and quantity.value > 100:
        raise ValueError(f"{text!r:.80} is no percentile; give one from 0 % to 100 %")
    return quantity


def parse_bounds(text: str) -> Bounds:
    """Read two bounds in pixels.

    Raises
    ------
    ValueError
        Says what is wrong with them.
    """
    found = _BOUNDS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r:.80} is neither a number nor {BOUNDS_IN_WORDS}")
    low, high = (parse(f"{number} {PIXELS}") for number in found.groups())
    if low.value > high.value:
        raise ValueError(f"{text!r:.80} has the larger bound first: no cell could be between them")
    return Bounds(low, high)


def read(setting: float | str, low_is_percentile: bool = False) -> Quantity | None:
    """An area threshold of a `FilterConfig` as number and unit; None for a word, such as "median".

    `low_is_percentile` tells that a number up to 100 is a percentile, as of `min_area`.
    """
    if isinstance(setting, str):
        return parse(setting) if has_number(setting) else None
    low = low_is_percentile and setting <= 100
    return Quantity(repr(setting), PERCENT if low else PIXELS)


def pixel_area(size: float | None, *scales: Fraction | int) -> Fraction | None:
    """The area of a pixel in um^2, exactly as its side in um is written; None for None.

    `scales` are the factors, one an axis, by which the pixels that are meant are larger.
    """
    return None if size is None else Fraction(repr(size)) ** 2 * math.prod(scales)


def in_pixels(quantity: Quantity, pixel_area: Fraction) -> Quantity:
    """An area in um^2 in pixels of so many um^2: a whole number where it is as good as one.

    Areas of regions are whole numbers, so rounding any other to a float decides nothing.
    """
    exact = quantity.value / pixel_area
    whole = round(exact)
    if whole <= _EXACT and abs(exact - whole) <= _SAME * exact:
        return Quantity(str(whole), PIXELS)
    return Quantity(repr(float(min(exact, _LARGEST))), PIXELS)


def of_pixels(area: float) -> Quantity:
    """An area in pixels, of which the number reads as this float again.

    One beyond what can be written, below 0 or infinite, decides as the nearest that can.
    """
    return Quantity(repr(min(max(0.0, area), sys.float_info.max)).removesuffix(".0"), PIXELS)
