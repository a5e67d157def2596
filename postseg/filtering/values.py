"""What a threshold may be: a number in a range, a word, or text with units, as pydantic has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AllowInfNan, BeforeValidator, Discriminator, Field, Strict, Tag

from postseg.filtering import quantities


def _plain(value: Any) -> Any:
    """NumPy scalars as Python numbers, and the word "none" (TOML has no null) as None."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str) and value.lower() == "none":
        return None
    return value


def _quantity(value: Any) -> Any:
    """The same, and text as a quantity in the one way it is written, so that equal ones are."""
    value = _plain(value)
    return str(quantities.parse(value)) if isinstance(value, str) else value


def _quantity_or_word(value: Any) -> Any:
    """The same, but for text that is no number with a unit."""
    has_unit = isinstance(value, str) and quantities.has_number(value)
    return _quantity(value) if has_unit else _plain(value)


def _bounds(value: Any) -> Any:
    """The same, and text as two bounds."""
    value = _plain(value)
    return str(quantities.parse_bounds(value)) if isinstance(value, str) else value


def _kind_of_area(value: Any) -> str:
    """Told apart by type first, so that an error speaks of the one alternative that was meant."""
    if not isinstance(value, str):
        return "number"
    return "quantity" if quantities.has_number(value) else "word"


_Number = Annotated[float, Strict(), AllowInfNan(False)]
Amount = Annotated[Annotated[_Number, Field(ge=0)] | None, BeforeValidator(_plain)]
Ratio = Annotated[Annotated[_Number, Field(ge=0, le=1)] | None, BeforeValidator(_plain)]
AreaBounds = Annotated[str, Tag("bounds")]
Outliers = Annotated[
    Annotated[Annotated[_Number, Field(gt=0)] | None, Tag("number")] | AreaBounds,
    Discriminator(lambda value: "bounds" if isinstance(value, str) else "number"),
    BeforeValidator(_bounds),
]
_AreaNumber = Annotated[Annotated[_Number, Field(ge=0)] | None, Tag("number")]
AreaQuantity = Annotated[str, Tag("quantity")]
Area = Annotated[
    _AreaNumber | AreaQuantity, Discriminator(_kind_of_area), BeforeValidator(_quantity)
]
MinArea = Annotated[
    _AreaNumber | AreaQuantity | Annotated[Literal["median", "median_div2"], Tag("word")],
    Discriminator(_kind_of_area),
    BeforeValidator(_quantity_or_word),
]
