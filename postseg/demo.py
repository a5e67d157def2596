"""The main job on real tissue, with nothing to download. Meant to be read: it is the tutorial."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.color import rgb2hed
from skimage.data import immunohistochemistry
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_local, threshold_otsu
from skimage.measure import label
from skimage.segmentation import watershed

from postseg import PostSegmentation
from postseg._support.atomic import check_outside_of_stores, check_target, replacing


def segment_nuclei(image: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Segment the nuclei of a stained tissue section, roughly, as a stand-in for a real model.

    From RGB, nuclei blue with hematoxylin, to labels, 0 being background. Some are debris, some
    are several nuclei in one.
    """
    hematoxylin = gaussian(rgb2hed(image)[..., 0], sigma=2)
    darker_than_around = hematoxylin > threshold_local(hematoxylin, block_size=75)
    nuclei = darker_than_around & (hematoxylin > threshold_otsu(hematoxylin))
    # nuclei that touch are split where the tissue between them is narrow
    distance = distance_transform_edt(nuclei)
    centres = np.zeros(nuclei.shape, bool)
    centres[tuple(peak_local_max(distance, min_distance=7, labels=label(nuclei)).T)] = True
    return watershed(-distance, label(centres), mask=nuclei)


def scatter_transcripts(image: NDArray[np.uint8], n: int = 50_000) -> pd.DataFrame:
    """Scatter transcripts over a stained tissue section, as a stand-in for a real experiment.

    From RGB, nuclei blue and one protein brown, to a table as Xenium writes it: places in um on an
    image of 4 times the resolution, whose pixels are 0.2125 um, names, controls among them, and
    qualities. Some genes follow the blue, the others the brown.
    """
    chance = np.random.default_rng(0)
    stains = rgb2hed(image)
    blue, brown = stains[..., 0].clip(min=0).ravel(), stains[..., 2].clip(min=0).ravel()
    pixel = chance.choice(blue.size, n, p=(blue + brown) / (blue + brown).sum())
    follows_blue = chance.random(n) * (blue + brown)[pixel] < blue[pixel]
    names = chance.choice(["ACTB", "MKI67", "NANOG", "PTPRC"], n)
    names[~follows_blue] = chance.choice(["EPCAM", "KRT8", "NEGR1"], np.sum(~follows_blue))
    names = np.where(chance.random(n) < 0.01, "NegControlProbe_00042", names)
    row, column = np.divmod(pixel, image.shape[1])
    um = 4 * 0.2125
    return pd.DataFrame(
        {
            "x_location": (column + chance.random(n)) * um,
            "y_location": (row + chance.random(n)) * um,
            "feature_name": names,
            "qv": chance.uniform(10, 40, n).round(1),
        }
    )


def run_demo(output: Path, *, verbose: bool = True, overwrite: bool = False) -> list[Path]:
    """Segment a tissue image, refine the masks, and write a store, a picture and a report page.

    Parameters
    ----------
    output : Path
        Folder for ``nuclei.zarr``, ``filter.png`` and ``report.html``, which are returned; made
        if it is missing.
    verbose, overwrite : bool
        Print the filter report; replace outputs that exist.

    Raises
    ------
    OSError
        When an output exists, or cannot be written.
    """
    # without matplotlib or Jinja2 these say what to install
    import postseg.show.figures
    import postseg.show.page.render  # noqa: F401

    files = [output / name for name in ("nuclei.zarr", "filter.png", "report.html")]
    if not output.exists():
        check_outside_of_stores(output)
        output.mkdir(parents=True)
    for file in files:
        check_target(file, overwrite, store=file.suffix == ".zarr")
    store, picture, page = files

    # the label image that a segmentation model would have left
    image = immunohistochemistry()
    label_image = segment_nuclei(image)

    # filter it and outline the survivors, as if the slide had 4 times the resolution
    post = PostSegmentation(label_image, factor_rescale=4, label_name="nuclei", verbose=verbose)
    post.process_masks_to_shapes()
    # enlarge the cleaned masks to the same resolution; write labels, shapes and table together
    post.process_labels()
    post.write(store, overwrite=overwrite)

    # look at what was rejected, and why
    with replacing(picture, overwrite) as part:
        post.plot_filter(image).savefig(part)
    source = "immunohistochemistry() of skimage.data"
    post.write_report(page, image, source=source, overwrite=overwrite)
    return files
