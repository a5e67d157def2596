"""What the report page needs to filter anew by itself: every region's metrics, and where it lies.

One block of bytes: the length of a head, the head as JSON, and arrays, their bytes in planes (all
lowest bytes first), which compress better. `templates/unpack.js` reads it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import heading, human, name_of
from postseg.filtering import criteria
from postseg.filtering.config import FilterConfig, config_toml, limits, rules, takes_units
from postseg.filtering.metrics import METRIC
from postseg.filtering.report import FilterReport
from postseg.filtering.run import TRANSCRIPTS
from postseg.show.charts import bins_of
from postseg.show.overview import count_all, views_of
from postseg.show.page.counted import arrays_of_page, bins_of_page
from postseg.show.page.data import rule_text
from postseg.show.page.measures import bounds_of, facts_of, field_of, measures_in
from postseg.show.page.pictures import encoded, where
from postseg.show.page.render import MOST_MOVED, data_uri
from postseg.show.paint import Pixels
from postseg.show.palette import KEPT, OTHER, Style, styles_of
from postseg.show.pictures import Layers, Scene, layers_of
from postseg.show.view import Axis, View

_TYPES = {"u1": np.uint8, "i4": np.int32, "f8": np.float64, "i8": np.int64}
_MOST_REASONS = 150  # a byte tells them apart, two more for each measure, and pale colours
_LEVEL = 6  # of gzip; the highest takes ten times as long for a twentieth less

Formula = Callable[..., NDArray[np.float64]]

# How columns follow from others. The browser computes the same, and IEEE arithmetic gives the same
# bits; one that does not give every bit of a column here is not used.
_FORMULAS: dict[str, tuple[str, tuple[str, ...], Formula]] = {
    "solidity": ("ratio", ("area", "area_convex"), lambda a, b: a / b),
    "extent": ("filled", ("area", "height", "width"), lambda a, h, w: a / (1.0 * h * w)),
    "compactness": ("compactness", ("area", "perimeter"), lambda a, p: _compactness(a, p)),
    "convexity_deficit": ("rest", ("solidity",), lambda a: 1 - a),
    "perimeter_area_ratio": ("over_root", ("perimeter", "area"), lambda p, a: p / np.sqrt(a)),
}


class Block(NamedTuple):
    """An array to be packed, and before how many values the one lies that each is told against."""

    name: str
    array: NDArray[Any]
    stride: int = 0


def pack_live(
    scene: Scene,
    regions: pd.DataFrame,
    failed: pd.DataFrame,
    report: FilterReport,
    pixel_area: Fraction | None,
) -> str:
    """Pack a filter run so that a browser can make others of it.

    Parameters
    ----------
    scene : Scene
        What there is to see.
    regions : DataFrame
        The audit table.
    failed : DataFrame of bool
        Which regions failed which test, as `rejections` told.
    report : FilterReport
        Of the same run.
    pixel_area : Fraction or None
        Of a mask pixel, in um^2.

    Returns
    -------
    str
        For the page; nothing where there are no regions, more than `MOST_MOVED`, or over 150
        reasons: then a page tells of the run only.
    """
    if not 0 < report.total <= MOST_MOVED or failed.shape[1] > _MOST_REASONS:
        return ""
    scene = scene._replace(seams=None)
    bins, views = None, views_of(scene, regions)
    if not views:
        bins, views = count_all(scene, regions)
    stated = report.stated
    if pixel_area is None or stated.in_pixels(pixel_area) != report.config:
        stated, pixel_area = report.config, None  # the size is not the one that it was run with
    blocks = _columns(regions)
    formulas = _shorten(blocks, regions)
    outcomes, changed = _outcomes(regions, failed, report.config)
    measures, left_out = measures_in(regions)
    tests: list[dict[str, Any]] = []
    for measure in measures:
        tests += bounds_of(measure, {*failed, *(test["reason"] for test in tests)})
    blocks += [Block(one.column, _narrow(regions[one.column].to_numpy())) for one in measures]
    styles = styles_of(failed.columns, [test["reason"] for test in tests])
    layers = [layers_of(scene, view, styles) for view in views]
    blocks += outcomes
    for k, layer in enumerate(layers):
        # a pixel is mostly of the region of the one above it
        blocks += [Block(f"map_{k}", layer.shown.ravel(), layer.shown.shape[1])]
        blocks += [Block(f"tones_{k}", layer.tones.astype(np.uint8))]
    swatches = layers[0].swatches if layers else {}
    maps = [_map(layer, view, scene) for layer, view in zip(layers, views, strict=True)]
    counted = None
    if bins is not None:
        counted, plain = bins_of_page(scene, bins, styles)
        swatches = swatches or plain
        arrays = arrays_of_page(regions, bins, views)
        blocks += [Block(name, values, int(name != "strength")) for name, values in arrays.items()]
        maps = [{**shown, "where": where(view)} for shown, view in zip(maps, views, strict=True)]
    reasons = [
        _reason(name, human(name), human(name).lower(), rule_text(name, report))
        for name in map(str, failed.columns)
    ] + [_reason(test["reason"], test["title"], test["text"], "") for test in tests]
    lines = zip(FilterConfig.model_fields, config_toml(stated).splitlines(), strict=True)
    area = regions["area"].to_numpy()
    head = {
        "total": report.total,
        "transcripts": None if report.transcripts is None else report.transcripts.total,
        "tests": [test._asdict() for test in criteria.TESTS if test.reason in failed] + tests,
        "reasons": [one | _look(one["name"], styles, swatches) for one in reasons],
        "changed": changed,
        "kept": {"swatch": data_uri(encoded(swatches[""])), "colour": KEPT},
        "other": OTHER,
        "fields": {field: _field(field, line, stated) for field, line in lines}
        | {test["threshold"]: field_of(test) for test in tests},
        "metrics": {
            metric: _metric(metric, regions, report.config)
            for metric in dict.fromkeys(test.metric for test in criteria.TESTS)
        }
        | {measure.column: facts_of(measure) for measure in measures},
        "left_out": left_out,
        # sums of many floats depend on their order
        "area": {"mean": float(area.mean()), "deviation": float(area.std())},
        "pixel_area": None
        if pixel_area is None
        else [str(p) for p in pixel_area.as_integer_ratio()],
        "maps": maps,
        "bins": counted,
        "formulas": formulas,
        "arrays": [[name, _kind(v), v.size, stride] for name, v, stride in blocks],
    }
    return _pack(head, blocks)


def _columns(regions: pd.DataFrame) -> list[Block]:
    """What there is of each region, in the order of their numbers."""
    box = regions[["min_row", "min_col", "max_row", "max_col"]].to_numpy()
    place = regions[["centroid_row", "centroid_col"]].to_numpy()
    tenths = np.rint(10 * place).astype(np.int32)
    blocks = [
        Block("source_label", regions["source_label"].to_numpy(np.int64), 1),
        Block("area_convex", _narrow(regions["area_convex"].to_numpy())),
        Block("top", box[:, 0].astype(np.int32), 1),
        Block("left", box[:, 1].astype(np.int32)),
        Block("height", (box[:, 2] - box[:, 0]).astype(np.int32)),
        Block("width", (box[:, 3] - box[:, 1]).astype(np.int32)),
        Block("row_tenths", tenths[:, 0], 1),
        Block("col_tenths", tenths[:, 1]),
    ]
    known = [*METRIC, *([TRANSCRIPTS] if TRANSCRIPTS in regions else [])]
    return blocks + [Block(name, _narrow(regions[name].to_numpy())) for name in known]


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in half the bytes where they fit, and all others as they are."""
    with np.errstate(invalid="ignore"):
        small = np.abs(values) <= np.iinfo(np.int32).max
        fits = bool((small & (values == np.rint(values))).all())
    return values.astype(np.int32 if fits else np.float64)


