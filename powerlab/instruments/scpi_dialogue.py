"""Sessions with SCPI instruments that go by the ``[scpi]`` section of a profile.

What the drivers of meters, loads and supplies share: who answers, settings sent and read back,
the error queue.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.scpi_answer import FIELD
from powerlab.catalog.scpi_profile import ScpiProfile
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.scpi import broken, decode_identity
from powerlab.instruments.scpi_reading import decode_setting, decode_word
from powerlab.instruments.scpi_session import check_errors, check_setting
from powerlab.records import MeterIdentity
from powerlab.transport.visa import TextLink, VisaLink, open_visa

LINE_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What is said to one instrument; ``name`` is what messages call it."""

    link: TextLink
    scpi: ScpiProfile
    name: str

    def send(self, commands: Iterable[str], values: Mapping[str, object]) -> None:
        """Send commands with their placeholders filled in."""
        for command in commands:
            self.link.write(command.format_map(values))

    def ask(self, command: str, limit_s: float | None = None) -> str:
        """Ask one question."""
        return self.link.query(command, limit_s or self.scpi.reply_limit_s)

    def clear(self) -> None:
        """Let it forget old errors."""
        if self.scpi.clear:
            self.link.write(self.scpi.clear)

    def confirm(
        self, expected: Mapping[str, str], values: Mapping[str, object], step: float = 1e-9
    ) -> None:
        """Raise ``InstrumentError`` where a setting read back is not what was set."""
        for command, text in expected.items():
            wanted = text.format_map(values)
            number = FIELD.fullmatch(wanted)
            if number is not None:
                self.confirm_number(command, float(number["number"]), step)
            else:
                told = self.ask(command)
                if decode_word(told) != decode_word(wanted):
                    raise broken(command, told, f"is not {wanted}, which was set")

    def confirm_number(self, command: str, wanted: float, step: float = 1e-9) -> None:
        """Raise ``InstrumentError`` where a number is off by a thousandth and by a ``step``."""
        told = decode_setting(command, self.ask(command))
        check_setting(self.name, command, told, wanted, step)

    def check_errors(self) -> None:
        """Read the error queue empty; ``InstrumentError`` with all of its entries."""
        if self.scpi.error_query:
            check_errors(
                self.link,
                self.name,
                self.scpi.reply_limit_s,
                command=self.scpi.error_query,
                no_error=self.scpi.no_error,
            )

    def settle(self) -> None:
        """Wait as long as the instrument takes for a change of its settings."""
        time.sleep(self.scpi.settle_s)


def section(profile: InstrumentProfile) -> ScpiProfile:
    """Get a profile's ``[scpi]`` section; ``ConfigError`` where it has none."""
    if profile.scpi is None:
        raise ConfigError(
            f"the profile {profile.id} does not say what the instrument understands",
            hint="give it an [scpi] section, see docs/how-to/add-an-scpi-meter.md",
        )
    return profile.scpi


def identify_model(dialogue: Dialogue, profile: InstrumentProfile) -> MeterIdentity:
    """Get who answers, in the SCPI language; ``InstrumentError`` where it is another model."""
    link, scpi = dialogue.link, dialogue.scpi
    manufacturer, model, serial, firmware = decode_identity(link.identity)
    if not any(fnmatchcase(model.upper(), pattern.upper()) for pattern in scpi.models):
        raise InstrumentError(
            f"{link.resource} is a {manufacturer} {model}, not a {' or '.join(scpi.models)}",
            hint=f"correct the {profile.kind}'s resource or model in the bench; "
            "powerlab instruments list shows the known models",
        )
    if scpi.language_query:
        told = decode_word(dialogue.ask(scpi.language_query))
        if told != scpi.language.upper():
            raise InstrumentError(
                f"the {profile.name} at {link.resource} speaks {told}, not {scpi.language}",
                hint=scpi.language_hint or "change its command language at the front panel",
            )
    return MeterIdentity(
        model=model,
        manufacturer=manufacturer,
        name=profile.name,
        serial=serial,
        firmware=firmware,
        resource=link.resource,
        emulated=serial.startswith("EMULATED"),
    )


def open_link(profile: InstrumentProfile, bench_meter: BenchMeter) -> VisaLink:
    """Open the link to an instrument of a bench, with its profile's line end."""
    return open_visa(bench_meter.resource, LINE_ENDS[section(profile).line_end])
