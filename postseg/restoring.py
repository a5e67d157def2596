"""Restore the masks before the filter: survivors from a store's labels, the rest from its audit."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product, zip_longest
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from anndata.io import read_elem
from numpy.typing import NDArray

from postseg._support.progress import bar_if
from postseg._support.reading import reading
from postseg._support.safe_zarr import checked
from postseg._support.threads import limited
from postseg.elements.audit import KEY, Audit, unpack
from postseg.elements.identity import as_ids
from postseg.elements.pixels import find_labels, open_labels, read_pixels
from postseg.filtering import criteria, nuclei
from postseg.filtering.intensities import intensities_in
from postseg.filtering.metrics import measure
from postseg.filtering.run import TRANSCRIPTS, Measured
from postseg.processor import PostSegmentation
from postseg.raster.images import encode, paint
from postseg.raster.label_image import LabelImage, as_label_image, is_lazy
from postseg.raster.nearest import shown
from postseg.raster.runs import Runs, components
from postseg.transcripts.kinds import GENE
from postseg.transcripts.ledger import IN_CELLS, n_within

_IDS = ("region_number", "label", "source_label")  # columns of the table
_BOX = ["min_row", "min_col", "max_row", "max_col"]
_CUT = "cut"  # of a slide that was tiled
# what a table may tell of regions beside what is measured
_TOLD: dict[str, type] = {_CUT: bool, TRANSCRIPTS: np.int64}
_TOLD |= dict(zip(nuclei.COLUMNS, (np.int64, np.int64, float), strict=True))
_PLACE = ["area", "centroid_row", "centroid_col"]  # tells regions from those of other masks
_MAX_PAINTED = np.iinfo(np.int32).max


def restore(
    path: str | PathLike[str], element: str | None = None, **settings: Any
) -> Restored | None:
    """Bring back the `PostSegmentation` that wrote a store, filtered, as before it wrote.

    It starts from the masks as they were assigned then (with region numbers for labels where
    these do not fit int32), and its `regions` and `filter_config` are those of the filter run, so
    that other thresholds can be tried. So are its `origin` and its `outline`, but not the place of
    a `reference`; and intensities, but not the image that they were measured in.

    Parameters
    ----------
    path : path
        A SpatialData store.
    element : str, optional
        Name of the labels element; may be left out when there is only one.
    **settings
        Other settings of `PostSegmentation`; `verbose` is False if it is not given.

    Returns
    -------
    Restored or None
        None where no table holds an audit of the element.

    Raises
    ------
    OSError
        The store is missing or damaged, or its polygons are of a kind not known here.
    ValueError
        There is no such element, or it is not clear which one is meant; or labels, table and
        audit do not match, as after a change of one of them.
    """
    path = Path(path)
    root, name = find_labels(path, element)
    with reading(path):
        table = _find_table(root, name)
        if table is None:
            return None
        packed = read_elem(checked(root, f"{table}/uns/{KEY}"))
        audit, ledger = unpack(packed), _ledger(packed)
        known = {*_TOLD, *intensities_in(audit.rejected)}
        if ledger is None:
            known.remove(TRANSCRIPTS)
        some = [key for key in audit.rejected if key in known and f"{table}/obs/{key}" in root]
        keys = (*_IDS, *_PLACE, *some)
        columns = {key: read_elem(checked(root, f"{table}/obs/{key}")) for key in keys}
    settings = {
        "factor_rescale": audit.factor_rescale,
        "image_shape": audit.image_shape,
        "origin": audit.origin,
        "pixel_size": audit.pixel_size,
        "outline": audit.outline,
        "filter_config": audit.config,
        "verbose": False,
        **settings,
    }
    post = Restored(None, label_name=name, **settings)
    stored = open_labels(path, root, name)
    labels = read_pixels(path, stored)
    masks = None
    try:
        masks = _at_mask_resolution(labels, audit)
        post.fill(masks, audit, _all_regions(columns, audit), ledger)
    except ValueError as error:
        file = None
        if masks is not None:
            with reading(path):
                columns |= {key: read_elem(checked(root, f"{table}/obs/{key}")) for key in _BOX}
                file = _missing_file(stored, masks, pd.DataFrame(columns))
        if file is not None:
            raise OSError(
                f"{file} is missing, and with it pixels of cells, which read as background. Put "
                "it back from a copy of the store, or report on the original label image instead."
            ) from error
        raise ValueError(
            f"the labels {name!r} of {path} do not match the audit in its table: "
            f"{str(error).rstrip('.')}. Were they changed after postseg wrote them? See `postseg "
            "verify`, or report on the original label image instead of the store."
        ) from error
    return post


class Restored(PostSegmentation):
    """Rejects what a subclass rejected, too: of its tests a store has the outcome only.

    With the thresholds of the store that is exactly what is stored. With others it is an estimate:
    a region that a subclass rejected, or kept, against our tests goes the same way again.

    Attributes
    ----------
    as_stored : tuple of str
        Reasons of the subclass's own, and those of ours whose outcome it changed.
    """

    as_stored: tuple[str, ...] = ()
    _place = pd.DataFrame()  # of the regions that were restored; which of them failed
    _own = pd.DataFrame()  # tests of the subclass's own, a column per reason;
    _spared: NDArray[np.bool_]  # our tests, and were kept from it by the subclass;
    _added: NDArray[np.bool_]  # our tests, by the subclass only

    def fill(
        self,
        image: LabelImage,
        audit: Audit,
        stored: pd.DataFrame,
        ledger: pd.DataFrame | None = None,
    ) -> None:
        """Assign the masks before the filter, and filter them.

        `image` is the survivors, at the resolution of the masks; `stored` what must come out;
        `ledger` where transcripts lie, if `stored` has those of each region.
        """
        chunks = image.chunks if is_lazy(image) else None
        with limited(self.n_jobs), bar_if(self.progress):
            runs = _join(encode(image), audit.rejected_runs, stored)
            regions, number = components(runs)
            _check_numbers(regions.label, len(stored), "the labels or in pieces there")
            table = measure(regions, runs.shape)
            source_label = table["source_label"] = stored["source_label"].to_numpy()
            kinds = _TOLD
            if self.intensity_image is None:  # else they are measured in it
                kinds = _TOLD | dict.fromkeys(intensities_in(stored), float)
            told = [key for key in stored if key in kinds]
            # copied, so that pandas puts columns of a type together
            table = table.join(stored[told].astype({key: kinds[key] for key in told})).copy()
            n_transcripts = None
            if ledger is not None and TRANSCRIPTS in told:
                _check_counts(table[TRANSCRIPTS], stored["label"], ledger)
                n_transcripts = n_within(ledger)
            fits = source_label.max() <= _MAX_PAINTED
            value = source_label[runs.label - 1] if fits else runs.label
            self.masks = paint(runs, value, chunks)

        _check_same(table, stored, _PLACE)
        assigned = self.input_masks
        assert assigned is not None
        runs = runs._replace(label=number)
        self._hold(measured=Measured(runs, table, assigned, n_transcripts))
        self._place = table[_PLACE]
        in_force = self._in_pixels(audit.config)
        self._learn(stored["reason"].to_numpy(), criteria.rejections(table, in_force))
        self.refilter()
        assert self.regions is not None  # the filter has run
        _check_same(self.regions, stored, ["label"])

    def _learn(self, reason: NDArray[np.object_], ours: pd.DataFrame) -> None:
        """Tell what a subclass did from the first reason of each region and from our tests."""
        names = [name for name in pd.unique(reason) if name and name not in ours]
        self._own = pd.DataFrame({name: reason == name for name in names}, index=ours.index)
        failed = ours.to_numpy()
        column = ours.columns.get_indexer(pd.Index(reason))[
            :, None
        ]  # -1 for kept, and for reasons not ours
        columns = np.arange(len(ours.columns))
        self._spared = failed & ((columns < column) | (column < 0))
        self._added = ~failed & (columns == column)
        # a test of its own may come before ours, and changes none then
        changed = self._added | (self._spared & ~self._own.any(axis=1).to_numpy()[:, None])
        self.as_stored = (*ours.columns[np.flatnonzero(changed.any(axis=0))], *names)

    def _rejects_by_thresholds(self) -> bool:
        return not self.as_stored

    def rejections(self, regions: pd.DataFrame) -> pd.DataFrame:
        """Our tests, and what is stored of those of the subclass."""
        failed = super().rejections(regions)
        if not regions[_PLACE].equals(self._place):
            return failed  # of other regions these tests have said nothing
        return ((failed & ~self._spared) | self._added).join(self._own)


def _find_table(root: zarr.Group, name: str) -> str | None:
    """Where the table with the audit of the labels of that name is, or None."""
    tables: Any = root.get("tables")
    names = tables.group_keys() if isinstance(tables, zarr.Group) else []
    # of copies that a user made under other names, ours
    for table in sorted(names, key=lambda table: (table != f"{name}_table", table)):
        place = f"tables/{table}"
        found = root.get(key := f"{place}/uns/{KEY}/label_name")
        if isinstance(found, zarr.Array) and str(read_elem(checked(root, key))) == name:
            return place
    return None


def _all_regions(columns: dict[str, Any], audit: Audit) -> pd.DataFrame:
    """Labels, place and reason of all regions, by number, from the table and the audit."""
    known = {key: as_ids(columns[key], f"column {key!r} of the table") for key in _IDS}
    known |= {key: np.asarray(columns[key]) for key in columns if key not in _IDS}
    cells = pd.DataFrame(known).set_index("region_number").assign(reason="")
    stored = pd.concat([cells, audit.rejected[cells.columns]]).sort_index()
    _check_numbers(stored.index.to_numpy(), len(stored), "the table or twice there")
    if not cells["label"].is_unique:
        twice = cells["label"][cells["label"].duplicated()].iloc[0]
        raise ValueError(f"the table has the label {twice} twice")
    return stored


def _ledger(packed: Mapping[str, Any]) -> pd.DataFrame | None:
    """Where the transcripts lie, of a table that has counts."""
    found = packed.get("transcripts")
    return None if found is None else found["ledger"].set_index("place")


def _check_counts(counts: pd.Series[int], label: pd.Series[int], ledger: pd.DataFrame) -> None:
    """Of transcripts by region as many must be in cells as the ledger has there."""
    now, then = int(counts[label > 0].sum()), int(ledger[GENE].loc[IN_CELLS])
    if now != then:
        raise ValueError(f"the cells have now {now:,} transcripts, but in the ledger {then:,}")


def _check_numbers(found: NDArray[np.integer[Any]], n: int, where: str) -> None:
    """The regions must be 1 to `n`, in this order."""
    expected = np.arange(1, n + 1)
    if not np.array_equal(found, expected):
        pairs = zip_longest(found.tolist(), expected.tolist(), fillvalue=n + 1)
        first = next(min(pair) for pair in pairs if pair[0] != pair[1])
        raise ValueError(f"region {first} is missing from {where}")


def _check_same(found: pd.DataFrame, stored: pd.DataFrame, columns: list[str]) -> None:
    for column in columns:
        now, then = found[column].to_numpy(), stored[column].to_numpy()
        differs = ~np.isclose(now, then, rtol=0, atol=1e-6)
        if differs.any():
            at = int(differs.argmax())
            raise ValueError(
                f"{_name(at + 1, stored)} has now the {column} {now[at]:.10g}, but in the audit "
                f"{then[at]:.10g}"
            )


def _name(region: int, stored: pd.DataFrame) -> str:
    label = stored["label"].get(region, 0)
    return f"region {region} ({f'label {label}' if label else 'rejected'})"


def _join(labels: Runs, rejected: NDArray[np.int32], stored: pd.DataFrame) -> Runs:
    """All regions as runs, with region numbers for labels."""
    cells = stored["label"][stored["label"] > 0]
    at = pd.Index(cells).get_indexer(labels.label)
    if (at < 0).any():
        raise ValueError(f"the label {labels.label[at < 0][0]} has no row in the table")
    region, row, start, stop = rejected.T
    height, width = labels.shape
    outside = (row < 0) | (row >= height) | (start < 0) | (start >= stop) | (stop > width)
    if outside.any():
        raise ValueError(f"{_name(region[outside][0], stored)} lies outside of the labels")

    parts = zip((cells.index.to_numpy()[at], *labels[:3]), (region, row, start, stop), strict=True)
    number, row, start, stop = map(np.concatenate, parts)
    order = np.lexsort((start, row))
    number, row, start, stop = number[order], row[order], start[order], stop[order]
    overlap = (row[1:] == row[:-1]) & (start[1:] < stop[:-1])
    if overlap.any():
        first = int(overlap.argmax())
        pair = " and ".join(_name(of, stored) for of in number[first : first + 2])
        raise ValueError(f"{pair} overlap in row {row[first]} of the masks")
    return Runs(row, start, stop, number, labels.shape)


def _at_mask_resolution(labels: LabelImage, audit: Audit) -> LabelImage:
    """The labels of a store as they were before they were enlarged, if they were."""
    image = as_label_image(labels)
    if audit.image_shape and image.shape not in (audit.image_shape, audit.mask_shape):
        now, then = (f"{rows} x {columns}" for rows, columns in (image.shape, audit.image_shape))
        raise ValueError(f"they have {now} pixels, but in the audit {then}")
    f = audit.factor_rescale or 1
    shape = audit.mask_shape or tuple(-(-length // f) for length in image.shape)
    for axis, (length, n) in enumerate(zip(image.shape, shape, strict=True)):
        # the pixel in which the middle of a mask pixel lies has its label
        middles: Any = shown(np.arange(n), length, n)
        if n and length % n == 0:
            middles = slice(length // n // 2, None, length // n)
        image = image[middles] if axis == 0 else image[:, middles]
    return image


def _missing_file(stored: zarr.Array[Any], masks: LabelImage, cells: pd.DataFrame) -> Path | None:
    """The file of a chunk where a cell lost pixels, if it is not there: many an empty one is not.

    `masks` are the labels as stored, at the resolution of the masks, as are boxes and areas of the
    `cells`, rows of the table.
    """
    runs = encode(masks)
    area = pd.Series(runs.stop - runs.start).groupby(runs.label).sum()
    lost = area.reindex(cells["label"], fill_value=0).to_numpy() < cells["area"].to_numpy()
    step = stored.shards or stored.chunks
    folder = Path(str(stored.store.root), stored.path)  # type: ignore[attr-defined]
    scale = np.divide(stored.shape, masks.shape)
    boxes = cells.loc[lost, _BOX].to_numpy() * np.tile(scale, 2)
    for top, left, bottom, right in np.rint(boxes).astype(int).tolist():
        rows = range(top // step[0], -(-bottom // step[0]))
        cols = range(left // step[1], -(-right // step[1]))
        for place in product(rows, cols):
            file = folder / stored.metadata.encode_chunk_key(place)
            if not file.exists():
                return file
    return None
