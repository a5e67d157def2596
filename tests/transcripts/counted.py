"""Points that tell how often they were read, and that may fail halfway."""

import threading

import dask.dataframe as dd
import numpy as np


class Source:
    """A frame of several partitions, which notes each that is read, in `reads`.

    `frame` is the dask frame to hand over. `trouble` is raised instead of a read of partition `at`.
    """

    def __init__(self, points, partitions=4, trouble=None, at=2):
        self.parts = [
            points.iloc[rows] for rows in np.array_split(np.arange(len(points)), partitions)
        ]
        self.reads, self.trouble, self.at = [], trouble, at
        self.lock = threading.Lock()
        self.frame = dd.from_map(self.read, range(partitions), meta=points.iloc[:0])

    def read(self, number):
        with self.lock:
            self.reads.append(number)
        if self.trouble is not None and number == self.at:
            raise self.trouble
        return self.parts[number]

    def __dask_tokenize__(self):
        return type(self).__name__, id(self)  # not by its content, which has a lock
