"""What ``doctor`` looks at, each check a function of its own."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from powerlab.cli._output import LEAST_FREE_BYTES

OK, MISSING, OPTIONAL = "ok", "missing", "optional"
"""Good; needed and not there; useful and not there."""

LEAST_PYTHON = (3, 11)

_SERIAL_GROUPS = ("dialout", "uucp")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: its state, what was found, and what to do (empty where good)."""

    name: str
    state: str
    found: str
    advice: str = ""


def all_checks(root: Path, lab: Path | None = None) -> list[Check]:
    """Look at everything; ``root`` is where runs go, ``lab`` the one that was named."""
    return [
        check_python(),
        check_packages(),
        check_ssh(),
        check_account(),
        check_pango(),
        *check_fonts(),
        *check_runtimes(),
        check_serial(),
        check_usb(lab),
        check_disk(root),
    ]


def check_python() -> Check:
    """Look at the version of Python and at its clock."""
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < LEAST_PYTHON:
        return Check("python", MISSING, found, "use Python 3.11 or newer")
    return Check("python", OK, found)


def check_packages() -> Check:
    """Look for every package that powerlab requires; their versions are the installer's."""
    needed = [text for text in requires("powerlab") or () if ";" not in text]
    names = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in needed]
    missing = [name for name in names if not _is_installed(name)]
    if missing:
        advice = "install powerlab again in its environment: pip install --upgrade powerlab"
        return Check("packages", MISSING, f"without {', '.join(missing)}", advice)
    return Check("packages", OK, f"all {len(names)} required packages")


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def check_ssh() -> Check:
    """Look for the OpenSSH client."""
    found = shutil.which("ssh")
    if found is None:
        return Check("ssh client", MISSING, "none", "apt-get install openssh-client")
    return Check("ssh client", OK, found)


def check_account() -> Check:
    """Look whether this user is known to the system, as ssh needs."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        advice = "ssh refuses a user without a passwd entry: run as a named user"
        return Check("account", MISSING, f"user {os.getuid()} has no passwd entry", advice)
    return Check("account", OK, name)


def check_pango() -> Check:
    """Look whether the PDF writer loads."""
    from powerlab.errors import SetupError  # noqa: PLC0415
    from powerlab.report.pdf import load_weasyprint  # noqa: PLC0415

    try:
        weasyprint = load_weasyprint()
    except SetupError as error:
        return Check("PDF writer", MISSING, error.message, error.hint)
    return Check("PDF writer", OK, f"WeasyPrint {weasyprint.__version__} with Pango")


def check_fonts() -> Iterator[Check]:
    """Look whether reports in both languages have their characters."""
    from powerlab.cli._reporting import SAMPLE  # noqa: PLC0415
    from powerlab.errors import ReportError  # noqa: PLC0415
    from powerlab.report.fonts import choose_fonts  # noqa: PLC0415

    for language, sample in SAMPLE.items():
        name = f"fonts ({language})"
        try:
            chosen = choose_fonts(sample)
        except ReportError as error:
            state = MISSING if language == "en" else OPTIONAL
            yield Check(name, state, error.message, error.hint)
        else:
            yield Check(name, OK, ", ".join(chosen.families))


def check_runtimes() -> Iterator[Check]:
    """Look for inference runtimes in this environment, for the device "local"."""
    packages = {
        "tflite": {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"},
        "openvino": {"openvino": "openvino"},
    }
    for runtime, modules in packages.items():
        for module, package in modules.items():
            if find_spec(module) is not None:
                yield Check(f"runtime {runtime}", OK, f"{package} {version(package)}")
                break
        else:
            advice = (
                "needed on this computer only to emulate a board or to measure it: "
                'pip install "powerlab[local]"'
            )
            yield Check(f"runtime {runtime}", OPTIONAL, "none", advice)


def check_serial() -> Check:
    """Look whether this user may open serial ports."""
    known = {group.gr_name: group.gr_gid for group in grp.getgrall()}
    wanted = next((name for name in _SERIAL_GROUPS if name in known), None)
    if os.getuid() == 0 or wanted is None:
        return Check("serial ports", OK, "root" if os.getuid() == 0 else "no group guards them")
    if known[wanted] in {os.getgid(), *os.getgroups()}:
        return Check("serial ports", OK, f"in the group {wanted}")
    advice = f"for a meter on a serial port: sudo usermod -aG {wanted} $USER, then log in again"
    return Check("serial ports", OPTIONAL, f"not in the group {wanted}", advice)


def check_usb(lab: Path | None) -> Check:
    """Look at the meters plugged in by USB, and at what is in their way; none is opened."""
    from powerlab.catalog.layers import lab_layers, read_catalog  # noqa: PLC0415
    from powerlab.cli import _scan  # noqa: PLC0415

    catalog, _ = read_catalog(lab_layers(lab))  # a file with problems is no reason to stop here
    found = _scan.scan(catalog, _scan.PLACES)
    names = ", ".join(match.profiles[0].id for match in found.matches)
    held = [match.profiles[0].id for match in found.matches if match.obstacles]
    if held:
        advice = "`powerlab instruments scan` says what is in the way, and how to mend it"
        return Check(
            "USB meters", OPTIONAL, f"something is in the way of {', '.join(held)}", advice
        )
    return Check("USB meters", OK, names or "none is plugged in")


def check_disk(root: Path) -> Check:
    """Look at the room where runs go."""
    place = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB free for {root}"
    if free < LEAST_FREE_BYTES:
        return Check("disk", MISSING, found, "make room, or keep runs elsewhere with --lab DIR")
    if not os.access(place, os.W_OK):
        return Check("disk", MISSING, f"{place} is not writable", "correct its permissions")
    return Check("disk", OK, found)
