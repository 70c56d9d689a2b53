"""The error families: what stops the program, and the exit code of each.

Every error carries one line that says what happened and one, the hint, that says
what to do. Problems of a measurement are not errors but findings (``powerlab.findings``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class PowerlabError(Exception):
    """Anything that stops the program and that its user can act upon.

    ``message`` is one line on what happened; ``hint`` one on what to do next;
    ``context`` holds facts for ``--json`` and for the run folder.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, hint: str, context: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = dict(context or {})


class Transient(Exception):
    """Mixed into an error that a retry may cure; the only thing retry code looks at."""


class ConfigError(PowerlabError):
    """The request or a configuration file cannot be used as it stands."""

    exit_code = 2


class UnknownId(ConfigError):
    """An identifier that names nothing; the hint holds the nearest ones."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where, under which dotted key, and what."""

    path: str
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: {self.key}" if self.key else self.path
        return f"{where}: {self.message}"


class ProfileError(ConfigError):
    """One or several files of a lab or catalogue are malformed; lists every problem."""

    def __init__(self, problems: Sequence[Problem], *, hint: str) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lead = "1 problem" if count == 1 else f"{count} problems"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{lead} in the configuration:\n{lines}", hint=hint)


class SetupError(PowerlabError):
    """This computer lacks something: a package, a font, a permission, disk space."""

    exit_code = 3


class InstrumentError(PowerlabError):
    """A meter, load or supply cannot be reached or does not answer as it should."""

    exit_code = 4


class InstrumentProtocolError(InstrumentError):
    """An instrument's answer breaks its protocol; holds what was sent and received."""

    def __init__(
        self, message: str, *, hint: str, sent: bytes = b"", received: bytes = b""
    ) -> None:
        super().__init__(
            message, hint=hint, context={"sent": sent.hex(" "), "received": received.hex(" ")}
        )
        self.sent = sent
        self.received = received


class TargetError(PowerlabError):
    """The board cannot be reached, or cannot run what it was asked to run."""

    exit_code = 5


class InvalidMeasurement(PowerlabError):
    """The measurement ran to its end and a blocking finding forbids its use."""

    exit_code = 6


class ReportError(PowerlabError):
    """The report cannot be rendered or written."""

    exit_code = 7


class Interrupted(PowerlabError):
    """Stopped by the user or by a signal; what was recorded is kept."""

    exit_code = 130