def _shorten(blocks: list[Block], regions: pd.DataFrame) -> list[tuple[str, str, tuple[str, ...]]]:
    """Take out the columns that follow from others to the bit; returns by which formula."""
    known = {block.name: block.array for block in blocks}
    found = []
    for name, (formula, of, compute) in _FORMULAS.items():
        with np.errstate(all="ignore"):
            values = compute(*(known[part] for part in of))
        if np.array_equal(values, known[name], equal_nan=True):
            found.append((name, formula, of))
            blocks[:] = [block for block in blocks if block.name != name]
    return found


def _compactness(area: NDArray[Any], perimeter: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(perimeter > 0, 4 * np.pi * area / (perimeter * perimeter), np.nan)


def _outcomes(
    regions: pd.DataFrame, failed: pd.DataFrame, config: FilterConfig
) -> tuple[list[Block], list[str]]:
    """What does not follow from the thresholds, by region: cuts, and the tests of a subclass.

    Where it changed the outcome of one of ours, a region that it kept or rejected against that goes
    the same way again, as in a restored store.
    """
    ours = criteria.rejections(regions, config)
    blocks, changed = [Block("cut", criteria.is_cut(regions).astype(np.uint8))], []
    for k, reason in enumerate(failed.columns):
        outcome = failed[reason].to_numpy(dtype=bool)
        if reason not in ours:
            blocks.append(Block(f"own_{k}", outcome.astype(np.uint8)))
            continue
        expected = ours[reason].to_numpy()
        for name, differs in (("added", outcome & ~expected), ("spared", expected & ~outcome)):
            if differs.any():
                blocks.append(Block(f"{name}_{k}", differs.astype(np.uint8)))
                changed.append(reason)
    return blocks, list(dict.fromkeys(changed))


def _reason(name: str, title: str, text: str, rule: str) -> dict[str, Any]:
    return {"name": name, "title": title, "text": text, "rule": rule}


def _look(reason: str, styles: dict[str, Style], swatches: dict[str, Pixels]) -> dict[str, Any]:
    colour, pattern = styles[reason]
    swatch = data_uri(encoded(swatches[reason]))
    return {"colour": colour, "pattern": pattern, "swatch": swatch}


def _field(field: str, line: str, stated: FilterConfig) -> dict[str, Any]:
    return {
        "setting": getattr(stated, field),
        "line": line,
        "limits": limits(field),
        "words": rules(field),
        "takes_units": takes_units(field),
        "text": FilterConfig.model_fields[field].description,
    }


def _metric(metric: str, regions: pd.DataFrame, config: FilterConfig) -> dict[str, Any]:
    known = METRIC[metric]
    return {
        "title": heading(metric),
        "name": name_of(metric),
        "definition": known.definition,
        "unit": known.unit,
        "whole": known.whole,
        "typical": known.typical,
        "edges": _bins(metric, regions, config).tolist(),
    }


def _bins(metric: str, regions: pd.DataFrame, config: FilterConfig) -> NDArray[np.float64]:
    """Those of the static histogram, but none of values that no threshold may have."""
    edges = bins_of(metric, regions, config)
    highest = max(
        limits(test.threshold).get("le", np.inf) for test in criteria.TESTS if test.metric == metric
    )
    if edges[-1] > highest > edges[0]:
        room = 0.03 * (highest - edges[0])
        edges = np.linspace(edges[0], min(edges[-1], highest + room), edges.size)
    return edges


def _map(layer: Layers, view: View, scene: Scene) -> dict[str, Any]:
    height, width = layer.shown.shape
    inks = layer.inks
    return {
        "height": height,
        "width": width,
        "rows": _axis(view.rows),
        "cols": _axis(view.cols),
        "reasons": layer.reasons,
        "inks": {
            "colour": np.asarray(inks.colour, float).tolist(),
            "opacity": np.asarray(inks.opacity, float).tolist(),
            "pattern": inks.pattern.tolist(),
            "edge_colour": np.asarray(inks.edge_colour, float).tolist(),
            "edge_opacity": np.asarray(inks.edge_opacity, float).tolist(),
            "line": inks.line,
            "stripe": inks.stripe,
        },
        "tissue": None if layer.tissue is None else data_uri(encoded(layer.tissue, photo=True)),
    }


def _axis(axis: Axis) -> dict[str, int]:
    return axis._asdict()


def _kind(values: NDArray[Any]) -> str:
    return next(name for name, kind in _TYPES.items() if values.dtype == kind)


def _pack(head: dict[str, Any], blocks: list[Block]) -> str:
    text = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    parts = [len(text).to_bytes(4, "little"), text, *map(_planes, blocks)]
    return base64.b64encode(gzip.compress(b"".join(parts), _LEVEL, mtime=0)).decode()


def _planes(block: Block) -> bytes:
    values = block.array.astype(block.array.dtype.newbyteorder("<"))
    if block.stride:
        values[block.stride :] -= block.array[: -block.stride]
    return values.view(np.uint8).reshape(-1, values.itemsize).T.tobytes()
