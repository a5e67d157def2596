"""`HandOver`: table, SpatialData object and store, made of what the steps left."""

from __future__ import annotations

import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, cast

from postseg._support.atomic import check_target
from postseg.elements.table import INSTANCE_KEY, cell_rows, centroids
from postseg.geometry.placement import labels_systems, shapes_systems
from postseg.raster.label_image import as_label_image
from postseg.raster.sources import files_behind
from postseg.state import State

if TYPE_CHECKING:
    import dask.array as da
    import pandas as pd
    from anndata import AnnData
    from spatialdata import SpatialData

    from postseg.verify.verification import Verification


class HandOver(State):
    """The part of `PostSegmentation` that hands its results over."""

    def process_table(self, annotates: Literal["labels", "shapes"] = "shapes") -> AnnData:
        """Make the table of the cells, one row per label, to be joined with an element.

        Parameters
        ----------
        annotates : {"shapes", "labels"}
            Whether it annotates the element `shape_name` or `label_name`.

        Returns
        -------
        AnnData
            n_cells x 0. ``obs`` has the survivors' rows of `regions`, ``obs["label"]`` is the
            instance id, ``obsm["spatial"]`` the centroids as (x, y) in the coordinate system
            ``"global"``. ``uns["postseg"]`` keeps the audit of the rejected regions, see
            `postseg.elements.audit`, unless a subclass filters in its own way.

        Raises
        ------
        RuntimeError
            Before `process_masks_to_shapes` has run, and where no cell is left.
        """
        if annotates not in ("labels", "shapes"):
            raise ValueError(f"annotates is {annotates!r}; choose 'labels' or 'shapes'.")
        from postseg.elements import audit
        from postseg.elements import build

        with self._step():
            cells = cell_rows(self._audit())
            if cells.empty:
                raise RuntimeError(
                    "No cell is left in the masks, and SpatialData has no table without rows: "
                    "loosen the thresholds, or leave the table out."
                )
            systems = labels_systems(*self._placing())
            xy = centroids(cells, systems.to_global, self.factor_rescale)
            name = self.label_name if annotates == "labels" else self.shape_name
            made_by, uns = self._held.made_by, {}
            if made_by is not None:
                uns[audit.KEY] = audit.pack(made_by, self.label_name, self.factor_rescale)
            table = build.table_element(cells, xy, name, INSTANCE_KEY, uns)
            self._hold(table=table)
            return table

    def to_spatialdata(self) -> SpatialData:
        """Put labels, shapes and table, made where they are not yet, into a SpatialData object.

        Elements: `label_name`, `shape_name` and ``<label_name>_table``, which annotates the
        shapes.
        """
        from postseg.elements import build

        return build.spatialdata(*self._elements())

    def add_to(self, sdata: SpatialData) -> SpatialData:
        """Add labels, shapes and table to a SpatialData object, all or none, and return it.

        Raises
        ------
        ValueError
            When it has an element of one of the names.
        """
        from postseg.elements import build

        labels, shapes, tables = self._elements()
        build.add_elements(sdata, {**labels, **shapes, **tables})
        return sdata

    def write(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write labels, shapes and table as a SpatialData store, completely or not at all.

        Parameters
        ----------
        path : path
            The store, by custom ``<name>.zarr``.
        overwrite : bool
            Replace an existing store, once the new one is complete, if everything in it is as
            postseg wrote it. Other stores are never replaced: `add_to` adds to them.

        Raises
        ------
        OSError
            When the path exists, or cannot be written to.
        ValueError
            When the masks are read from there.
        """
        from postseg.elements import build

        check_target(path, overwrite, store=True, inputs=files_behind(self.input_masks, self.masks))
        made = self._elements()
        with warnings.catch_warnings():
            # anndata announces its next default at every table
            warnings.filterwarnings("ignore", "zarr v3 autosharding")
            build.write_store(path, *made, overwrite=overwrite)

    def export(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write the cells in the format that the end of the file's name stands for.

        Completely or not at all; what is missing is made first by its step.

        Parameters
        ----------
        path : path
            A name that ends in

            - ``.zarr``: the store of `write`;
            - ``.geojson``: polygons for QuPath and Xenium Ranger, ``properties.label`` = label;
            - ``.parquet`` or ``.geoparquet``: polygons with the survivors' rows of `regions`, as
              GeoParquet for ``geopandas.read_parquet``, indexed by label;
            - ``regions.parquet``, such as ``cells.regions.parquet``, or ``.csv``: the audit table,
              all of `regions`, for ``pandas.read_parquet`` or ``read_csv(path,
              index_col="region")``, where the empty reason of a survivor is NaN;
            - ``.tif`` or ``.tiff``: the label image at full resolution, uint32, a tiled BigTIFF.

            Polygons are in the coordinate system ``"image"``: full-resolution pixels, y down, the
            tile at its `origin`. The label image is the tile's own.
        overwrite : bool
            Replace an existing output, once the new one is complete; a store as `write` does.

        Raises
        ------
        ValueError
            When the name ends in none of these, or the masks are read from there.
        OSError
            When the path exists, or cannot be written to.
        """
        from postseg.files import export

        if export.FORMATS[export.format_of(path)].write is None:
            self.write(path, overwrite)
            return
        check_target(path, overwrite, inputs=files_behind(self.input_masks, self.masks))
        with self._step():
            self._elements()
            cells = export.Cells(
                labels=cast("da.Array", as_label_image(self.labels_model)),
                shapes=self.shapes_model,
                to_image=shapes_systems(*self._placing()).to_image,
                regions=self._audit(),
                tile=f"{self.label_name} at {self.origin}",
            )
            export.export(path, cells, overwrite)

    def verify(self) -> Verification:
        """Check that labels, shapes and table, made where they are not yet, agree cell by cell.

        Returns
        -------
        Verification
            See `postseg.verify.verification.verify_elements`.
        """
        from postseg.verify.verification import verify_elements

        with self._step():
            labels, shapes, tables = self._elements()
            return verify_elements(*labels.values(), *shapes.values(), *tables.values())

    def to_napari(self) -> list[tuple[Any, dict[str, Any], str]]:
        """Make layers for napari, made where they are not yet, in pixels of the microscope image.

        They lie over an image layer of the slide without a scale; napari is not needed for it.

        Returns
        -------
        list of (data, kwargs, type)
            For ``viewer.add_layer(napari.layers.Layer.create(*layer))``:

            - labels `label_name`: the masks as they stand, with the survivors' metrics;
            - labels ``<label_name>_rejected``: the rejected regions, numbered as in `regions`,
              with reason and metrics; not where a subclass filters in its own way;
            - shapes `shape_name`: the outlines.
        """
        from postseg.show import napari

        with self._step():
            self._elements()
            place = napari.placing(self.factor_rescale, self.origin)
            made = [napari.survivors(self._masks_now(), self._audit(), self.label_name, place)]
            made_by = self._held.made_by
            if made_by is not None:
                made.append(napari.rejected(made_by, f"{self.label_name}_rejected", place))
            to_image = shapes_systems(*self._placing()).to_image
            made.append(napari.outlines(self.shapes_model, to_image, self.shape_name))
            return made

    def _audit(self) -> pd.DataFrame:
        """The audit table of the masks as they stand."""
        if self._held.audit is None:
            raise RuntimeError(
                "There is no filtered table yet: run process_masks_to_shapes() or refilter() first."
            )
        return self._held.audit

    def _elements(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Labels, shapes and tables by name, made where they are not yet."""
        with self._step():
            if self.shapes_model is None:
                self.process_masks_to_shapes()
            if self.labels_model is None:
                self.process_labels()
            if self.table is None:
                self.process_table()
        return (
            {self.label_name: self.labels_model},
            {self.shape_name: self.shapes_model},
            {f"{self.label_name}_table": self.table},
        )
