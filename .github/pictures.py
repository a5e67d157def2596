"""Make the pictures of the README and of `docs/` from the demo, by `python .github/pictures.py`.

Needs the extra ``plot``; the picture of the report page needs Chromium too.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import shapely
from matplotlib.figure import Figure
from PIL import Image
from skimage.data import immunohistochemistry

from postseg import FilterConfig, PostSegmentation, masks_to_polygons
from postseg._support.checks import OUTLINES
from postseg.demo import segment_nuclei

FOLDER = Path(__file__).parent
CLUMP = [304, 307, 312, 315]  # nuclei that touch
PALE, INK = ["BBCCEE", "CCDDAA", "EECCBB", "D8D0E8"], "#222244"
BROWSER = "chromium --headless=new --no-sandbox --disable-gpu --disable-background-networking"


def save(figure: Figure, name: str) -> None:
    """Save a figure as JPEG: a third of the size of a PNG, on tissue."""
    figure.savefig(FOLDER / name, pil_kwargs={"quality": 90, "subsampling": 0})
    print(FOLDER / name)


def draw_outlines(masks: np.ndarray, ids: list[int], name: str) -> None:
    """Save the kinds of outlines of a few cells side by side, on their pixels, as PNG."""
    masks = np.where(np.isin(masks, ids), masks, 0)
    first, last = np.argwhere(masks).min(axis=0) - 1, np.argwhere(masks).max(axis=0) + 2
    masks = masks[first[0] : last[0], first[1] : last[1]]
    colours = np.array([list(bytes.fromhex(colour)) for colour in ["FFFFFF", *PALE]], np.uint8)
    pixels = colours[np.searchsorted([0, *ids], masks)]
    figure = Figure(figsize=(10, 3.3), layout="constrained")
    for axes, outline in zip(figure.subplots(1, len(OUTLINES)), OUTLINES, strict=True):
        polygons = masks_to_polygons(masks, outline=outline)
        rings = shapely.get_rings(polygons)
        axes.imshow(pixels, interpolation="nearest")
        for ring in rings:
            axes.plot(*ring.xy, color=INK, linewidth=0.8, marker="o", markersize=1.8)
        n_vertices = shapely.get_num_coordinates(polygons).sum() / len(ids)
        axes.set_title(f"{outline}: {n_vertices:.0f} vertices a cell", fontsize=10)
        axes.set_axis_off()
    with tempfile.TemporaryFile() as file:
        figure.savefig(file, format="png", dpi=110)
        with Image.open(file) as picture:
            picture.convert("RGB").quantize(32).save(FOLDER / name, optimize=True)
    print(FOLDER / name)


def photograph(page: str, name: str, width: int, height: int) -> None:
    """Save what a browser shows of the top of a page, given its address."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        options = [f"--user-data-dir={folder}", f"--window-size={width},{height}"]
        options += ["--hide-scrollbars", "--virtual-time-budget=5000", f"--screenshot={shot}"]
        command = [*BROWSER.split(), *options, page]
        subprocess.run(command, check=True, capture_output=True)
        with Image.open(shot) as picture:
            picture.convert("RGB").save(FOLDER / name, quality=90, subsampling=0)
    print(FOLDER / name)


def main() -> None:
    """Make them all."""
    image = immunohistochemistry()
    config = FilterConfig(max_eccentricity=0.95)
    post = PostSegmentation(
        segment_nuclei(image), label_name="nuclei", filter_config=config, verbose=False
    )
    post.refilter()
    save(post.plot_filter(image), "filter.jpg")
    save(post.plot_sweep("max_convexity_deficit", image), "sweep.jpg")
    save(post.plot_cells("high_convexity_deficit", image=image), "cells.jpg")
    draw_outlines(post.input_masks, CLUMP, "outlines.png")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        post.write_report(page, image, source="immunohistochemistry() of skimage.data")
        photograph(f"{page.as_uri()}#choice&max_eccentricity=0.85", "report.jpg", 1200, 1650)


if __name__ == "__main__":
    main()
