"""`Review`: pictures of what the filter kept, what it rejected, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from postseg._support.atomic import check_target, replacing
from postseg.filtering import run
from postseg.filtering.sweep import Sweep, sweep
from postseg.raster.sources import files_behind
from postseg.whatif import WhatIf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from postseg.show.pictures import Scene


class Review(WhatIf):
    """The part of `PostSegmentation` that shows. Figures need the extra ``plot``.

    A figure is returned and not shown, and pyplot does not know of it: save it with
    ``figure.savefig(path)``, or let it be the value of a notebook cell. What is shown is the last
    filter run; one that a subclass makes without ours cannot be shown.
    """

    def plot_filter(self, image: Any = None) -> Figure:
        """Draw the mask with rejected regions filled by reason, and a histogram per metric in use.

        Parameters
        ----------
        image : (m H, m W) or (m H, m W, 3) array_like, optional
            The microscope image, grey or RGB, m times as large as the masks; dask and xarray too.
            Survivors are outlined on it.

        Returns
        -------
        matplotlib.figure.Figure
            Of a large mask with a closer look at one place.

        Raises
        ------
        RuntimeError
            Before a filter run.
        ValueError
            When the image does not fit the masks.
        """
        from postseg.show import figures

        run, scene = self._scene(image)
        return figures.draw_filter(scene, run.regions, run.report.config)

    def plot_sweep(self, field: str, image: Any = None) -> Figure:
        """Draw the survivors against a threshold, and the cells that flip near it.

        Parameters
        ----------
        field : str
            A field of `FilterConfig`; the others stay as they are.
        image : array_like, optional
            As for `plot_filter`.

        Raises
        ------
        ValueError
            When there is no such field, or the image does not fit.
        RuntimeError
            Before a filter run.
        """
        from postseg.show import galleries

        run, scene = self._scene(image)
        return galleries.draw_sweep(scene, run.regions, self._sweep(run, field))

    def plot_cells(self, reason: str, n: int = 24, image: Any = None) -> Figure:
        """Draw a gallery of cells that were rejected for one reason, and of kept ones next to go.

        Parameters
        ----------
        reason : str
            As in `regions`.
        n : int
            How many cells at most.
        image : array_like, optional
            As for `plot_filter`.

        Raises
        ------
        ValueError
            When there is no such reason or its test is off, and when the image does not fit.
        TypeError
            When `n` is no whole number.
        RuntimeError
            Before a filter run.
        """
        from postseg.show import galleries

        run, scene = self._scene(image)
        return galleries.draw_cells(scene, run.regions, run.report, reason, n)

    def write_report(
        self,
        path: str | PathLike[str],
        image: Any = None,
        *,
        title: str | None = None,
        source: str = "",
        overwrite: bool = False,
    ) -> None:
        """Write all of it as one page for a browser: pictures, thresholds, table of the rejected.

        Parameters
        ----------
        path : path
            The file, by custom ``<name>.html``. It needs no other file and no network.
        image : array_like, optional
            As for `plot_filter`.
        title : str, optional
            Heading; default `label_name`.
        source : str
            Where the label image came from.
        overwrite : bool
            Replace an existing file, once the new one is complete.

        Raises
        ------
        OSError
            When the path exists, or cannot be written to.
        RuntimeError
            Before a filter run.
        ValueError
            When the image does not fit the masks, or one of them is read from there.
        """
        check_target(path, overwrite, inputs=files_behind(self.input_masks, self.masks, image))
        from postseg.show.page import pictures, render

        run, scene = self._scene(image)
        in_force = [name for name, value in run.report.config if value is not None]
        sweeps = (self._sweep(run, field) for field in in_force)
        shown = pictures.illustrate(scene, run.regions, run.report, sweeps)
        text = render.render(
            run.report,
            run.regions,
            shown,
            title=title or self.label_name,
            source=source,
            made=datetime.now(),
        )
        with replacing(path, overwrite) as part:
            part.write_text(text, encoding="utf-8")

    def _scene(self, image: Any) -> tuple[run.Filtered, Scene]:
        """The last filter run, and what pictures of it show."""
        from postseg.show.pictures import set_scene

        run = self._last_run()
        return run, set_scene(run.measured.runs, run.regions, image)

    def _last_run(self) -> run.Filtered:
        if self._held.last is not None:
            return self._held.last
        if not self._filters_by_rejections():
            raise RuntimeError(
                f"{type(self).__name__} overrides filter_cell_by_regionprops(), so which regions "
                "it rejected is not known; override rejections() instead."
            )
        raise RuntimeError(
            "There is no filter run to show yet: run process_masks_to_shapes() or refilter() first."
        )

    def _sweep(self, run: run.Filtered, field: str) -> Sweep:
        """What other values of a threshold would have done in a filter run."""
        measured, config = run.measured, run.report.config

        def count_kept(values: Sequence[Any]) -> NDArray[np.int64]:
            return self._count_kept(measured, config, field, values)

        with self._in_force(measured.image, config):
            failed = run.find_failures(measured.table, self.rejections)
        return sweep(field, measured.table, config, failed, count_kept)
