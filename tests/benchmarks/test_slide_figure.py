"""How long the figure of a slide takes that is too large to be seen region by region."""

import numpy as np
from slides import slide

from postseg import FilterConfig
from postseg.show.figures import draw_filter
from postseg.show.pictures import set_scene


def test_a_figure_of_600_000_regions(benchmark, tmp_path):
    runs, table = slide()
    assert len(table) > 600_000
    image = np.broadcast_to(np.uint8(200), runs.shape)

    def draw(tissue=None):
        figure = draw_filter(set_scene(runs, table, tissue), table, FilterConfig())
        figure.savefig(tmp_path / "slide.png", dpi=150)

    benchmark.pedantic(draw, rounds=3)
    assert benchmark.stats.stats.max < 8  # seconds, the first time too
    draw(image)
