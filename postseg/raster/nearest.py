"""Nearest neighbour in whole numbers: n pixels of a side resized to m, larger or smaller.

Pixel o of the m shows pixel ``((2 o + 1) n) // (2 m)`` of the n: the one that its centre lies in,
and the later of two where it lies between them. So does ``skimage.transform.resize(order=0)``, but
that where a centre lies between two, its rounding errors decide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int]  # rows and columns


def shown(pixels: NDArray[np.int64], n: int, m: int) -> NDArray[np.int64]:
    """Which of the n pixels each of these of the m shows."""
    return (2 * pixels + 1) * n // (2 * m)


def first_showing(pixels: NDArray[np.int64], n: int, m: int) -> NDArray[np.int64]:
    """The first of the m that shows each of these of the n, or a later one; m for pixel n.

    So it is shown by those from its first to that of the next, which are none where m is less.
    """
    return (2 * m * pixels + n - 1) // (2 * n)
