"""Labels, shapes and table that agree, and ways to make them disagree."""

import numpy as np
import shapely
from drawing import OFF
from skimage.draw import ellipse
from spatialdata.models import ShapesModel
from spatialdata.transformations import get_transformation

from postseg import PostSegmentation

FACTOR = 4


def tissue():
    """Twenty ellipses of many sizes at uneven places, numbered at random."""
    rng = np.random.default_rng(3)
    image = np.zeros((100, 120), int)
    for label, place in zip(rng.permutation(20) + 1, np.ndindex(4, 5), strict=True):
        centre = np.multiply(place, (24, 23)) + rng.integers(12, 17, 2)
        image[ellipse(*centre, *rng.integers(5, 9, 2), rotation=rng.random())] = label
    return image


def processed(masks, factor=FACTOR, **kwargs):
    post = PostSegmentation(masks, factor, "cells", verbose=False, filter_config=OFF, **kwargs)
    post.process_masks_to_shapes()
    post.process_labels()
    post.process_table()
    return post


def other(shapes, geometry=None, index=None, **systems):
    """Shapes with another geometry, index or transformations."""
    changed = shapes.drop(columns="geometry").set_geometry(
        shapes.geometry.array if geometry is None else geometry
    )
    changed.index = shapes.index if index is None else index
    changed.attrs = {}
    transformations = {**get_transformation(shapes, get_all=True), **systems}
    return ShapesModel.parse(changed, transformations=transformations)


def moved(shapes, function):
    return other(shapes, shapely.transform(shapes.geometry.array, function))


def replaced(shapes, label, function):
    geometry = np.array(shapes.geometry)
    place = shapes.index.get_loc(label)
    geometry[place] = function(geometry[place])
    return other(shapes, geometry)


def swapped(shapes, a, b):
    return other(shapes, index=shapes.index.map(lambda label: {a: b, b: a}.get(label, label)))


def without(labels, label):
    return labels.copy(data=labels.data * (labels.data != label))
