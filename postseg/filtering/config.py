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
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import (
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo


def _plain(value: Any) -> Any:
    """NumPy scalars as Python numbers, and the word "none" (TOML has no null) as None."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str) and value.lower() == "none":
        return None
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _rule_or_number(value: Any) -> str:
    return "rule" if isinstance(value, str) else "number"


_Number = Annotated[float, Strict(), AllowInfNan(False)]
_Area = Annotated[Annotated[_Number, Field(ge=0)] | None, BeforeValidator(_plain)]
_Ratio = Annotated[Annotated[_Number, Field(ge=0, le=1)] | None, BeforeValidator(_plain)]
_Sigmas = Annotated[Annotated[_Number, Field(gt=0)] | None, BeforeValidator(_plain)]
# Told apart by type first, so that an error speaks of the one alternative that was meant.
_MinArea = Annotated[
    Annotated[Literal["median", "median_div2"], Tag("rule")]
    | Annotated[Annotated[_Number, Field(ge=0)] | None, Tag("number")],
    Discriminator(_rule_or_number),
    BeforeValidator(_plain),
]


class FilterConfig(BaseModel):
    """Thresholds of the filter; ``None`` switches a test off, bounds are inclusive.

    Frozen and checked: a misspelt or impossible threshold is an error, not a surprise in the
    result. Areas are in mask pixels.

    Raises
    ------
    pydantic.ValidationError
        A ``ValueError`` that names the field, the value and what is allowed.

    Examples
    --------
    >>> FilterConfig(max_eccentricity=0.9)
    FilterConfig(max_eccentricity=0.9)
    >>> FilterConfig(max_eccentricity=0.9).replace(min_absolute_area=30)
    FilterConfig(max_eccentricity=0.9, min_absolute_area=30)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_eccentricity: _Ratio = Field(
        default=None,
        description="Reject more elongated cells; 0 is a circle, 1 a line. Typical cells: up to "
        "0.95.",
    )
    min_area: _MinArea = Field(
        default="median_div2",
        description="Reject smaller cells: 'median', 'median_div2' (half the median), a number "
        "from 0 to 100 = that PERCENTILE of the areas, a larger number = pixels. For a floor "
        "below 100 pixels use min_absolute_area.",
    )
    min_absolute_area: _Area = Field(
        default=50,
        description="Reject debris: fewer pixels than this, whatever the other cells are.",
    )
    max_area: _Area = Field(default=None, description="Reject larger cells, in pixels.")
    min_solidity: _Ratio = Field(
        default=None,
        description="Reject concave cells, by area / area of the convex hull. Typical cells: 0.7 "
        "to 0.9.",
    )
    max_solidity: _Ratio = Field(
        default=None,
        description="Reject cells that are too convex. Above 0.98: suspiciously smooth.",
    )
    min_extent: _Ratio = Field(
        default=None,
        description="Reject cells that fill little of their bounding box. Below 0.3: thin.",
    )
    max_extent: _Ratio = Field(
        default=None,
        description="Reject rectangular cells, by area / area of the bounding box. Typical cells: "
        "0.5 to 0.8.",
    )
    min_compactness: _Ratio = Field(
        default=None,
        description="Reject irregular cells, by 4 pi area / perimeter^2. Typical: 0.6 to 0.8; "
        "below 0.5 irregular.",
    )
    max_convexity_deficit: _Ratio = Field(
        default=0.20,
        description="Reject half-moons, by 1 - solidity. Normal cells: 0.05 to 0.15; half-moons "
        "above 0.20.",
    )
    max_perimeter_area_ratio: _Area = Field(
        default=None,
        description="Reject ragged cells, by perimeter / sqrt(area). Typical: 3.5 to 5.0; "
        "fragmented above 6.0.",
    )
    area_std_filter: _Sigmas = Field(
        default=None,
        description="Reject areas further from the mean than this many population standard "
        "deviations.",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name in data:
                if name not in cls.model_fields:
                    near = difflib.get_close_matches(str(name), cls.model_fields, n=1)
                    hint = f"did you mean {near[0]!r}?" if near else "there is no such threshold."
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
            if noun == "area" and (isinstance(low, str) or (low is not None and low <= 100)):
                continue  # relative to the cells found: nothing to compare yet
            if low is not None and high is not None and low > high:
                low, high = (repr(value).removesuffix(".0") for value in (low, high))
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
        pydantic.ValidationError
            A ``ValueError`` that names the field, the value and what is allowed.
        """
        return type(self)(**{**dict(self), **thresholds})

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
        suffix = path.suffix.lower()
        if suffix not in (".toml", ".json"):
            raise ValueError(f"{path}: thresholds are read from .toml or .json files")
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
        except ValidationError as error:
            raise ValueError(f"{path}: {in_one_line(error)}") from error


def _parse_json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"{key!r} is set twice")
            found[key] = value
        return found

    return json.loads(text, object_pairs_hook=once)


def limits(field: str) -> dict[str, float]:
    """The numbers that a threshold may be, as pydantic has it: ``{"ge": 0, "le": 1}``."""
    parts = _parts(FilterConfig.model_fields[field].annotation)
    found = [limit for part in parts if isinstance(part, FieldInfo) for limit in part.metadata]
    return {name: value for limit in found for name, value in asdict(limit).items()}


def range_of(field: str) -> str:
    """The same in words: ``from 0 to 1``."""
    found = limits(field)
    low = f"above {found['gt']:g}" if "gt" in found else f"from {found['ge']:g}"
    return f"{low} to {found['le']:g}" if "le" in found else low


def rules(field: str) -> list[str]:
    """The words that a threshold may be instead of a number."""
    parts = _parts(FilterConfig.model_fields[field].annotation)
    return [part for part in parts if isinstance(part, str)]


def _parts(annotation: Any) -> Iterator[Any]:
    """All that an annotation is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def describe_thresholds() -> str:
    """The thresholds as parameters of a docstring: what each is for, its range and default."""
    entries = []
    for name, field in FilterConfig.model_fields.items():
        words = ", ".join(f'"{rule}"' for rule in rules(name))
        kinds = [f"{{{words}}}"] * bool(words) + [f"float {range_of(name)}"]
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


def check_config(config: Any) -> FilterConfig:
    """Return the thresholds as a `FilterConfig`; a mapping is checked, None means defaults.

    Raises
    ------
    TypeError
        For anything else.
    pydantic.ValidationError
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
