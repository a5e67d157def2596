"""The look of each reason: a colour and a pattern.

Colour names the family of a reason, a pattern tells the reasons of one family apart: both as in the
table of tests. The five bold colours are among Paul Tol's for colour-blind readers;
they differ in lightness too, for greyscale, and all are darker than the pale ones of survivors.
"""

from collections.abc import Iterable
from itertools import cycle, product

from postseg.filtering.criteria import BORDER, TESTS

_INDIGO, _TEAL, _GREEN, _MAGENTA, _YELLOW = "332288", "44AA99", "117733", "EE3377", "DDAA33"
PLAIN, DIAGONAL, LINES, CHECKS = range(4)
_COLOURS = {
    "debris": _INDIGO,
    "size": _YELLOW,
    "elongation": _GREEN,
    "solidity": _MAGENTA,
    "boundary": _TEAL,
}
_PATTERNS = {"plain": PLAIN, "diagonal": DIAGONAL, "lines": LINES}
STYLES = {
    test.reason: (_COLOURS[test.family], _PATTERNS[test.pattern]) for test in (BORDER, *TESTS)
}
_SPARE_STYLES = [  # for the reasons of subclasses
    style
    for style in product((_YELLOW, _TEAL, _INDIGO, _GREEN, _MAGENTA), (LINES, CHECKS))
    if style not in STYLES.values()
]
# Shares from none to all: ever darker, and of other hues, so that a paler one is not a lower one.
SHARES = ("EDD9A3", "F6A97A", "FA7876", "EA4F88", "C0369D", "872CA2", "4B2991")
KEPT, OTHER, BEYOND = "BBCCEE", "E6E6E6", "F7F7F7"
PALE = ["BBCCEE", "CCEEFF", "CCDDAA", "D8D0E8", "DDDDDD"]

Style = tuple[str, int]


def styles_of(reasons: Iterable[str], more: Iterable[str] = ()) -> dict[str, Style]:
    """Colour and pattern of each reason that occurs, in the order of the tests.

    Where there are `more`, they come last, and leave to the others the looks that those have.
    """
    present = set(reasons)
    spare = [*sorted(present - STYLES.keys() - {""}), *more]
    known = {reason: style for reason, style in STYLES.items() if reason in present}
    return known | dict(zip(spare, cycle(_SPARE_STYLES), strict=False))
