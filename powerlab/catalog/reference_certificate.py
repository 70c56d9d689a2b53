"""A reference's calibration certificate, copied by hand into a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from powerlab.catalog.facts import Identifier, IsoDate, Model, NonNegative, Positive
from powerlab.catalog.reading import check, read_table
from powerlab.errors import ProfileError


class CertifiedRange(Model):
    """How well one range of the reference was known on the day of its calibration.

    ``gain_percent`` (% of reading) and ``offset`` (in the quantity's unit) are expanded
    uncertainties with the factor ``k``. What the certificate found and nobody corrects belongs
    to them.
    """

    quantity: Literal["current", "voltage"]
    full_scale: Positive
    gain_percent: NonNegative
    offset: NonNegative
    k: Positive = 2.0


class ReferenceCertificate(Model):
    """The certificate of one reference by its serial number."""

    schema_version: Literal[1] = Field(alias="schema")
    certificate: str = Field(min_length=1)
    laboratory: str = Field(min_length=1)
    model: Identifier
    serial: str = Field(min_length=1)
    calibrated: IsoDate
    due: IsoDate
    range: tuple[CertifiedRange, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.due <= self.calibrated:
            raise ValueError(f"due on {self.due}, which is not after {self.calibrated}")
        return self


def read_certificate(path: Path) -> ReferenceCertificate:
    """Read a certificate file. Raises ProfileError with every problem of it."""
    table, problems = read_table(path)
    content = None
    if not problems:
        content, problems = check(ReferenceCertificate, table, path)
    if content is None:
        raise ProfileError(
            problems,
            hint="docs/how-to/calibrate.md shows such a file; a laboratory's DCC is read as .xml",
        )
    return content
