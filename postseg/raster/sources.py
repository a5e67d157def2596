"""Which files a lazy image is read from, so that no output takes their place."""

from __future__ import annotations

import gc
import os
from os import PathLike
from types import FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from postseg.raster.label_image import is_lazy

_LONGEST = 4096  # characters of a path
_NOTHING_IN_IT = (bool, int, float, complex, bytes, type, ModuleType, FrameType)
_MACHINERY = ("asyncio", "logging", "numba")  # whose objects lead everywhere


def files_behind(*images: Any) -> list[str]:
    """Find the paths in all that images, and the dask graphs in them, hold.

    They are the files of memory maps, the folders of Zarr arrays and the arguments of tasks that
    read, be it by whatever library. Other text counts where there is a file of that name: whoever
    asks looks for a certain path among them.

    Parameters
    ----------
    *images
        Arrays or None; nothing is read or computed.

    Returns
    -------
    list of str
        Files and folders that exist, each once.
    """
    found: dict[str, None] = {}
    seen: set[int] = set()
    todo = list(images)
    while todo:
        thing = todo.pop()
        if thing is None or isinstance(thing, _NOTHING_IN_IT) or id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, str | PathLike):
            text = str(os.fspath(thing)).removeprefix("file://")
            if 0 < len(text) <= _LONGEST and "\0" not in text:
                found[text] = None
        elif isinstance(thing, np.ndarray):  # a view of a memory map holds it as its base
            todo += [thing.base, getattr(thing, "filename", None)]
        elif is_lazy(thing):
            todo.append(thing.dask)
        elif isinstance(thing, FunctionType):  # without the module that it is from
            todo += [thing.__closure__, thing.__defaults__, thing.__kwdefaults__]
        elif type(thing).__module__.split(".")[0] not in _MACHINERY:
            todo += gc.get_referents(thing)
    return [text for text in found if os.path.exists(text)]
