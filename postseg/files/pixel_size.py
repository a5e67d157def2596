"""Read how large a pixel is from the files of a microscope or a platform."""

from __future__ import annotations

import json
import math
import unicodedata
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from postseg._support.checks import check_pixel_size

_ADVICE = "Give the size itself, e.g. pixel_size=0.2125 (--pixel-size 0.2125)."
_ACCEPTED = "A pixel size is read from an OME-TIFF (.tif, .tiff) or an experiment.xenium."
_UNITS = {  # um, by the symbols of OME; one letter for the two micro signs and for the two of Å
    "\u03bcm": Fraction(1),
    "um": Fraction(1),
    "pm": Fraction(1, 10**6),
    "\u00c5": Fraction(1, 10**4),
    "nm": Fraction(1, 10**3),
    "mm": Fraction(10**3),
    "cm": Fraction(10**4),
    "m": Fraction(10**6),
    "in": Fraction(25_400),
    "inch": Fraction(25_400),
}
_SQUARE = 1e-3  # relative: sides that differ by more are of pixels that are not square


def read_pixel_size(path: str | Path) -> float:
    """Read the side of a pixel in um.

    Parameters
    ----------
    path : str or Path
        An OME-TIFF, whose first image counts, or the ``experiment.xenium`` of a Xenium run.

    Returns
    -------
    float
        Of a pixel at full resolution.

    Raises
    ------
    OSError
        The file is missing, a folder or damaged.
    ValueError
        It has another suffix, tells no size, or one that is none of a square pixel.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. {_ACCEPTED}")
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise ValueError(f"{path} has the suffix {path.suffix!r}. {_ACCEPTED} {_ADVICE}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. {_ACCEPTED}")
    return read(path)


def _read_xenium(path: Path) -> float:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}. {_ADVICE}") from error
    size = content.get("pixel_size") if isinstance(content, dict) else None
    if size is None:
        raise ValueError(f"{path} tells no pixel_size. {_ADVICE}")
    return _checked(path, size)


def _read_ome_tiff(path: Path) -> float:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            text = tiff.ome_metadata
    except Exception as error:  # of many kinds
        raise OSError(f"{path} cannot be read: {error}. It may be damaged.") from error
    if not text:
        raise ValueError(f"{path} is no OME-TIFF, so it tells no pixel size. {_ADVICE}")
    pixels = _first_pixels(path, text)
    across, down = (_side(path, pixels, f"PhysicalSize{axis}") for axis in "XY")
    if not math.isclose(across, down, rel_tol=_SQUARE):
        raise ValueError(
            f"{path} has pixels of {across:.6g} um (PhysicalSizeX) by {down:.6g} um "
            "(PhysicalSizeY); postseg takes square ones. Resample the image, and segment that."
        )
    return across


def _first_pixels(path: Path, text: str) -> dict[str, str]:
    """The attributes of the first ``Pixels`` element of OME-XML."""
    if "<!DOCTYPE" in text.upper():  # entities that it defines may expand to fill the memory
        raise ValueError(f"{path} has OME-XML with a DOCTYPE, which is not read. {_ADVICE}")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} has OME-XML that is not valid: {error}. {_ADVICE}") from error
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "Pixels":
            return dict(element.attrib)
    return {}


def _side(path: Path, pixels: dict[str, str], name: str) -> float:
    text, unit = pixels.get(name), pixels.get(f"{name}Unit", "\u03bcm")  # OME's default
    if text is None:
        raise ValueError(f"{path} tells no {name}. {_ADVICE}")
    in_um = _UNITS.get(unicodedata.normalize("NFKC", unit))
    if in_um is None:
        raise ValueError(
            f"{path} has the {name}Unit {unit!r:.40}, not one of {', '.join(_UNITS)}. {_ADVICE}"
        )
    try:
        # others as a fraction would fill the memory
        size = float(Fraction(text) * in_um) if 1e-99 < float(text) < 1e99 else math.nan
    except ValueError:
        size = math.nan
    return _checked(path, size, shown=f"{name} {text!r:.40}")


def _checked(path: Path, size: Any, shown: str = "") -> float:
    try:
        checked = check_pixel_size(size)
    except (TypeError, ValueError) as error:
        problem = f"the {shown}" if shown else f"the pixel_size {size!r:.40}"
        raise ValueError(f"{path} has {problem}, which is no size. {_ADVICE}") from error
    assert checked is not None  # as only None is unknown
    return checked


_READERS = {
    ".xenium": _read_xenium,
    ".json": _read_xenium,
    ".tif": _read_ome_tiff,
    ".tiff": _read_ome_tiff,
}
