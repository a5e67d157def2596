"""The look of each reason: a colour and a pattern.

Colour names the family of a reason (size, elongation, solidity, boundary), a pattern tells the
reasons of one family apart. The five bold colours are among Paul Tol's for colour-blind readers;
they differ in lightness too, for greyscale, and all are darker than the pale ones of survivors.
"""

from collections.abc import Iterable
from itertools import cycle, product

_INDIGO, _TEAL, _GREEN, _MAGENTA, _YELLOW = "332288", "44AA99", "117733", "EE3377", "DDAA33"
PLAIN, DIAGONAL, LINES, CHECKS = range(4)
STYLES = {
    "tiny_artifacts": (_INDIGO, PLAIN),
    "too_small": (_YELLOW, PLAIN),
    "too_large": (_YELLOW, DIAGONAL),
    "area_outliers": (_INDIGO, DIAGONAL),
    "too_eccentric": (_GREEN, PLAIN),
    "too_convex": (_MAGENTA, LINES),
    "too_concave": (_MAGENTA, DIAGONAL),
    "too_sparse": (_GREEN, DIAGONAL),
    "too_rectangular": (_GREEN, LINES),
    "low_compactness": (_TEAL, PLAIN),
    "high_convexity_deficit": (_MAGENTA, PLAIN),
    "irregular_perimeter": (_TEAL, DIAGONAL),
}
_SPARE_STYLES = [  # for the reasons of subclasses
    style
    for style in product((_YELLOW, _TEAL, _INDIGO, _GREEN, _MAGENTA), (LINES, CHECKS))
    if style not in STYLES.values()
]
KEPT, OTHER, BEYOND = "BBCCEE", "E6E6E6", "F7F7F7"
PALE = ["BBCCEE", "CCEEFF", "CCDDAA", "D8D0E8", "DDDDDD"]

Style = tuple[str, int]


def styles_of(reasons: Iterable[str]) -> dict[str, Style]:
    """Colour and pattern of each reason that occurs, in the order of the tests."""
    present = set(reasons)
    spare = sorted(present - STYLES.keys() - {""})
    known = {reason: style for reason, style in STYLES.items() if reason in present}
    return known | dict(zip(spare, cycle(_SPARE_STYLES), strict=False))
