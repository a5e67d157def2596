"""Make the pictures of the README and of `docs/` from the demo, by `python .github/pictures.py`.

Needs the extra ``plot``; the picture of the report page needs Chromium too.
"""

import subprocess
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image
from skimage.data import immunohistochemistry

from postseg import FilterConfig, PostSegmentation
from postseg.demo import segment_nuclei

FOLDER = Path(__file__).parent
BROWSER = "chromium --headless=new --no-sandbox --disable-gpu --disable-background-networking"


def save(figure: Figure, name: str) -> None:
    """Save a figure as JPEG: a third of the size of a PNG, on tissue."""
    figure.savefig(FOLDER / name, pil_kwargs={"quality": 90, "subsampling": 0})
    print(FOLDER / name)


def photograph(page: Path, name: str, width: int, height: int) -> None:
    """Save what a browser shows of the top of a page."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        options = [f"--user-data-dir={folder}", f"--window-size={width},{height}"]
        options += ["--hide-scrollbars", "--virtual-time-budget=5000", f"--screenshot={shot}"]
        command = [*BROWSER.split(), *options, page.as_uri()]
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
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        post.write_report(page, image, source="immunohistochemistry() of skimage.data")
        photograph(page, "report.jpg", 1200, 900)


if __name__ == "__main__":
    main()
