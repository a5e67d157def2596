"""Which columns of a table of transcripts tell place, gene and quality."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

GENE_KEYS = ("feature_name", "gene", "target")  # Xenium, MERSCOPE, CosMx
PIXELS = ("x_global_px", "y_global_px")  # CosMx
MICRONS = (("x_location", "y_location"), ("global_x", "global_y"))  # Xenium, MERSCOPE
# beside those of the whole slide, x and y are those of a field of view, as in MERSCOPE's files
XY = (*MICRONS, PIXELS, ("x", "y"))
IS_GENE = "is_gene"
QV = "qv"
Z = ("z_location", "global_z")  # Xenium, MERSCOPE
NUMBERS = (*(name for pair in XY for name in pair), *Z, "z", QV)


class Columns(NamedTuple):
    """Names of columns; None where there is no such, or it is not asked."""

    x: str
    y: str
    gene: str
    qv: str | None
    is_gene: str | None

    @property
    def are_pixels(self) -> bool:
        """Whether the names of x and y say that they are in pixels."""
        return (self.x, self.y) == PIXELS

    @property
    def names(self) -> list[str]:
        """All that are read."""
        return list(dict.fromkeys(name for name in self if name is not None))


def choose_columns(
    schema: pa.Schema,
    gene_key: str | None,
    feature_key: str | None,
    xy: Iterable[str] | None,
    qv_key: str | None,
    is_element: bool = False,
) -> Columns:
    """Find the columns that are asked for, or those that the field has names for.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the points.
    gene_key, xy
        See `PostSegmentation.process_points`.
    feature_key : str or None
        What an element calls its column of genes.
    qv_key : str or None
        None: quality is not asked.
    is_element : bool
        Whether they are a SpatialData element, whose coordinates are ``x`` and ``y``.

    Raises
    ------
    ValueError
        When a column is missing, several could be meant, or one has the wrong type.
    """
    names = schema.names
    there = f"The points have the columns {', '.join(names) or 'none'}."
    if is_element and xy is None:
        xy = ("x", "y")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"the points have the column {min(twice)!r} twice. {there}")
    x, y = _choose_xy(names, xy, there)
    gene = _choose_gene(names, gene_key, feature_key, there)
    if qv_key is not None and qv_key not in names:
        if qv_key != QV:
            raise ValueError(
                f"qv_key is {qv_key!r}, and there is no such column. {there} min_qv=None takes "
                "all points, whatever their quality."
            )
        qv_key = None
    for name in filter(None, (x, y, qv_key)):
        kind = schema.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or _is_decimal(kind)):
            advice = " min_qv=None (--min-qv none) takes all points." if name == qv_key else ""
            raise ValueError(
                f"the column {name!r} of the points is {_text(kind)}, not numeric.{advice}"
            )
    if not _is_text(schema.field(gene).type):
        raise ValueError(
            f"the column {gene!r} of the points is {_text(schema.field(gene).type)}; gene_key must "
            "name one of names of genes."
        )
    flag = IS_GENE if IS_GENE in names else None
    if flag is not None and not _is_flag(schema.field(flag).type):
        raise ValueError(
            f"the column {flag!r} of the points, which tells genes from controls, is "
            f"{_text(schema.field(flag).type)}: make it true or false, or rename it."
        )
    return Columns(x, y, gene, qv_key, flag)


def _choose_xy(names: list[str], xy: Iterable[str] | None, there: str) -> tuple[str, str]:
    if xy is not None:
        pair = (xy,) if isinstance(xy, str) else tuple(xy)
        if len(pair) != 2 or pair[0] == pair[1]:
            given = pair[0] if len(pair) == 1 else xy
            raise ValueError(f"xy is {given!r}; give the names of two columns, e.g. ('x', 'y').")
        for name in pair:
            if name not in names:
                raise ValueError(f"xy has {name!r}, and there is no such column. {there}")
        return pair[0], pair[1]
    found = [pair for pair in XY if set(pair) <= set(names)]
    if len(found) > 1 and found[1] != ("x", "y"):
        pairs = " and ".join("/".join(pair) for pair in found)
        raise ValueError(f"the points have the coordinates {pairs}: choose by xy (--xy). {there}")
    if found:
        return found[0]
    known = ", ".join("/".join(pair) for pair in XY)
    raise ValueError(
        f"the points have none of the coordinates {known}: name them by xy (--xy). {there}"
    )


def _choose_gene(
    names: list[str], gene_key: str | None, feature_key: str | None, there: str
) -> str:
    if gene_key is not None:
        if gene_key not in names:
            raise ValueError(f"gene_key is {gene_key!r}, and there is no such column. {there}")
        return gene_key
    if feature_key in names:
        return str(feature_key)
    present = [name for name in GENE_KEYS if name in names]
    if len(present) != 1:
        found = f"several of {', '.join(present)}" if present else f"none of {', '.join(GENE_KEYS)}"
        raise ValueError(
            f"the points have {found}: name the column of genes by gene_key (--gene-key). {there}"
        )
    return present[0]


def _is_flag(kind: pa.DataType) -> bool:
    """Whether a column may say of each point if it is of a gene."""
    return bool(pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "null")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind))


def _text(kind: pa.DataType) -> str:
    return "of objects" if pa.types.is_null(kind) else str(kind)


def size_by_names(columns: Columns, pixel_size: float | None, known: float | None) -> float | None:
    """The pixel size to divide coordinates by, where their names tell if they are in um.

    Parameters
    ----------
    columns : Columns
        Of plain points, found by their names.
    pixel_size : float or None
        As it was given for the points.
    known : float or None
        That of the masks' image.

    Raises
    ------
    ValueError
        When they are in um, and the size is not known, or in pixels, and one is given.
    """
    pair = (columns.x, columns.y)
    if pair in MICRONS and pixel_size is None and known is None:
        raise ValueError(
            f"{columns.x} and {columns.y} are in um by their names: pass pixel_size= "
            "(--pixel-size; Xenium: 0.2125) or a matrix to_image=; or, if they are in pixels, name "
            "them by xy= (--points-in px)."
        )
    if columns.are_pixels and pixel_size is not None:
        raise ValueError(
            f"{columns.x} and {columns.y} are in pixels by their names, but pixel_size is "
            f"{pixel_size!r}: leave it out; or, if they are in um, name them by xy= "
            "(--points-in um)."
        )
    return known if pair in MICRONS and pixel_size is None else pixel_size


def check_min_qv(min_qv: Any) -> float | None:
    """Return the least quality, None meaning any.

    Raises
    ------
    TypeError, ValueError
        For what is no number.
    """
    if min_qv is None:
        return None
    if isinstance(min_qv, bool) or not isinstance(min_qv, numbers.Real):
        raise TypeError(f"min_qv is {min_qv!r}; give a number, or None to take all points.")
    if np.isnan(float(min_qv)):
        raise ValueError("min_qv is NaN; give a number, or None to take all points.")
    return float(min_qv)


def check_genes(genes: Any) -> tuple[str, ...] | None:
    """Return a panel of genes in its order.

    Raises
    ------
    TypeError, ValueError
        When it is no list of names, or has one twice.
    """
    if genes is None:
        return None
    names = None if isinstance(genes, str | bytes | pd.DataFrame) else [*genes]
    if names is None or not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"genes is {genes!r:.60}; give a list of the names of genes.")
    names = [str(name) for name in names]  # numpy's text too
    if not names:
        raise ValueError("genes is empty; give the names of the genes, or None for all.")
    twice = pd.Index(names)[pd.Index(names).duplicated()].unique()
    if len(twice):
        raise ValueError(f"genes has {', '.join(map(repr, twice[:5]))} twice; name a gene once.")
    return tuple(names)
