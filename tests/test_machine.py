"""A `PostSegmentation` used in any order: settings, steps, hooks that fail, copies, edits.

Whatever was done, results match the masks as they stand, an error has changed nothing, the ids
agree, and the input is as it was.
"""

import copy
import os
import pickle
from contextlib import contextmanager

import numpy as np
import pytest
from drawing import OFF
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from postseg import PostSegmentation, Slide, filter_cell_by_regionprops, plan_tiles
from postseg.raster.label_image import as_label_image, is_lazy
from postseg.verify.verification import verify_elements

# 30 uses of 15 steps; POSTSEG_EXAMPLES asks for more
EXAMPLES = int(os.environ.get("POSTSEG_EXAMPLES", 30))

RESULTS = ["gdf_polygons", "shapes_model", "labels_model", "table", "filter_report", "regions"]
SETTINGS = ["factor_rescale", "label_name", "shape_name", "origin", "filter_config", "n_jobs"]
SETTINGS += ["image_shape", "pixel_size", "outline"]
HOOKS = ["rejections", "filter_cell_by_regionprops", "masks_to_polygons", "mirror_y0"]


class Failure(Exception):
    """What a hook raises that was told to."""


class Failing(PostSegmentation):
    """Does what ours does, and may fail before or after it."""

    failing = None

    @contextmanager
    def may_fail(self, hook):
        if self.failing == ("before", hook):
            raise Failure
        yield
        if self.failing == ("after", hook):
            raise Failure

    def rejections(self, regions):
        with self.may_fail("rejections"):
            return super().rejections(regions)


class FailingEverywhere(Failing):
    """Its filter is its own, as far as postseg can tell, so that it cannot be tried again."""

    def filter_cell_by_regionprops(self, seg_masks, **thresholds):
        with self.may_fail("filter_cell_by_regionprops"):
            return super().filter_cell_by_regionprops(seg_masks, **thresholds)

    def masks_to_polygons(self, seg_masks, factor_rescale):
        with self.may_fail("masks_to_polygons"):
            return super().masks_to_polygons(seg_masks, factor_rescale)

    def mirror_y0(self, geom):
        with self.may_fail("mirror_y0"):
            return super().mirror_y0(geom)


