"""Kinds of transcripts: genes, controls, and those that do not count, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

GENE, OTHER_GENE, CONTROL = "gene", "other_gene", "control"
NO_GENE, LOW_QUALITY, INVALID = "no_gene", "low_quality", "invalid"
KINDS = (GENE, OTHER_GENE, CONTROL, NO_GENE, LOW_QUALITY, INVALID)

# Names of controls by what they control, as regular expressions of how they begin: those of
# Xenium, MERSCOPE (Blank-) and CosMx (NegPrb, Negative1, SystemControl, FalseCode).
CONTROLS: Mapping[str, str] = {
    "control_probe": r"NegControlProbe|antisense_|NegPrb|Negative\d",
    "control_codeword": r"NegControlCodeword|SystemControl|FalseCode",
    "unassigned_codeword": r"UnassignedCodeword|BLANK_|Blank-",
    "deprecated_codeword": r"DeprecatedCodeword",
    "genomic_control": r"Intergenic_Region",
}
OTHER_CONTROL = "other_control"  # one that none of these classes names

Controls = Mapping[str, str] | Iterable[str] | str | None


def check_controls(controls: Controls) -> dict[str, str]:
    """Return patterns of the names of controls, by class.

    Raises
    ------
    TypeError, ValueError
        For what is no regular expression, and for a class that the table has no column of.
    """
    if controls is None:
        return {}
    if isinstance(controls, str):
        controls = [controls]
    if not isinstance(controls, Mapping):
        patterns = list(controls)
        for pattern in patterns:
            _check_pattern(pattern)
        if not patterns:
            return {}
        controls = {OTHER_CONTROL: "|".join(f"(?:{pattern})" for pattern in patterns)}
    for name, pattern in controls.items():
        if name not in (*CONTROLS, OTHER_CONTROL):
            known = ", ".join((*CONTROLS, OTHER_CONTROL))
            raise ValueError(f"controls has the class {name!r}; classes are: {known}.")
        _check_pattern(pattern)
    return dict(controls)


def _check_pattern(pattern: Any) -> None:
    if not isinstance(pattern, str) or not pattern:
        raise TypeError(
            f"controls has {pattern!r}; give a regular expression of how names of controls begin, "
            "e.g. 'NegControlProbe|Blank-', or None for no controls."
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"controls has {pattern!r}, no regular expression: {error}.") from error


def class_of(name: str, controls: Mapping[str, str]) -> str:
    """The class of control that a name is of, by how it begins; empty for no control."""
    for kind, pattern in controls.items():
        if re.match(pattern, name):
            return kind
    return ""
