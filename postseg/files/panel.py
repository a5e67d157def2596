"""Panels of genes: a list, a table or the gene_panel.json of Xenium."""

from __future__ import annotations

import csv
import json
import warnings
from collections import Counter
from pathlib import Path

from postseg._support.reading import reading

_COLUMNS = ("gene", "feature_name", "target", "name", "genes")  # in small letters
_GIVE = "Give a text file with one gene a line, a table with a column 'gene', or gene_panel.json."


def read_panel(path: Path) -> list[str]:
    """Read the names of genes, in their order.

    Parameters
    ----------
    path : Path
        Text with one gene a line; a CSV or TSV file with a header, of which the column ``gene``,
        ``feature_name``, ``target``, ``name`` or ``genes``, in letters of any case, is read, else
        the first; or Xenium's ``gene_panel.json``, of which the controls are left out.

    Raises
    ------
    OSError
        The file is missing, or is none of these.
    ValueError
        It has no gene, a line without one, or one twice. Names the file.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. {_GIVE}")
    with reading(path, _GIVE):
        # a spreadsheet marks UTF-8 by a first character that is not of the text
        text = path.read_text(encoding="utf-8-sig")
        genes = _of_xenium(text) if path.suffix.lower() == ".json" else None
    if genes is None:
        genes = _of_table(path, text)
    if not genes:
        raise ValueError(f"{path} has no gene. {_GIVE}")
    twice = [gene for gene, count in Counter(genes).items() if count > 1]
    if twice:
        raise ValueError(f"{path} has {', '.join(map(repr, twice[:5]))} twice; name a gene once.")
    return genes


def _of_xenium(text: str) -> list[str]:
    targets = [target["type"] for target in json.loads(text)["payload"]["targets"]]
    return [str(kind["data"]["name"]) for kind in targets if kind["descriptor"] == "gene"]


def _of_table(path: Path, text: str) -> list[str]:
    lines = text.splitlines()
    between = next((sign for sign in "\t,;" if any(sign in line for line in lines[:1])), ",")
    rows = [(i, row) for i, row in enumerate(csv.reader(lines, delimiter=between), 1) if any(row)]
    if not rows:
        return []
    header = [name.strip() for name in rows[0][1]]
    known = {name.lower(): i for i, name in reversed([*enumerate(header)])}
    column = next((known[name] for name in _COLUMNS if name in known), None)
    if column is not None or header[1:]:
        rows = rows[1:]
    if column is None and header[1:]:
        warnings.warn(
            f"{path} has none of the columns {', '.join(_COLUMNS)}: the genes were taken from its "
            f"first, {header[0]!r}.",
            stacklevel=2,
        )
    genes = []
    for line, row in rows:
        gene = row[column or 0].strip() if len(row) > (column or 0) else ""
        if not gene:
            raise ValueError(f"{path}, line {line}: it has no gene; add it, or delete the line.")
        genes.append(gene)
    return genes
