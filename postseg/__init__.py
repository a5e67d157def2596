"""postseg: from a cell segmentation label image to filtered, outlined SpatialData elements.

The names below are imported when they are first used, so that ``import postseg`` is fast.
"""

from typing import TYPE_CHECKING

import lazy_loader

__version__ = "0.1.0"

if TYPE_CHECKING:
    from postseg.config import FilterConfig
    from postseg.filtering import filter_cell_by_regionprops
    from postseg.metrics import measure_regions
    from postseg.polygons import masks_to_polygons
    from postseg.processor import PostSegmentation
    from postseg.report import FilterReport

__all__ = [
    "FilterConfig",
    "FilterReport",
    "PostSegmentation",
    "filter_cell_by_regionprops",
    "masks_to_polygons",
    "measure_regions",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["FilterConfig"],
        "filtering": ["filter_cell_by_regionprops"],
        "metrics": ["measure_regions"],
        "polygons": ["masks_to_polygons"],
        "processor": ["PostSegmentation"],
        "report": ["FilterReport"],
    },
)
