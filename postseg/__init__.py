"""postseg: from a cell segmentation label image to filtered, outlined SpatialData elements.

The public names are imported when they are first used, so that ``import postseg`` is fast; which
they are, and where they come from, stands in ``__init__.pyi``.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
