"""What every profile is made of: strict models, and facts that name their source."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _calendar_date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a date that exists, as in 2026-11-21, not {text!r}") from None
    return text


Identifier = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
IsoDate = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_calendar_date)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]

Verified = Literal["hardware", "emulator", "never"]
"""How far a profile was tried: on the real thing, on its emulator, or not at all."""


class Model(BaseModel):
    """A section of a profile: immutable, finite, and no key is accepted that is not named."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Sourced(Model):
    """A fact with its origin; ``estimated`` marks a figure that no source gives."""

    source: str = Field(min_length=3)
    retrieved: IsoDate
    estimated: bool = False


class Quantified(Sourced):
    """A sourced value with its standard uncertainty, both in the unit the key names."""

    value: float
    u: NonNegative
