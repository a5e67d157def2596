"""Fewer cases of tests that take long, chosen by rule."""

import os
from itertools import product

ALL = "POSTSEG_EXAMPLES" in os.environ


def some(cases, n):
    """Choose `n` of the cases, spread evenly with the first and the last; all in the full suite.

    For parameters of a test whose cases walk the same code, and each of which is expensive. With
    the environment variable ``POSTSEG_EXAMPLES``, whatever its value, all cases are run.
    """
    cases = list(cases)
    if ALL or n >= len(cases):
        return cases
    if n == 1:
        return cases[:1]
    return [cases[i * (len(cases) - 1) // (n - 1)] for i in range(n)]


def pairs(one, other):
    """Each case with one of the others, in turn, so that all are met; in the full suite all pairs.

    For two parameters of a test of which the code knows one at a time.
    """
    one, other = list(one), list(other)
    if ALL or not one:
        return [*product(one, other)]
    n = max(len(one), len(other))
    return [(one[i % len(one)], other[i % len(other)]) for i in range(n)]


def share(count):
    """A third of so many examples that are drawn; all in the full suite."""
    return count if ALL else count // 3
