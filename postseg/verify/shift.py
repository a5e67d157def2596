"""Recognise points or labels that lie a pixel off, by looking again a pixel to each side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from postseg._support.words import floored, quoted
from postseg.geometry.placement import translation
from postseg.transcripts.sources import Source
from postseg.verify.looking import AROUND, Search, Seen, look_up

_CURED = 0.1  # of the points that disagree may do so still when a shift cures them


def find_shift(
    source: Source, search: Search, seen: Seen, groups: Sequence[list[str]]
) -> list[str]:
    """Sentences on the step that makes most points agree, if one does, in each of the `groups`."""
    bad = np.flatnonzero(seen.differing)
    found = []
    for i in bad[:1] if bad.size == len(groups) else bad:
        maps = np.array([translation(*step) @ search.maps[i] for step in AROUND])
        shifted = search._replace(maps=maps, columns=None)
        again = look_up(source, shifted, "Shifting points")
        best = int(np.argmin(again.differing / np.maximum(1, again.judged)))
        if again.differing[best] > _CURED * seen.differing[i] or not again.judged[best]:
            continue
        x, y = AROUND[best]
        after = floored(again.judged[best] - again.differing[best], again.judged[best])
        now = floored(seen.judged[i] - seen.differing[i], seen.judged[i])
        text = (
            f"shifting the points by ({_signed(x)}, {_signed(y)}) pixels (x, y) makes {after} of "
            f"them agree, now {now}: points or labels lie a pixel off"
        )
        if min(x, y) >= 0:  # there the translation is too large
            text += ", as labels do after bounding_box_query of spatialdata 0.8"
        text = f"in {quoted(groups[i])}, {text}." if len(groups) > 1 else f"{text}."
        found.append(text[0].upper() + text[1:])
    return found


def _signed(step: int) -> str:
    return f"{step:+d}" if step else "0"
