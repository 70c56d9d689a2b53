"""Emulators as processes of their own that say where they are and die with their parent.

``python -m powerlab.emulation.process MODULE:FUNCTION FILE`` runs one emulator: the function
gets the ``EmulatorContext`` in the file, calls ``ready`` once it can be reached and serves until
its parent closes its standard input, ends it with SIGTERM, or dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.faults import Fault
from powerlab.errors import SetupError
from powerlab.units import NS_PER_S, nanoseconds, now_ns

START_LIMIT_S = 30.0
STOP_LIMIT_S = 5.0
PARENT_END_S = 2.0
USER = "powerlab"
HOST_KEY, USER_KEY, KNOWN_HOSTS = "host_key", "id_ed25519", "known_hosts"
PARENT = 0
"""File descriptor of standard input: readable once the parent wants an end, or has ended."""

GOODBYE = b"bye\n"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class EmulatorContext:
    """What an emulator is told: the bench's directory, the world's seed, the profiles, faults.

    ``edges`` below the directory holds the edge files of the board's agents, ``box`` is the
    board's own home and temporary directory. ``cores`` are the processors the board may use,
    all that there are where it is empty; the agent takes the last, and nothing else here does.
    ``number`` tells the meters of one bench apart.
    """

    directory: Path
    seed: int
    device: DeviceProfile
    instrument: InstrumentProfile | None = None
    faults: tuple[Fault, ...] = ()
    cores: tuple[int, ...] = ()
    number: int = 0

    @property
    def model(self) -> InstrumentProfile:
        """Get the instrument's profile. Raises SetupError where this is no instrument."""
        if self.instrument is None:
            raise SetupError("this emulator has no instrument", hint="report this as a defect")
        return self.instrument

    @property
    def edges(self) -> Path:
        """Get the directory in which the agents' edge files are kept."""
        return self.directory / "edges"

    @property
    def box(self) -> Path:
        """Get the board's home: all that an agent writes lies below it."""
        return self.directory / "box"

    @property
    def serial(self) -> str:
        """Get the serial number that the emulated instrument carries."""
        serial = emulated_serial(self.seed)
        return f"{serial}-{self.number}" if self.number else serial

    def ready(self, address: Mapping[str, str | int]) -> None:
        """Tell the parent, in one line on standard output, where this emulator is reached."""
        sys.stdout.write(json.dumps(address) + "\n")
        sys.stdout.flush()

    def dump(self) -> str:
        """Write it as JSON for another process."""
        instrument = self.instrument
        return json.dumps(
            {
                "directory": str(self.directory),
                "seed": self.seed,
                "device": self.device.model_dump(mode="json", by_alias=True),
                "instrument": instrument and instrument.model_dump(mode="json", by_alias=True),
                "faults": [[fault.kind, fault.at_s] for fault in self.faults],
                "cores": self.cores,
                "number": self.number,
            }
        )

    @classmethod
    def load(cls, text: str) -> EmulatorContext:
        """Read what ``dump`` wrote."""
        data = json.loads(text)
        instrument = data["instrument"]
        return cls(
            directory=Path(data["directory"]),
            seed=data["seed"],
            device=DeviceProfile.model_validate(data["device"]),
            instrument=instrument and InstrumentProfile.model_validate(instrument),
            faults=tuple(Fault(kind, at_s) for kind, at_s in data["faults"]),
            cores=tuple(data["cores"]),
            number=data["number"],
        )


def emulated_serial(seed: int) -> str:
    """Get the serial number of the emulated instrument of a seed: never that of a real one."""
    return f"EMULATED-{seed & 0xFFFFFFFF:08x}"


class EmulatorProcess:
    """A running emulator; ``address`` is what it said when it was ready."""

    def __init__(self, name: str, serve: str, context: EmulatorContext) -> None:
        self.name = name
        self._log = context.directory / f"{name}.log"
        told = context.directory / f"{name}.json"
        told.write_text(context.dump())
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "powerlab.emulation.process", serve, str(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
        self.address: dict[str, str | int] = {}

    @property
    def pid(self) -> int:
        """Get its process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Tell whether it still runs."""
        return self._child.poll() is None

    def wait_ready(self) -> None:
        """Wait for the ready line; ``SetupError`` with the end of its log where none comes."""
        line = _read_line(self._child, now_ns() + nanoseconds(START_LIMIT_S))
        if not line.endswith(b"\n"):
            self.stop()
            tail = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise SetupError(
                f"the emulated {self.name} did not start: {' '.join(tail) or 'no message'}",
                hint="run powerlab doctor; if it finds nothing, report this with the message above",
                context={"log": self._log.read_text(errors="replace")[-4000:]},
            )
        self.address = json.loads(line)

    def stop(self) -> None:
        """End it: first by a word on its standard input, then by force."""
        if self._child.stdin is not None and not self._child.stdin.closed:
            with contextlib.suppress(OSError):
                os.write(self._child.stdin.fileno(), GOODBYE)
            self._child.stdin.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                self._child.wait(STOP_LIMIT_S)
                break
            except subprocess.TimeoutExpired:
                self._child.send_signal(number)
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def parent_died() -> bool:
    """Tell whether standard input has ended without the parent's goodbye.

    The kernel's signal can come before the end of file: a dying parent's threads hold its files
    until the last of them is gone.
    """
    if not select.select([PARENT], [], [], PARENT_END_S)[0]:
        return False
    return os.read(PARENT, len(GOODBYE)) != GOODBYE


def _read_line(child: subprocess.Popen[bytes], deadline_ns: int) -> bytes:
    assert child.stdout is not None  # noqa: S101
    descriptor = child.stdout.fileno()
    line = b""
    while not line.endswith(b"\n"):
        left_s = (deadline_ns - now_ns()) / NS_PER_S
        if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
            return line
        chunk = os.read(descriptor, 4096)
        if not chunk:
            return line
        line += chunk
    return line


def _resolve(target: str) -> Callable[[EmulatorContext], None]:
    module, _, function = target.partition(":")
    found: Callable[[EmulatorContext], None] = getattr(importlib.import_module(module), function)
    return found


def _stop(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def main(arguments: list[str]) -> None:
    """Run one emulator until its end."""
    parent = os.getppid()
    die_with_parent()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; Ctrl-C reaches a group
    if os.getppid() != parent:
        return
    serve = _resolve(arguments[0])
    serve(EmulatorContext.load(Path(arguments[1]).read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
