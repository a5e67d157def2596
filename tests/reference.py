"""The slow, obvious way: what postseg must equal, by scikit-image, one region after another.

Nothing here imports postseg, so an agreement of the two is evidence. Masks are 2-D arrays of
nonnegative integers (or booleans) of any dtype and memory order. Transcripts are looked up and
counted by the rules of their contract, one point after another.
"""

import re
from fractions import Fraction
from math import floor, isfinite
from typing import NamedTuple

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


KINDS = ("gene", "other_gene", "control", "no_gene", "low_quality", "invalid")
CONTROLS = {
    "control_probe": r"NegControlProbe|antisense_|NegPrb|Negative[0-9]",
    "control_codeword": r"NegControlCodeword|SystemControl|FalseCode",
    "unassigned_codeword": r"UnassignedCodeword|BLANK_|Blank-",
    "deprecated_codeword": r"DeprecatedCodeword",
    "genomic_control": r"Intergenic_Region",
}


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


def pixels_shown(n, m):
    """Which of n pixels of a side each of the m shows that they are resized to, in fractions."""
    return [floor((pixel + Fraction(1, 2)) * n / m) for pixel in range(m)]


def resize_exactly(masks, shape):
    """Nearest neighbour, in fractions: each pixel shows the one that its centre lies in."""
    rows, columns = map(pixels_shown, masks.shape, shape)
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


def find_pixels(x, y, matrix, mask_shape, shape):
    """The mask pixel (row, column) of each point, None of one outside: no rounding, no epsilon.

    The matrix leads from (x, y) to full-resolution pixels of the masks, `shape` is theirs. A point
    without a place (NaN, infinite) is outside of everything.
    """
    (a, b, c), (d, e, f) = np.asarray(matrix, float)[:2].tolist()
    rows, columns = map(pixels_shown, mask_shape, shape)
    found = []
    for one_x, one_y in zip(map(float, x), map(float, y), strict=True):
        u, v = a * one_x + b * one_y + c, d * one_x + e * one_y + f
        inside = 0 <= u < shape[1] and 0 <= v < shape[0]
        found.append((rows[int(v)], columns[int(u)]) if inside else None)
    return found


def control_class(name, is_gene=None, controls=CONTROLS):
    """The class of control that a name is of, None of a gene; `is_gene` decides where it is told.

    The first pattern that matches at the start, of those given by class; "other_control" where
    only `is_gene` tells that it is one.
    """
    classes = (known for known, pattern in controls.items() if re.match(pattern, name))
    matched = next(classes, None)
    if is_gene is None:
        return matched
    return None if is_gene else matched or "other_control"


def kind_of(x, y, name, qv=None, *, min_qv=20, is_gene=None, genes=None, controls=CONTROLS):
    """What a point is, the first that applies; `qv` is None without a column of qualities."""
    if not (isfinite(x) and isfinite(y)):
        return "invalid"
    if min_qv is not None and qv is not None and not qv >= min_qv:
        return "low_quality"
    if name is None or name == "":
        return "no_gene"
    if control_class(name, is_gene, controls) is not None:
        return "control"
    if genes is not None and name not in genes:
        return "other_gene"
    return "gene"


class Counted(NamedTuple):
    """Points in their places.

    `ledger`: place x kind. `X`, `obs`, `var`: cells x genes, dense, and what is summed of it, by
    label and by gene. `label`, `region`: of each point, 0 = none. `in_regions`: points of kind gene
    in each region; `n_transcripts`: those anywhere within the image.
    """

    ledger: pd.DataFrame
    X: np.ndarray
    obs: pd.DataFrame
    var: pd.DataFrame
    label: np.ndarray
    region: np.ndarray
    in_regions: np.ndarray
    n_transcripts: int


def gene_columns(points, genes, controls):
    """The columns of the table: the genes asked for, or all names known or seen that are genes.

    With a column `is_gene` a name is one where any point says so, whatever its quality; the names
    that decide nothing, as categories without a point, are judged by the patterns.
    """
    if genes is not None:
        return list(genes)
    said = {}
    for name, is_gene in zip(
        points["gene"], points.get("is_gene", [None] * len(points)), strict=True
    ):
        if not pd.isna(name):
            said.setdefault(name, set()).add(None if pd.isna(is_gene) else bool(is_gene))
    if isinstance(points["gene"].dtype, pd.CategoricalDtype):
        for name in points["gene"].cat.categories:
            said.setdefault(name, {None})
    return sorted(
        name
        for name, words in said.items()
        if name and any(control_class(name, word, controls) is None for word in words)
    )


