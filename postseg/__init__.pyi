__version__: str

from .files.read import read_label_image as read_label_image
from .filtering.config import FilterConfig as FilterConfig
from .filtering.metrics import measure_regions as measure_regions
from .filtering.report import FilterReport as FilterReport
from .functions import filter_cell_by_regionprops as filter_cell_by_regionprops
from .geometry.outlines import masks_to_polygons as masks_to_polygons
from .processor import PostSegmentation as PostSegmentation
from .tiles.plan import plan_tiles as plan_tiles
from .tiles.slide import Slide as Slide
from .tiles.slide import merge_tiles as merge_tiles
from .verify.verification import verify_store as verify_store
