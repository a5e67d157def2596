"""`FilterConfig`: the thresholds of the filter, checked on entry."""

from __future__ import annotations

import difflib
import inspect
import json
import reprlib
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from postseg._support.atomic import replacing
from postseg._support.checks import SETTINGS
from postseg.filtering import quantities
from postseg.filtering.values import (
    Amount,
    Area,
    AreaBounds,
    AreaQuantity,
    MinArea,
    Outliers,
    Ratio,
)


class FilterConfig(BaseModel):
    """Thresholds of the filter; ``None`` switches a test off, bounds are inclusive.

    Frozen and checked: a misspelt or impossible threshold is an error, not a surprise in the
    result. Areas are in mask pixels, or text with a unit: ``"20 um2"``, for which the pixel size
    must be known, ``"80 px"``, or ``"10 %"``, a percentile of the areas of all regions.

    Raises
    ------
    ValueError
        Names the field, the value and what is allowed.

    Examples
    --------
    >>> FilterConfig(max_eccentricity=0.9)
    FilterConfig(max_eccentricity=0.9)
    >>> FilterConfig(max_eccentricity=0.9).replace(min_absolute_area=30)
    FilterConfig(max_eccentricity=0.9, min_absolute_area=30)
    >>> FilterConfig(min_absolute_area="20 µm²")
    FilterConfig(min_absolute_area='20 um2')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_eccentricity: Ratio = Field(
        default=None,
        description="Reject more elongated cells; 0 is a circle, 1 a line. Typical cells: up to "
        "0.95.",
    )
    min_area: MinArea = Field(
        default="median_div2",
        description="Reject smaller cells: 'median', 'median_div2' (half the median), a number "
        "from 0 to 100 = that PERCENTILE of the areas, a larger number = pixels. A floor of "
        "100 pixels or less has its unit: '80 px'.",
    )
    min_absolute_area: Area = Field(
        default=50,
        validate_default=True,  # a float like any other: of a union pydantic writes no int
        description="Reject debris: fewer pixels than this, whatever the other cells are.",
    )
    max_area: Area = Field(default=None, description="Reject larger cells, in pixels.")
    min_solidity: Ratio = Field(
        default=None,
        description="Reject concave cells, by area / area of the convex hull. Typical cells: 0.7 "
        "to 0.9.",
    )
    max_solidity: Ratio = Field(
        default=None,
        description="Reject cells that are too convex. Above 0.98: suspiciously smooth.",
    )
    min_extent: Ratio = Field(
        default=None,
        description="Reject cells that fill little of their bounding box. Below 0.3: thin.",
    )
    max_extent: Ratio = Field(
        default=None,
        description="Reject rectangular cells, by area / area of the bounding box. Typical cells: "
        "0.5 to 0.8.",
    )
    min_compactness: Ratio = Field(
        default=None,
        description="Reject irregular cells, by 4 pi area / perimeter^2. Typical: 0.6 to 0.8; "
        "below 0.5 irregular.",
    )
    max_convexity_deficit: Ratio = Field(
        default=0.20,
        description="Reject half-moons, by 1 - solidity. Normal cells: 0.05 to 0.15; half-moons "
        "above 0.20.",
    )
    max_perimeter_area_ratio: Amount = Field(
        default=None,
        description="Reject ragged cells, by perimeter / sqrt(area). Typical: 3.5 to 5.0; "
        "fragmented above 6.0.",
    )
    area_std_filter: Outliers = Field(
        default=None,
        description="Reject areas further from the mean than this many population standard "
        "deviations, or beyond two bounds in pixels: '20 to 300 px'.",
    )
    border: Literal["judge", "keep", "drop"] = Field(
        default="judge",
        description="What becomes of cells that the edge of the slide or a gap between tiles cuts: "
        "'judge' them as all others, 'keep' them whatever their shape and size, or 'drop' them.",
    )

    if not TYPE_CHECKING:  # which knows the fields by what pydantic makes of the class

        def __init__(self, **thresholds: Any) -> None:
            try:
                super().__init__(**thresholds)
            except ValidationError as error:
                raise ValueError(in_one_line(error)) from None

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name in data:
                if name not in cls.model_fields:
                    near = difflib.get_close_matches(str(name), cls.model_fields, n=1)
                    hint = f"did you mean {near[0]!r}?" if near else "there is no such threshold."
                    if name in SETTINGS:
                        hint = f"it is a setting, PostSegmentation({name}=...) or an option."
                    known = ", ".join(cls.model_fields)
                    raise ValueError(f"unknown threshold {name!r:.60}: {hint} Thresholds: {known}")
        return data

    @model_validator(mode="after")
    def _minimum_below_maximum(self) -> Self:
        for name in type(self).model_fields:
            noun = name.removeprefix("min_")
            if name == noun or f"max_{noun}" not in type(self).model_fields:
                continue
            low, high = getattr(self, name), getattr(self, f"max_{noun}")
            if low is None or high is None:
                continue
            bottom, top = (low, high) if noun != "area" else _comparable(low, high)
            if bottom > top:
                low, high = (str(value).removesuffix(".0") for value in (low, high))
                raise ValueError(
                    f"min_{noun} ({low}) is above max_{noun} ({high}): no cell could pass both"
                )
        return self

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Show what differs from the defaults."""
        changed = [(name, value) for name, value in self if value != type(self)().__dict__[name]]
        return [(name, int(value) if _is_whole(value) else value) for name, value in changed]

    def replace(self, **thresholds: Any) -> Self:
        """Return a copy with some thresholds changed, checked like a new one.

        Parameters
        ----------
        **thresholds
            Fields with their new values.

        Returns
        -------
        FilterConfig
            The copy.

        Raises
        ------
        ValueError
            Names the field, the value and what is allowed.
        """
        return type(self)(**{**dict(self), **thresholds})

    def in_pixels(self, pixel_area: Fraction | None) -> Self:
        """Return these thresholds with areas in um^2 turned into mask pixels, exactly.

        Parameters
        ----------
        pixel_area : Fraction or None
            Of a mask pixel, in um^2; None: not known.

        Returns
        -------
        FilterConfig
            Without any in um^2.

        Raises
        ------
        ValueError
            When there is one and the pixel size is not known; names the threshold.
        """
        found: dict[str, str] = {}
        for name, value in self:
            if not (isinstance(value, str) and takes_units(name)):
                continue
            quantity = quantities.read(value)
            if quantity is None or quantity.unit != quantities.MICRONS:
                continue
            if pixel_area is None:
                raise ValueError(
                    f"{name} is {value!r}, and the size of a pixel is not known: give pixel_size= "
                    "(--pixel-size), in um, or the area in pixels, such as '80 px'."
                )
            found[name] = str(quantities.in_pixels(quantity, pixel_area))
        return self.replace(**found) if found else self

    def to_file(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write the thresholds to a TOML or JSON file, from which `from_file` reads the same.

        Parameters
        ----------
        path : path
            A ``.toml`` or ``.json`` file. It is written completely or not at all.
        overwrite : bool
            Replace an existing file.

        Raises
        ------
        OSError
            When the path exists, or cannot be written to.
        ValueError
            When it is neither ``.toml`` nor ``.json``.
        """
        suffix = _suffix_of(Path(path))
        text = config_toml(self) if suffix == ".toml" else self.model_dump_json(indent=2) + "\n"
        with replacing(path, overwrite) as part:
            part.write_text(text, encoding="utf-8")

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """Read thresholds from a TOML or JSON file; what it leaves out keeps its default.

        ``"none"`` switches a test off (in JSON ``null`` does too). The text is UTF-8.

        Parameters
        ----------
        path : path
            A ``.toml`` or ``.json`` file.

        Returns
        -------
        FilterConfig
            Its thresholds.

        Raises
        ------
        OSError
            When there is no such file, or it cannot be read.
        ValueError
            When it is neither ``.toml`` nor ``.json``, cannot be parsed, or holds a bad value.
        """
        path = Path(path)
        suffix = _suffix_of(path)
        content = path.read_bytes()
        try:
            text = content.decode("utf-8-sig")  # editors on Windows put a mark first
            data = tomllib.loads(text) if suffix == ".toml" else _parse_json(text)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not text in UTF-8 ({error}); save it as UTF-8") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not valid {suffix[1:].upper()}: {error}") from error
        if not isinstance(data, dict):
            raise ValueError(f"{path} must hold a table of thresholds, e.g. max_area = 2000")
        try:
            return cls(**data)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _suffix_of(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".json"):
        raise ValueError(f"{path}: thresholds are read from .toml or .json files")
    return suffix


def config_toml(config: FilterConfig) -> str:
    """Write thresholds as TOML that `FilterConfig.from_file` reads back, "none" being off."""
    return "".join(f"{name} = {_toml(value)}\n" for name, value in config)


def _toml(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return f'"{value or "none"}"'
    short = f"{value:.10g}"
    return short if float(short) == value else repr(value)


def _parse_json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"{key!r} is set twice")
            found[key] = value
        return found

    return json.loads(text, object_pairs_hook=once)


def _comparable(low: float | str, high: float | str) -> tuple[Fraction, Fraction]:
    """A smallest and a largest area in one unit; equal where nothing can be said of them yet."""
    bottom, top = quantities.read(low, low_is_percentile=True), quantities.read(high)
    if bottom is None or top is None or bottom.unit != top.unit or top.unit == quantities.PERCENT:
        return Fraction(0), Fraction(0)
    return bottom.value, top.value


def limits(field: str) -> dict[str, float]:
    """The numbers that a threshold may be, as pydantic has it: ``{"ge": 0, "le": 1}``."""
    parts = _parts(FilterConfig.model_fields[field].annotation)
    found = [limit for part in parts if isinstance(part, FieldInfo) for limit in part.metadata]
    return {name: value for limit in found for name, value in asdict(limit).items()}


def range_of(field: str) -> str:
    """The same in words: ``from 0 to 1``; nothing of what is no number."""
    found = limits(field)
    if not found:
        return ""
    low = f"above {found['gt']:g}" if "gt" in found else f"from {found['ge']:g}"
    return f"{low} to {found['le']:g}" if "le" in found else low


def rules(field: str) -> list[str]:
    """The words that a threshold may be instead of a number."""
    parts = _parts(FilterConfig.model_fields[field].annotation)
    return [part for part in parts if isinstance(part, str)]


def takes_units(field: str) -> bool:
    """Whether a threshold may be text with a unit."""
    return AreaQuantity in _parts(FilterConfig.model_fields[field].annotation)


def text_of(field: str) -> str:
    """What a threshold may be instead of a number or a word, as an error lists it, or nothing."""
    if takes_units(field):
        return f"a number with a unit: {quantities.UNITS_IN_WORDS}"
    takes_bounds = AreaBounds in _parts(FilterConfig.model_fields[field].annotation)
    return quantities.BOUNDS_IN_WORDS if takes_bounds else ""


def _parts(annotation: Any) -> Iterator[Any]:
    """All that an annotation is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


THRESHOLDS = tuple(name for name in FilterConfig.model_fields if limits(name))  # no policies


def describe_thresholds(names: Iterable[str] = tuple(FilterConfig.model_fields)) -> str:
    """The thresholds as parameters of a docstring: what each is for, its range and default."""
    entries = []
    for name in names:
        field = FilterConfig.model_fields[name]
        words = ", ".join(f'"{rule}"' for rule in rules(name))
        kinds = [f"{{{words}}}"] * bool(words) + [f"float {range_of(name)}"] * bool(limits(name))
        kinds += ["text with a unit"] * bool(text_of(name))
        default = f'"{field.default}"' if isinstance(field.default, str) else field.default
        default = "optional" if default is None else f"default {default}"
        entries.append(f"{name} : {' or '.join(kinds)}, {default}")
        entries += textwrap.wrap(
            field.description or "", 96, initial_indent="    ", subsequent_indent="    "
        )
    return "\n".join(entries)


# as people call it: pydantic's own signature spells out every validator
FilterConfig.__signature__ = inspect.Signature(
    [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for name, field in FilterConfig.model_fields.items()
    ]
)
if FilterConfig.__doc__:  # python -OO has none
    _before, _heading, _after = inspect.cleandoc(FilterConfig.__doc__).partition("Raises\n")
    _parameters = f"Parameters\n----------\n{describe_thresholds()}\n\n"
    FilterConfig.__doc__ = _before + _parameters + _heading + _after


def in_one_line(error: ValidationError) -> str:
    """What is wrong with thresholds, without pydantic's trimmings."""
    lines = []
    for details in error.errors():
        line = details["msg"].removeprefix("Value error, ")
        # the first part is the field, those after it are the alternatives of its type
        if details["loc"]:
            given = reprlib.repr(details["input"])  # of bounded depth and length
            line = f"{details['loc'][0]}: {line[:1].lower()}{line[1:]} (got {given})"
        lines.append(line)
    return "; ".join(lines)


def suggestion(name: Any, known: Iterable[str]) -> str:
    """How an error about an unknown name goes on: what was probably meant, and what there is."""
    near = difflib.get_close_matches(str(name).lower().replace(" ", "_"), known, n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    return f"{hint} Choose one of: {', '.join(known)}."


def no_setting(name: str, value: Any) -> str:
    """What an error says of an unknown setting of `PostSegmentation`."""
    hint = suggestion(name, SETTINGS)
    if name in FilterConfig.model_fields:
        hint = f": it is a threshold, give filter_config={{{name!r}: {value!r:.40}}}."
    return f"no setting {name!r}{hint}"


def check_config(config: Any) -> FilterConfig:
    """Return the thresholds as a `FilterConfig`; a mapping is checked, None means defaults.

    Raises
    ------
    TypeError
        For anything else.
    ValueError
        For impossible thresholds.
    """
    if isinstance(config, FilterConfig):
        return config
    if config is not None and not isinstance(config, Mapping):
        raise TypeError(
            f"filter_config is {config!r:.100}; give a FilterConfig, e.g. "
            "FilterConfig(max_eccentricity=0.95) or FilterConfig.from_file('strict.toml')."
        )
    return FilterConfig(**(config or {}))