def blobs(seed, side, labels):
    """A small image of touching cells, of labels in several parts, and of debris."""
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, labels + 1, (side // 3, side // 3))
    image = coarse.repeat(3, axis=0).repeat(3, axis=1)
    image[chance.random(image.shape) < 0.05] = 0
    return image.astype(chance.choice(["u1", "i4", ">i8"]))


def in_tiles(image):
    """The same masks as a slide of windows."""
    slide = Slide(image.shape, ids="shared")
    for top, left, bottom, right in plan_tiles(image.shape, 6, 2):
        slide.add(image[top:bottom, left:right], (top, left))
    return slide


images = st.builds(blobs, st.integers(0, 9999), st.integers(6, 15), st.integers(0, 6))
thresholds = st.fixed_dictionaries(
    {},
    optional={
        "min_absolute_area": st.sampled_from([None, 2, 5, 9, "3 um2"]),
        "min_area": st.sampled_from([None, "median", "median_div2", 30]),
        "max_area": st.sampled_from([None, 20, 40]),
        "max_convexity_deficit": st.sampled_from([None, 0.1, 0.3]),
    },
)


class Use(RuleBasedStateMachine):
    """One object."""

    @initialize(
        kind=st.sampled_from([PostSegmentation, Failing, FailingEverywhere]),
        image=images,
        factor=st.integers(0, 3),
    )
    def make(self, kind, image, factor):
        self.post = kind(image, factor, "cells", filter_config=OFF, verbose=False)
        self.image, self.original = image, image.copy()

    def attempt(self, action, *arguments, **keywords):
        """Do it; where that fails, as it may, all is held as before."""
        before = {name: getattr(self.post, name) for name in ["masks", *RESULTS, *SETTINGS]}
        try:
            action(*arguments, **keywords)
        except (Failure, RuntimeError, ValueError, TypeError):
            for name, value in before.items():
                now = getattr(self.post, name)
                assert now is value or (name in SETTINGS and now == value), name

    # ---- what may be done

    @rule(image=images, tiled=st.booleans())
    def assign_masks(self, image, tiled):
        self.post.masks = in_tiles(image) if tiled else image
        self.image, self.original = image, image.copy()
        assert [name for name in RESULTS if getattr(self.post, name) is not None] == []

    @rule(
        setting=st.one_of(
            st.tuples(st.just("factor_rescale"), st.sampled_from([0, 1, 2, 3, -1, 1.5, "2"])),
            st.tuples(st.just("label_name"), st.sampled_from(["cells", "nuclei", "a/b", None])),
            st.tuples(st.just("shape_name"), st.sampled_from([None, "rings", "cells", "__x"])),
            st.tuples(st.just("origin"), st.sampled_from([None, (0, 0), (5, 7.5), (np.nan, 0), 3])),
            st.tuples(st.just("image_shape"), st.sampled_from([None, (20, 31), (3, 3), (0, 9), 7])),
            st.tuples(st.just("pixel_size"), st.sampled_from([None, 0.5, 2, -1, "um"])),
            st.tuples(
                st.just("outline"),
                st.sampled_from(["contour", "pixels", "simplified", "smooth", None]),
            ),
            st.tuples(st.just("n_jobs"), st.sampled_from([None, 1, 2, -1, 0, "abc"])),
            st.tuples(st.just("filter_config"), thresholds),
            st.tuples(st.just("filter_config"), st.sampled_from([{"max_aera": 5}, 7])),
        )
    )
    def assign(self, setting):
        self.attempt(setattr, self.post, *setting)

    @rule(when=st.sampled_from(["before", "after", "never"]), hook=st.sampled_from(HOOKS))
    def let_a_hook_fail(self, when, hook):
        if isinstance(self.post, Failing):
            self.post.failing = when, hook

    @rule()
    def make_shapes(self):
        self.attempt(self.post.process_masks_to_shapes)

    @rule(scale_factors=st.sampled_from([None, [], [2]]), enlarge=st.booleans())
    def make_labels(self, scale_factors, enlarge):
        self.attempt(self.post.process_labels, scale_factors, enlarge=enlarge)

    @rule(annotates=st.sampled_from(["labels", "shapes", "points"]))
    def make_table(self, annotates):
        self.attempt(self.post.process_table, annotates)

    @rule(changes=thresholds)
    def refilter(self, changes):
        self.attempt(self.post.refilter, OFF, **changes)

    @rule(other=images, changes=thresholds)
    def filter_another_image(self, other, changes):
        if getattr(self.post, "failing", None) == ("after", "filter_cell_by_regionprops"):
            return  # what a subclass does after our filter, outside of a step, is not ours to undo
        self.attempt(self.post.filter_cell_by_regionprops, other, **changes)

    @rule()
    def sweep(self):
        self.attempt(self.post.threshold_sweep, "min_absolute_area", [None, 4, 40])

    @rule()
    def edit_the_regions(self):
        if self.post.regions is not None:
            self.post.regions["area"] = 0
            self.post.regions["label"] = self.post.regions["label"].to_numpy()[::-1]

    @rule(how=st.sampled_from(["deepcopy", "pickle"]))
    def go_on_with_a_copy(self, how):
        if how == "deepcopy":
            self.post = copy.deepcopy(self.post)
        else:
            self.post = pickle.loads(pickle.dumps(self.post))

    # ---- what holds

    @invariant()
    def the_input_is_as_it_was(self):
        np.testing.assert_array_equal(self.image, self.original)
        np.testing.assert_array_equal(self.post.input_masks, self.original)
        assert is_lazy(self.post.input_masks) or not self.post.input_masks.flags.writeable

    @invariant()
    def masks_are_the_input_or_what_the_filter_leaves_of_it(self):
        run = self.post._held.made_by
        expected = self.original
        if run is not None:
            expected = filter_cell_by_regionprops(
                self.original, **dict(run.report.config), verbose=False
            )
        np.testing.assert_array_equal(self.post.masks, expected)

    @invariant()
    def results_show_the_masks_as_they_stand(self):
        post = self.post
        masks = np.asarray(post.masks)
        ids = np.unique(masks[masks > 0]).tolist()
        if post.shapes_model is not None:
            assert post.shapes_model.index.tolist() == ids == post.gdf_polygons.index.tolist()
        if post.labels_model is not None:
            labels = np.asarray(as_label_image(post.labels_model))
            full = post.image_shape or tuple(n * (post.factor_rescale or 1) for n in masks.shape)
            assert labels.shape in (masks.shape, full)
            rows, columns = (
                ((2 * np.arange(m) + 1) * n) // (2 * m)
                for n, m in zip(masks.shape, labels.shape, strict=True)
            )
            np.testing.assert_array_equal(labels, masks[np.ix_(rows, columns)])
        if post.table is not None:
            assert post.table.obs["label"].tolist() == ids
            assert post.table.obs["area"].tolist() == np.bincount(masks.flat)[ids].tolist()
        if post.shapes_model is not None and post.labels_model is not None:
            assert verify_elements(post.labels_model, post.shapes_model).ok


Use.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
pytestmark = [
    pytest.mark.filterwarnings("ignore:None of the", "ignore:The masks hold no cells"),
]
TestUse = Use.TestCase
