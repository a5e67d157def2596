import numpy as np
import pytest
from drawing import draw, squares
from skimage.color import rgb2lab

from postseg.show.paint import choose_inks, edges_of, paint_inks, paint_swatch, width_of_regions
from postseg.show.palette import CHECKS, DIAGONAL, LINES, PALE, PLAIN, STYLES

WHITE = np.ones((1, 1, 3), np.float32)
RED = "EE3377"


def inks_of(*styles, canvas=WHITE, width=40, outlined=False):
    return choose_inks(list(styles), canvas, width, outlined)


def fill(look, inks, canvas=WHITE):
    """Paint one look without edges, RGB from 0 to 1."""
    ink = np.full((24, 24), look)
    return paint_inks(np.ones_like(ink), ink, inks, canvas) / 255


def shades(pixels):
    return {tuple(colour) for colour in (255 * pixels).round().astype(int).reshape(-1, 3).tolist()}


def test_the_width_of_regions_is_that_of_the_median_one_shown():
    assert width_of_regions(squares(4, 8, 30)) == 8
    assert width_of_regions(np.array([[0, 9, 9, 9, 9]])) == 2  # numbers without pixels do not count
    assert width_of_regions(np.zeros((5, 5), int)) == 0


def test_edges_are_one_line_around_a_region_and_one_between_two():
    shown = draw("...... .1122. .1122. .1122. ......")
    np.testing.assert_array_equal(edges_of(shown, 1), draw("...... .1111. .1.11. .1111. ......"))


def test_edges_are_as_wide_as_the_line():
    for line in (1, 2, 3):
        edges = edges_of(squares(12), line)
        inside = np.zeros((14, 14), bool)
        inside[1 + line : 13 - line, 1 + line : 13 - line] = True
        np.testing.assert_array_equal(edges, (squares(12) > 0) & ~inside)


def test_edges_do_not_come_from_the_border_of_the_picture():
    assert not edges_of(np.ones((4, 6), int), 2).any()


def test_patterns_of_one_colour_differ_in_shape_not_in_shades():
    inks = inks_of(*((RED, pattern) for pattern in (PLAIN, DIAGONAL, LINES, CHECKS)))
    plain, *patterned = (fill(look, inks) for look in range(1 + len(PALE), len(inks.colour)))
    full = np.array([*bytes.fromhex(RED)]) / 255
    np.testing.assert_allclose(plain, np.broadcast_to(full, plain.shape), atol=0.002)
    assert len({pixels.tobytes() for pixels in patterned}) == 3
    for pixels in patterned:
        light = np.abs(pixels - (0.25 * full + 0.75)).max(axis=2) < 0.003
        bold = np.abs(pixels - full).max(axis=2) < 0.003
        assert (light | bold).all()
        assert 0.3 < light.mean() < 0.7


@pytest.mark.parametrize(("width", "stripe", "line"), [(2, 3, 1), (40, 4, 2), (400, 5, 3)])
def test_stripes_and_lines_grow_with_the_regions(width, stripe, line):
    inks = inks_of((RED, LINES), width=width)
    assert (inks.stripe, inks.line) == (stripe, line)
    column = fill(1 + len(PALE), inks)[:, 0, 1]
    assert np.flatnonzero(np.diff(column)).tolist() == [*range(stripe - 1, 23, stripe)]


def test_pale_tones_are_nearly_grey_in_a_crowd_and_colours_of_reasons_are_not():
    crowd, few = (
        inks_of(*STYLES.values(), width=width).colour.astype(float) for width in (9.9, 10)
    )
    pale, bold = slice(1, 1 + len(PALE)), slice(1 + len(PALE), None)
    np.testing.assert_array_equal(crowd[bold], few[bold])
    chroma = np.hypot(*rgb2lab(crowd[pale])[:, 1:].T)
    assert chroma.max() < 10
    assert np.hypot(*rgb2lab(few[pale])[:, 1:].T).max() > 15
    lightness = rgb2lab(crowd)[:, 0]
    assert np.ptp(lightness[pale]) < 4
    assert lightness[pale].min() > lightness[bold].max() + 8
    assert lightness[pale].max() < 95  # told from the white ground


def test_outlines_of_survivors_are_fainter_in_a_crowd_those_of_rejected_regions_are_not():
    for outlined in (False, True):
        crowd, few = (inks_of((RED, PLAIN), width=w, outlined=outlined) for w in (5, 40))
        assert (crowd.edge_opacity[1 : 1 + len(PALE)] < few.edge_opacity[1 : 1 + len(PALE)]).all()
        assert crowd.edge_opacity[-1] == few.edge_opacity[-1] == 1


@pytest.mark.parametrize("ground", [0.1, 0.9])
@pytest.mark.parametrize("width", [5, 40])
def test_on_tissue_survivors_are_clear_and_rejected_regions_stand_out(width, ground):
    canvas = np.full((24, 24, 3), ground, np.float32)
    inks = inks_of((RED, PLAIN), canvas=canvas, width=width, outlined=True)
    for look in range(1 + len(PALE)):
        np.testing.assert_allclose(fill(look, inks, canvas), ground, atol=0.002)
    opacity = inks.opacity[-1]
    assert opacity == 1 if width == 5 else 0.6 < opacity < 0.9
    filled = opacity * np.array([*bytes.fromhex(RED)]) / 255 + (1 - opacity) * ground
    np.testing.assert_allclose(fill(-1, inks, canvas)[0, 0], filled, atol=0.003)
    # so do all outlines
    assert (np.abs(inks.edge_colour[1:].mean(axis=1) - ground) > 0.3).all()


def test_a_swatch_shows_its_looks_side_by_side_inside_an_edge():
    inks = inks_of((RED, PLAIN), width=5)
    swatch = paint_swatch([1, 2, 3], inks, WHITE)
    assert swatch.shape == (20, 48, 3)
    thirds = [shades(swatch[6:14, 3 + 14 * k + 2 : 3 + 14 * k + 12] / 255) for k in range(3)]
    pale = (255 * inks.colour[1:4]).round().astype(int).tolist()
    assert thirds == [{tuple(colour)} for colour in pale]
    assert (swatch[:3] == 255).all()
    assert (paint_swatch([1 + len(PALE)], inks, WHITE)[3] < 240).any(axis=1).sum() == 42
