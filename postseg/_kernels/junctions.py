"""Lattice points at which more than two borders meet, and which diagonal pixels are joined there.

The *lattice* point (y, x) is the upper left corner of the pixel (y, x); an edge between two of
them is a *border* where the pixels on its sides have different labels. What lies outside of the
image is a label of its own, and so is the background.

- A *node* is where three or four borders meet; so are the four corners of the image, which keeps
  its sides, and those of tiles, in place.
- A *joined saddle* is where four borders meet but the two pixels on a diagonal, which have one
  label, are taken as one. It is no node for anyone. Where both diagonals could be joined, the
  smaller label wins; the background is never joined.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import borrowing, compiled, kernel
from postseg._kernels.search import first_stopping_after

NONE, NODE = -1, 0
_OUTSIDE = -1
_NEVER = 2**31 - 1


class Junctions(NamedTuple):
    """Nodes and joined saddles, in raster order.

    Attributes
    ----------
    offsets : (H + 2,) int64
        Those of the lattice row y are ``offsets[y]:offsets[y + 1]``.
    x : (n,) int32
        Lattice columns.
    winner : (n,) int64
        The label that is joined there, `NODE` of a node.
    """

    offsets: NDArray[np.int64]
    x: NDArray[np.int32]
    winner: NDArray[np.int64]


@kernel
def find_junctions(first, last, shape, rows, start, stop, label, join):
    """Find those of the lattice rows ``first:last``, with saddles if `join`, else without.

    Row r of the image has the runs ``rows[r]:rows[r + 1]``. Returns how many each lattice row has
    (int64), their x (int32) and winner (int64).
    """
    height, width = shape
    counts = np.zeros(last - first, np.int64)
    xs = np.empty(64, np.int32)
    winners = np.empty(64, np.int64)
    n = 0
    for y in range(first, last):
        above, above_end = (rows[y - 1], rows[y]) if y > 0 else (0, 0)
        below, below_end = (rows[y], rows[y + 1]) if y < height else (0, 0)
        # labels left of the lattice point x, and where they end
        up, down = _OUTSIDE, _OUTSIDE
        up_stop = 0 if y > 0 else width
        down_stop = 0 if y < height else width
        x = 0
        while True:
            next_up, next_down = up, down
            if x == up_stop:
                next_up, up_stop, above = _piece(x, width, above, above_end, start, stop, label)
            if x == down_stop:
                next_down, down_stop, below = _piece(x, width, below, below_end, start, stop, label)
            n_borders = 0 + (up != next_up) + (down != next_down)
            n_borders += (up != down) + (next_up != next_down)
            at_corner = (x == 0 or x == width) and (y == 0 or y == height)
            if n_borders > 2 or at_corner:
                if n == xs.size:
                    xs, winners = grown(xs), grown(winners)
                xs[n] = x
                winners[n] = NODE
                if join and n_borders == 4:
                    if up > 0 and up == next_down:
                        winners[n] = up
                    if down > 0 and down == next_up and (winners[n] == NODE or down < up):
                        winners[n] = down
                n += 1
                counts[y - first] += 1
            if x == width:
                break
            up, down = next_up, next_down
            x = min(up_stop, down_stop)
    return counts, xs[:n], winners[:n]


@borrowing
def _piece(x, width, run, end, start, stop, label):
    """The label of what begins at column `x` of a row, where that ends, and the next run."""
    if x == width:
        return _OUTSIDE, _NEVER, run
    if run < end and start[run] == x:
        return label[run], stop[run], run + 1
    return 0, start[run] if run < end else width, run


@compiled
def grown(array):
    """A copy with room for twice as much."""
    more = np.empty(2 * array.size, array.dtype)
    more[: array.size] = array
    return more


@borrowing
def joined_at(junctions, y, x):
    """Which label is joined at a lattice point, `NODE` at a node, `NONE` at any other."""
    i = first_stopping_after(junctions.x, junctions.offsets[y], junctions.offsets[y + 1], x - 1)
    if i < junctions.offsets[y + 1] and junctions.x[i] == x:
        return junctions.winner[i]
    return NONE
