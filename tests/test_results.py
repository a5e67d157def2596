"""What an object says of itself, at a prompt and in a notebook."""

import dask.array as da
import pytest
from drawing import OFF, squares

from postseg import PostSegmentation

MASKS = squares(4, 8, 9)


def test_an_object_without_masks_says_so():
    assert repr(PostSegmentation()) == "PostSegmentation 'labels', factor 1\n  no masks yet"


def test_an_object_says_what_it_holds_and_which_steps_have_run():
    post = PostSegmentation(MASKS, 4, "cells", verbose=False)
    height, width = MASKS.shape
    heading = "PostSegmentation 'cells', factor 4"
    size = f"{height} x {width}"
    assert repr(post).splitlines() == [
        heading,
        f"  masks: {size} {MASKS.dtype} array, as assigned",
        "  made: nothing yet",
    ]
    post.process_masks_to_shapes()
    post.process_labels()
    assert repr(post).splitlines() == [
        heading,
        f"  masks: {size} int32 array, filtered",
        "  made: gdf_polygons, shapes_model, labels_model",
        "  passed: 2 of 3 regions",
        "  rejected: Tiny Artifacts 1",
    ]


def test_a_subclass_and_lazy_masks_are_named():
    class Mine(PostSegmentation):
        pass

    post = Mine(da.from_array(MASKS), filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    assert repr(post).startswith("Mine 'labels'")
    assert "int32 dask array, filtered" in repr(post)
    assert repr(post).endswith("rejected: none")


@pytest.mark.parametrize("what", ["post", "report", "verification"])
def test_a_notebook_shows_the_text(what):
    class Odd(PostSegmentation):
        def rejections(self, regions):
            return super().rejections(regions).assign(**{"a<b": regions["area"] < 70})

    post = Odd(MASKS, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    shown = {"post": post, "report": post.filter_report, "verification": post.verify()}[what]
    text = repr(shown) if what == "post" else str(shown)
    page = shown._repr_html_()
    assert page.startswith("<pre>")
    assert page.endswith("</pre>")
    assert page.count("\n") == text.count("\n")
    assert "a<b" not in page.lower()
    assert ("a&lt;b" in page.lower()) == (what != "verification")
