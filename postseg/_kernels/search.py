"""Search among sorted runs."""

from postseg._kernels import borrowing


@borrowing
def first_stopping_after(stop, low, high, column):
    """Index of the first run of ``low:high`` whose stop exceeds `column`, or `high`.

    Or the first whose row exceeds a row.
    """
    while low < high:
        middle = (low + high) // 2
        if stop[middle] > column:
            high = middle
        else:
            low = middle + 1
    return low