def count_points(
    masks,
    decided,
    reasons,
    points,
    *,
    matrix=None,
    shape=None,
    min_qv=20,
    genes=None,
    controls=CONTROLS,
):
    """Count points in cells, and say where every other one lies.

    Parameters
    ----------
    masks : (H, W) array
        As they were assigned; with `decided` None the filtered ones, whose labels are looked up.
    decided : DataFrame or None
        What the filter made of the regions: ``label`` (0 = rejected) and ``reason`` by number.
    reasons : iterable of str
        In the order of the report.
    points : DataFrame
        Columns x, y and gene, text; and qv and is_gene where there are such.
    matrix : (3, 3) array, optional
        From (x, y) to full-resolution pixels of the masks.
    shape : (int, int), optional
        Rows and columns at full resolution.
    min_qv, genes, controls
        As for `kind_of`.
    """
    matrix, shape = np.eye(3) if matrix is None else matrix, shape or masks.shape
    if decided is None:
        image, labels = masks, {cell: cell for cell in sorted({*masks[masks > 0].tolist()})}
        places = ["in_cells", "background_or_rejected", "outside", "invalid"]
        place_of = dict.fromkeys(labels, "in_cells") | {0: "background_or_rejected"}
    else:
        image, labels = regions(masks)[0], decided["label"].to_dict()
        rejected = [f"rejected_{reason}" for reason in reasons]
        places = ["in_cells", *rejected, "background", "outside", "invalid"]
        place_of = {0: "background"} | {
            region: f"rejected_{reason}" if reason else "in_cells"
            for region, reason in decided["reason"].items()
        }

    each = []
    pixels = find_pixels(points["x"], points["y"], matrix, masks.shape, shape)
    for pixel, point in zip(pixels, points.to_dict("records"), strict=True):
        name = None if pd.isna(point["gene"]) else point["gene"]
        is_gene, qv = point.get("is_gene"), point.get("qv")
        is_gene = None if pd.isna(is_gene) else is_gene
        qv = float("nan") if "qv" in point and pd.isna(qv) else qv
        settings = {"min_qv": min_qv, "is_gene": is_gene, "genes": genes, "controls": controls}
        kind = kind_of(point["x"], point["y"], name, qv, **settings)
        region = 0 if pixel is None else int(image[pixel])
        place = place_of[region] if pixel is not None else "outside"
        place = "invalid" if kind == "invalid" else place
        group = control_class(name, is_gene, controls) if kind == "control" else None
        group = group if group is None or group in CONTROLS else "other_control"
        each.append((kind, place, labels.get(region, 0), region, name, group))
    each = pd.DataFrame(each, columns=["kind", "place", "label", "region", "name", "group"])

    def tally(rows, index, columns):
        found = dict.fromkeys(((i, j) for i in index[1] for j in columns[1]), 0)
        for pair in zip(rows[index[0]], rows[columns[0]], strict=True):
            if pair in found:
                found[pair] += 1
        numbers = [[found[i, j] for j in columns[1]] for i in index[1]]
        return np.array(numbers, np.int64).reshape(len(index[1]), len(columns[1]))

    counted = each[each["kind"] == "gene"]
    cells = ("label", sorted(label for label in labels.values() if label))
    columns = gene_columns(points, genes, controls)
    table = tally(counted, cells, ("name", columns))
    groups = [*CONTROLS, *(["other_control"] if "other_control" in set(each["group"]) else [])]
    of_groups = tally(each, cells, ("group", groups))
    obs = pd.DataFrame({"transcript_counts": table.sum(axis=1)}, index=cells[1])
    obs[[f"{group}_counts" for group in groups]] = of_groups
    obs["total_counts"] = table.sum(axis=1) + of_groups.sum(axis=1)
    obs["n_genes"] = (table > 0).sum(axis=1)
    obs["low_quality_counts"] = tally(each, cells, ("kind", ["low_quality"]))
    everywhere = tally(counted.assign(all=0), ("all", [0]), ("name", columns))[0]
    var = pd.DataFrame(
        {
            "transcript_counts": everywhere,
            "in_cells": table.sum(axis=0),
            "n_cells": (table > 0).sum(axis=0),
        },
        index=columns,
    )
    ledger = tally(each, ("place", places), ("kind", KINDS))
    return Counted(
        pd.DataFrame(ledger, pd.Index(places, name="place"), pd.Index(KINDS, name="kind")),
        table,
        obs,
        var,
        each["label"].to_numpy(int),
        each["region"].to_numpy(int),
        tally(counted, ("region", list(labels)), ("kind", ["gene"]))[:, 0],
        int((counted["place"] != "outside").sum()),
    )
