"""The slow, obvious way: what postseg must equal, by scikit-image, one region after another.

Nothing here imports postseg, so an agreement of the two is evidence. Masks are 2-D arrays of
nonnegative integers (or booleans) of any dtype and memory order.
"""

from fractions import Fraction
from math import floor

import numpy as np
import pandas as pd
from scipy.ndimage import find_objects
from shapely import Polygon
from skimage.measure import find_contours, label, regionprops_table
from skimage.transform import resize

REASONS = (
    "cut_by_border",
    "tiny_artifacts",
    "too_small",
    "too_large",
    "area_outliers",
    "too_eccentric",
    "too_convex",
    "too_concave",
    "too_sparse",
    "too_rectangular",
    "low_compactness",
    "high_convexity_deficit",
    "irregular_perimeter",
)


def regions(masks):
    """8-connected components of equal nonzero value in raster order, and the label of each.

    scikit-image labels the positions in the sorted ids, since an id may be as large as 2^63 - 1.
    """
    with_zero = np.concatenate([np.zeros(1, masks.dtype), masks.ravel()])
    ids, positions = np.unique(with_zero, return_inverse=True)
    image = label(positions[1:].reshape(masks.shape), connectivity=2).astype(np.int32)
    first_pixels = np.unique(image[image > 0], return_index=True)[1]
    return image, ids[positions[1:]][image.ravel() > 0][first_pixels]


def metrics(masks):
    """The columns of `measure_regions`, by `regionprops`; the derived ones by their formulas."""
    image, source_labels = regions(masks)
    direct = ["area", "area_convex", "eccentricity", "perimeter", "solidity", "extent"]
    table = regionprops_table(image, properties=[*direct, "bbox", "centroid"])
    found = pd.DataFrame({name: table[name] for name in direct})
    found.insert(0, "source_label", source_labels)
    with np.errstate(divide="ignore"):
        compactness = 4 * np.pi * found["area"] / found["perimeter"] ** 2
    found["compactness"] = compactness.where(found["perimeter"] > 0)
    found["convexity_deficit"] = 1 - found["solidity"]
    found["perimeter_area_ratio"] = found["perimeter"] / np.sqrt(found["area"])
    for i, name in enumerate(["min_row", "min_col", "max_row", "max_col"]):
        found[name] = table[f"bbox-{i}"]
    found["centroid_row"], found["centroid_col"] = table["centroid-0"], table["centroid-1"]
    height, width = masks.shape
    found["touches_border"] = (
        (found["min_row"] == 0)
        | (found["min_col"] == 0)
        | (found["max_row"] == height)
        | (found["max_col"] == width)
    )
    return found.set_axis(pd.RangeIndex(1, len(found) + 1, name="region"))


def smallest_area(areas, min_area):
    """What `min_area` asks for, in pixels: a median, a percentile up to 100, or pixels above."""
    if min_area is None or not areas.size:
        return None
    if min_area == "median":
        return np.median(areas)
    if min_area == "median_div2":
        return np.median(areas) / 2
    return np.percentile(areas, min_area) if min_area <= 100 else min_area


def failures(
    found,
    *,
    max_eccentricity=None,
    min_area="median_div2",
    min_absolute_area=50,
    max_area=None,
    min_solidity=None,
    max_solidity=None,
    min_extent=None,
    max_extent=None,
    min_compactness=None,
    max_convexity_deficit=0.20,
    max_perimeter_area_ratio=None,
    area_std_filter=None,
    border="judge",
):
    """Why each region of `metrics` is rejected: one boolean column a reason, in test order."""

    def below(metric, bound):
        return found[metric] < (-np.inf if bound is None else bound)

    def above(metric, bound):
        return found[metric] > (np.inf if bound is None else bound)

    areas, low, high = found["area"].to_numpy(), None, None
    if area_std_filter is not None and areas.size:
        low = areas.mean() - area_std_filter * areas.std()
        high = areas.mean() + area_std_filter * areas.std()
    on_border = found["touches_border"].astype(bool)
    failed = [
        below("area", min_absolute_area),
        below("area", smallest_area(areas, min_area)),
        above("area", max_area),
        below("area", low) | above("area", high),
        above("eccentricity", max_eccentricity),
        above("solidity", max_solidity),
        below("solidity", min_solidity),
        below("extent", min_extent),
        above("extent", max_extent),
        below("compactness", min_compactness),
        above("convexity_deficit", max_convexity_deficit),
        above("perimeter_area_ratio", max_perimeter_area_ratio),
    ]
    if border == "keep":
        failed = [column & ~on_border for column in failed]
    failed.insert(0, on_border & (border == "drop"))
    return pd.DataFrame(dict(zip(REASONS, failed, strict=True)), index=found.index)


def filter(masks, found=None, **thresholds):
    """The survivors, numbered in region order, and how many regions each test rejected first.

    `found` spares the measuring where one image is filtered many times.
    """
    image, _ = regions(masks)
    failed = failures(metrics(masks) if found is None else found, **thresholds)
    kept = ~failed.any(axis=1).to_numpy()
    new_labels = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)]).astype(np.int32)
    first = failed[~kept].idxmax(axis=1)
    return new_labels[image], {reason: int((first == reason).sum()) for reason in REASONS}


def outline(mask):
    """The outer contour of one region as a closed ring of (x, y), on a background on all sides."""
    contours = find_contours(np.pad(mask, 1).astype(float), 0.5, fully_connected="high")
    return max(contours, key=lambda contour: Polygon(contour).area)[:, ::-1] - 1


def outlines(masks, factor=1):
    """Map each label, in order, to its scaled outline.

    A label in several parts gives that of the longest, the first of equals. As long as a contour
    has vertices, which is one per pixel edge, as ``max(find_contours(...), key=len)`` has it.
    """
    image, source_labels = regions(masks)
    rings = {}
    for region, (rows, columns) in enumerate(find_objects(image), start=1):
        ring = outline(image[rows, columns] == region) + np.array([columns.start, rows.start])
        source = int(source_labels[region - 1])
        if source not in rings or len(ring) > len(rings[source]):
            rings[source] = ring
    return {source: rings[source] * (factor or 1) for source in sorted(rings)}


def shapes(masks, factor=1):
    """Map each label to its outline with y mirrored, all shifted so that no y is below 0."""
    mirrored = {source: ring * (1, -1) for source, ring in outlines(masks, factor).items()}
    lowest = min((ring[:, 1].min() for ring in mirrored.values()), default=0)
    return {source: ring - (0, min(lowest, 0)) for source, ring in mirrored.items()}


def resize_exactly(masks, shape):
    """Nearest neighbour, in fractions: each pixel shows the one that its centre lies in."""
    rows, columns = (
        [floor((pixel + Fraction(1, 2)) * n / m) for pixel in range(m)]
        for n, m in zip(masks.shape, shape, strict=True)
    )
    return np.array([[masks[row, column] for column in columns] for row in rows])


def enlarge(masks, factor=1):
    """Nearest-neighbour enlargement by `resize`, of positions in the sorted ids: see `regions`."""
    ids, positions = np.unique(masks, return_inverse=True)
    enlarged = resize(
        positions.reshape(masks.shape),
        [side * (factor or 1) for side in masks.shape],
        order=0,
        preserve_range=True,
        anti_aliasing=False,
    )
    return ids[np.rint(enlarged).astype(np.intp)]
