"""The coordinate systems that labels share with shapes or points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from postseg.geometry.placement import GLOBAL, Matrix, area_scale


def global_first(name: str) -> tuple[bool, str]:
    """Key to sort names of coordinate systems by."""
    return name != GLOBAL, name


def maps_to_pixels(
    of_labels: Mapping[str, Matrix], of_others: Mapping[str, Matrix], others: str, unused: str = ""
) -> dict[str, Matrix]:
    """Maps to pixels of the labels through each coordinate system that both are in.

    Parameters
    ----------
    of_labels, of_others : mapping of str to (3, 3) array
        From pixels of the labels, and from what else there is, to their coordinate systems.
    others : str
        What else there is, for messages.
    unused : str
        A system that both may be in and that is not taken.

    Returns
    -------
    dict of str to (3, 3) array
        By the name of the system, ``"global"`` first.

    Raises
    ------
    ValueError
        When they share none, or a map of the labels cannot be inverted.
    """
    shared = sorted((of_labels.keys() & of_others.keys()) - {unused}, key=global_first)
    if not shared:
        raise ValueError(
            f"labels and {others} have no coordinate system in common: the labels are in "
            f"{', '.join(sorted(of_labels))}, the {others} in {', '.join(sorted(of_others))}. "
            "Register both in one with spatialdata.transformations.set_transformation()."
        )
    for name in shared:
        if not area_scale(of_labels[name]):
            raise ValueError(f"the transformation of the labels to {name!r} is not invertible.")
    return {name: np.linalg.inv(of_labels[name]) @ of_others[name] for name in shared}
