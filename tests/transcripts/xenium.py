"""A small slide like those of Xenium: masks, points in micrometres, every kind of name.

The points have all that is known to trip up a count: controls of every class, genes that only look
like controls, low, missing and null qualities and names, points outside, in the background, in
debris, exactly on the edges of pixels, and without a place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PIXEL_SIZE = 0.2125  # um
UM = 1 / PIXEL_SIZE  # pixels: 4.70588
GENES = (
    *("ACTA2", "CD3E", "EPCAM", "KRT8", "MKI67", "PTPRC", "VIM"),
    # for a pattern that is not anchored, too broad, or blind to case, these are controls
    *("NANOG", "NEGR1", "Negr1", "ANTXR1", "antisensei", "Blank1", "Negative", "MyBLANK_1"),
)
UNUSED = ("ZZZ3", "AAMP")  # of the panel, but never seen
CONTROLS = {
    "control_probe": ("NegControlProbe_00042", "antisense_PROKKA_1", "NegPrb1", "Negative3"),
    "control_codeword": ("NegControlCodeword_0500", "SystemControl12", "FalseCode7"),
    "unassigned_codeword": ("UnassignedCodeword_0001", "BLANK_0006", "Blank-1"),
    "deprecated_codeword": ("DeprecatedCodeword_0100",),
    "genomic_control": ("Intergenic_Region_1",),
}
PANEL = (*GENES, *UNUSED, *(name for names in CONTROLS.values() for name in names))
_AS_XENIUM = {"x": "x_location", "y": "y_location", "z": "z_location"}


class Slide(NamedTuple):
    """`masks`, (H, W) int32, and `points`, columns as a points element has them, x and y in um."""

    masks: np.ndarray
    points: pd.DataFrame

    @property
    def frame(self):
        """The points with Xenium's names of columns, names as text, None where there is none."""
        frame = self.points.rename(columns=_AS_XENIUM)
        frame["feature_name"] = _text(frame["feature_name"])
        return frame

    @property
    def frame_of_bytes(self):
        """The same with names and ids as bytes, as older versions of Xenium wrote them."""
        frame = self.frame
        for column in ("feature_name", "cell_id"):
            values = [None if text is None else text.encode() for text in frame[column]]
            frame[column] = pd.Series(values, frame.index, object)
        return frame

    def write_parquet(self, path, row_groups=7):
        """Write them as Xenium's transcripts.parquet, in several row groups."""
        pq.write_table(
            pa.Table.from_pandas(self.frame, preserve_index=False),
            path,
            row_group_size=-(-len(self.points) // row_groups),
        )
        return path

    def spatialdata(self, partitions=3):
        """Make the object: "cell_labels", "morphology" in pixels, "transcripts" in um."""
        import dask.dataframe as dd
        import spatialdata as sd
        from spatialdata.models import Image2DModel, Labels2DModel, PointsModel
        from spatialdata.transformations import Identity, Scale

        in_pixels = {"global": Identity()}
        labels = Labels2DModel.parse(self.masks, dims=("y", "x"), transformations=in_pixels)
        image = Image2DModel.parse(
            np.zeros((1, *self.masks.shape), np.uint8),
            dims=("c", "y", "x"),
            transformations=in_pixels,
        )
        points = PointsModel.parse(
            dd.from_pandas(self.points, npartitions=partitions, sort=False),
            feature_key="feature_name",
            transformations={"global": Scale([UM, UM], ("x", "y"))},
        )
        return sd.SpatialData(
            labels={"cell_labels": labels},
            images={"morphology": image},
            points={"transcripts": points},
        )


def make(shape=(300, 400), cells=60, n=20_000, seed=0):
    """Make a slide; the same for the same arguments."""
    chance = np.random.default_rng(seed)
    masks = make_masks(shape, cells, chance)
    return Slide(masks, make_points(masks, n, chance))


def make_masks(shape, cells, chance):
    """Cells on a jittered grid; of ten, one is a half-moon, one a fragment and one debris."""
    masks = np.zeros(shape, np.int32)
    columns = int(np.ceil(np.sqrt(cells * shape[1] / shape[0])))
    rows = -(-cells // columns)
    step = np.array(shape) / (rows, columns)
    y, x = np.ogrid[: shape[0], : shape[1]]
    ids = chance.permutation(np.arange(1, 3 * cells))[:cells]  # with gaps, in no order
    for i, label in enumerate(ids):
        centre = (np.array(divmod(i, columns)) + 0.5) * step + chance.uniform(-2, 2, 2)
        radius = chance.uniform(0.3, 0.42) * step.min()
        kind = i % 10
        radius *= {7: 0.5, 8: 0.2}.get(kind, 1)
        cell = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
        if kind == 9:
            bite = 0.65 * radius
            cell &= (y - centre[0]) ** 2 + (x - centre[1] - bite) ** 2 > bite**2
        masks[cell] = label
    return masks


def make_points(masks, n, chance):
    """Draw points over the masks and some way beyond; see the module."""
    height, width = masks.shape
    u, v = chance.uniform(-0.03, 1.03, (2, n)) * [[width], [height]]
    edges = chance.random(n) < 0.05
    u[edges], v[edges] = np.round(u[edges]), np.round(v[edges])
    x, y = u * PIXEL_SIZE, v * PIXEL_SIZE
    odd = chance.permutation(n)[:12]
    x[odd], y[odd] = np.array(
        [
            *[(0.0, 5.0), (-0.0, 5.0), (5.0, -0.0), (-0.0, -0.0), (-5e-324, 5.0)],
            *[(np.nan, 5.0), (5.0, np.nan), (np.inf, 5.0), (5.0, -np.inf), (np.nan, np.inf)],
            *[(1e300, 5.0), (5.0, -1e300)],
        ]
    ).T
    controls = [name for names in CONTROLS.values() for name in names]
    names = np.where(chance.random(n) < 0.12, chance.choice(controls, n), chance.choice(GENES, n))
    names = pd.Series(pd.Categorical(names, categories=chance.permutation(PANEL)))
    names[chance.random(n) < 0.01] = np.nan
    qv = np.round(chance.choice([40.0, 30.0, 10.0], n, p=[0.6, 0.2, 0.2]) + chance.random(n), 2)
    qv[chance.random(n) < 0.02] = 20.0  # neither more nor less
    qv[chance.random(n) < 0.01] = np.nan
    with np.errstate(invalid="ignore"):
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    found = np.zeros(n, int)
    found[inside] = masks[v[inside].astype(int), u[inside].astype(int)]
    return pd.DataFrame(
        {
            "x": x,
            "y": y,
            "z": chance.uniform(10, 30, n).astype(np.float32),
            "feature_name": names,
            "qv": qv,
            "cell_id": np.array([f"cell-{k}" if k else "UNASSIGNED" for k in found], object),
            "overlaps_nucleus": (found > 0) & (chance.random(n) < 0.4),
            "transcript_id": np.arange(n, dtype=np.uint64) + 281_474_976_710_656,
        }
    )


def _text(names):
    return names.astype(object).where(names.notna(), None)
