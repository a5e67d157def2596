"""What people run today, each doing its own version of a postseg step."""

import cv2
import numpy as np
import rasterio.features
from scipy.ndimage import find_objects
from shapely import Polygon
from skimage.measure import find_contours, label, regionprops, regionprops_table

INTENSITIES = tuple(f"intensity_{of}" for of in ("mean", "std", "min", "max"))
SIX = ("label", "area", "eccentricity", "perimeter", "solidity", "extent")


def scikit_image_table(masks):
    """The six properties alone: no filter, no relabelling, no split into regions."""
    return regionprops_table(masks, properties=SIX)


def scikit_image_intensities(masks, image):
    """Four intensities of each label."""
    return regionprops_table(masks, image, properties=INTENSITIES)


def spatialdata_polygons(masks):
    """Polygons along the pixel edges, holes cut out."""
    import dask.array as da
    from spatialdata import to_polygons
    from spatialdata.models import Labels2DModel

    return to_polygons(Labels2DModel.parse(da.from_array(masks, chunks=1024), dims=("y", "x")))


def rasterio_polygons(masks):
    """Rings along the pixel edges, as GeoJSON-like dicts: no shapely polygons yet."""
    return list(rasterio.features.shapes(masks, mask=masks > 0, connectivity=8))


def opencv_polygons(masks):
    """Outer contours through pixel centres, cell by cell; too short for 1-pixel-wide cells."""
    polygons = []
    for i, box in enumerate(find_objects(masks), 1):
        if box is None:
            continue
        crop = (masks[box] == i).astype(np.uint8)
        contours, _ = cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        ring = max(contours, key=len)[:, 0] + (box[1].start, box[0].start)
        if len(ring) > 2:
            polygons.append(Polygon(ring))
    return polygons


def reference_shapes(masks):
    """The reference algorithm: regionprops, whole-image rebuilds, find_contours cell by cell.

    With the default thresholds, and contours on each cell's padded crop; on the whole image, as
    it is often written, the cost is that of cells times pixels.
    """
    image = label(masks, connectivity=2)
    regions = regionprops(image)
    smallest = max(50, np.median([region.area for region in regions]) / 2)
    polygons = []
    for region in regions:
        if region.area >= smallest and 1 - region.solidity <= 0.2:
            contours = find_contours(np.pad(region.image, 1), 0.5, fully_connected="high")
            ring = max(contours, key=len)[:, ::-1] + np.array(region.bbox[1::-1]) - 1
            polygons.append(Polygon(ring * (1, -1)))
    return polygons
