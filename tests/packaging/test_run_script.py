"""./run: what it checks before it installs anything, and how it starts what is installed.

The machine is made of stubs: a PATH with the few programs that the script asks.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINS = ("constraints.txt", "constraints-target.txt", "pyproject.toml")
TOOLS = (
    "awk",
    "cat",
    "cksum",
    "df",
    "env",
    "grep",
    "mkdir",
    "readlink",
    "rm",
    "sed",
    "tail",
    "tee",
    "true",
)
PYTHON = """[ "$1" != -V ] || { echo Python 3.11.2; exit 0; }"""


@dataclass(frozen=True)
class Machine:
    """A checkout with nothing but ./run and its pins, and a PATH of stubs."""

    folder: Path

    @property
    def checkout(self) -> Path:
        """Get the checkout's folder, which has a space in its name."""
        return self.folder / "check out"

    def stub(self, name: str, body: str) -> None:
        """Put a shell script on the PATH."""
        write_script(self.folder / "bin" / name, body)

    def installed(self, program: str, **stamps: str) -> None:
        """Pretend that the set-up is done, with `program` as the installed command."""
        binaries = self.checkout / ".venv" / "bin"
        binaries.mkdir(parents=True)
        write_script(binaries / "powerlab", program)
        write_script(binaries / "python", program)
        texts = b"".join((self.checkout / name).read_bytes() for name in PINS)
        summed = subprocess.run(["cksum"], input=texts, capture_output=True, check=True)
        wanted = "-".join(summed.stdout.decode().split()[:2])
        for name in ("powerlab", "powerlab-tests"):
            line = stamps.get(name, f"done {wanted} {self.checkout}")
            (self.checkout / ".venv" / f"{name}.stamp").write_text(line + "\n", "utf-8")

    def run(
        self, *arguments: str, cwd: Path | None = None, script: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ./run with the stubs alone on the PATH."""
        environment = {"PATH": str(self.folder / "bin"), "HOME": str(self.folder), **variables}
        return subprocess.run(
            ["/bin/sh", str(script or self.checkout / "run"), *arguments],
            cwd=cwd or self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def write_script(path: Path, body: str) -> None:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a fresh Debian of stubs: python3 is there, the system packages are, no sudo."""
    made = Machine(tmp_path)
    made.checkout.mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("run", *PINS):
        shutil.copy(ROOT / name, made.checkout / name)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        made.stub(tool, f'exec {found} "$@"')
    made.stub("uname", "echo Linux")
    made.stub("id", "case $1 in -u) echo 1234 ;; *) echo bob ;; esac")
    made.stub("python3", PYTHON)
    made.stub("apt-get", f'echo "apt-get $*" >>"{tmp_path}/apt.log"')
    names = "openssh-client libpango-1.0-0 libpangoft2-1.0-0 fonts-dejavu-core fonts-droid-fallback"
    made.stub("dpkg-query", f"for name in {names}; do printf '%s:installed ' $name; done")
    return made


SHOW = 'printf "%s|" "$0" "$PWD" "$@"; echo "${PYTHONPATH-unset}"; exit 6'


def test_it_becomes_the_program(machine: Machine) -> None:
    """Arguments, working directory and exit code pass unchanged, silently, once set up."""
    machine.installed(SHOW)
    done = machine.run("measure", "a b", "", "*", PYTHONPATH="/elsewhere")
    program = machine.checkout / ".venv" / "bin" / "powerlab"
    assert done.stdout == f"{program}|{machine.folder}|measure|a b||*|unset\n"
    assert (done.returncode, done.stderr) == (6, "")


def test_the_program_replaces_the_shell(machine: Machine) -> None:
    """The process that was started is the program itself, so signals reach it."""
    machine.installed("echo $$")
    environment = {"PATH": str(machine.folder / "bin")}
    with subprocess.Popen(
        [machine.checkout / "run"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        answer, _ = process.communicate(timeout=60)
    assert int(answer) == process.pid


def test_a_symlink_finds_its_checkout(machine: Machine) -> None:
    """A link to a relative link to the script works from anywhere."""
    machine.installed(SHOW)
    (machine.folder / "near").symlink_to("check out/run")
    (machine.folder / "bin" / "far").symlink_to(machine.folder / "near")
    done = machine.run(script=machine.folder / "bin" / "far", cwd=Path("/"))
    assert done.stdout.startswith(f"{machine.checkout}/.venv/bin/powerlab|/|")


@pytest.mark.parametrize(
    ("arguments", "suites"),
    [
        ((), 1),
        (("-k", "there"), 1),
        (("-x", "-k", "a or b"), 1),
        (("there",), 0),
        (("-x", "there/test_it.py::test_one"), 0),
    ],
)
def test_the_tests_are_the_whole_suite_or_what_is_named(
    machine: Machine, arguments: tuple[str, ...], suites: int
) -> None:
    """`./run tests` runs this checkout's suite from anywhere; a path narrows it."""
    machine.installed(SHOW)
    (machine.folder / "there").mkdir()
    (machine.folder / "there" / "test_it.py").touch()
    done = machine.run("tests", *arguments)
    words = done.stdout.split("|")
    assert words[2:4] == ["-m", "pytest"]
    assert words[4:6] == ["-c", f"{machine.checkout}/pyproject.toml"]
    assert [word.strip() for word in words].count(f"{machine.checkout}/tests") == suites
    assert all(word in words for word in arguments)


def test_a_package_that_is_missing_is_named_in_one_command(machine: Machine) -> None:
    """Without root or sudo the one apt-get command is printed, nothing is done, exit 3."""
    machine.stub("dpkg-query", "printf 'libpango-1.0-0:installed fonts-dejavu-core:config-files '")
    done = machine.run("--help")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1].strip() == (
        "apt-get update && apt-get install -y --no-install-recommends "
        "openssh-client libpangoft2-1.0-0 fonts-dejavu-core fonts-droid-fallback"
    )
    assert not (machine.folder / "apt.log").exists()
    assert not (machine.checkout / ".venv").exists()


@pytest.mark.parametrize("user", ["root", "sudo"])
def test_a_package_that_is_missing_is_installed_in_one_call(machine: Machine, user: str) -> None:
    """As root, or where sudo asks nothing: one update, one install of all that is missing."""
    machine.stub("dpkg-query", "")
    (machine.folder / "bin" / "python3").unlink()
    if user == "root":
        machine.stub("id", "case $1 in -u) echo 0 ;; *) echo root ;; esac")
    else:
        machine.stub("sudo", '[ "$1" = -n ] && shift && exec "$@"')
    done = machine.run("--help")
    calls = (machine.folder / "apt.log").read_text("utf-8").splitlines()
    assert [call.split()[-1] for call in calls] == ["update", "fonts-droid-fallback"]
    assert "python3 python3-venv openssh-client" in calls[1]
    # The stubbed apt-get brought no Python, and that is said.
    assert done.returncode == 3
    assert "Python 3.11 or newer" in done.stderr


def test_the_venv_module_is_named_after_its_python(machine: Machine) -> None:
    """A Python without ensurepip needs Debian's package of that very Python."""
    body = "case $2 in *ensurepip*) exit 1 ;; *version*) exit 0 ;; esac"
    machine.stub("python3", "exit 1")
    machine.stub("python3.12", body)
    done = machine.run("--help")
    assert "apt-get install -y --no-install-recommends python3.12-venv" in done.stderr


@pytest.mark.parametrize(
    ("stub", "body", "said"),
    [
        ("python3", '[ "$1" != -V ] || echo Python 3.10.12; exit 1', "Python 3.10.12"),
        ("uname", "echo Darwin", "Homebrew"),
        ("uname", "echo FreeBSD", "this is FreeBSD"),
        ("id", "case $1 in -u) echo 1234 ;; *) exit 1 ;; esac", "user 1234 has no entry"),
        ("df", "printf 'x\\nx 9 9 102400 9 /\\n'", "100 MB are free"),
    ],
)
def test_a_machine_that_does_not_serve_is_told_why(
    machine: Machine, stub: str, body: str, said: str
) -> None:
    """Each check fails with its reason and what to do, before anything is installed."""
    machine.stub(stub, body)
    done = machine.run("measure")
    assert (done.returncode, done.stdout) == (3, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) >= 2
    assert not (machine.folder / "apt.log").exists()
    assert not (machine.checkout / ".venv").exists()


def test_an_environment_of_somebody_else_is_left_alone(machine: Machine) -> None:
    """A .venv that the script did not make is not removed."""
    (machine.checkout / ".venv").mkdir()
    foreign = machine.checkout / ".venv" / "pyvenv.cfg"
    foreign.touch()
    done = machine.run("measure")
    assert done.returncode == 3
    assert "was not made by this script" in done.stderr
    assert foreign.exists()


@pytest.mark.parametrize("state", ["begun", "updating", "done 1-2 /another/place", ""])
def test_an_interrupted_set_up_begins_anew(machine: Machine, state: str) -> None:
    """What a killed set-up or a moved checkout left is removed; a failure leaves no stamp."""
    machine.installed(SHOW, powerlab=state)
    machine.stub("python3", f'[ "$2" != venv ] || {{ echo making; exit 1; }}\n{PYTHON}')
    done = machine.run("measure")
    assert done.returncode != 0
    assert "first use" in done.stderr
    assert "making" in done.stderr
    assert not (machine.checkout / ".venv" / "bin").exists()
    assert (machine.checkout / ".venv" / "powerlab.stamp").read_text("utf-8") == "begun\n"


def test_changed_pins_bring_the_environment_up_to_date(machine: Machine) -> None:
    """Another checksum updates in place; when pip fails, the next use tries again."""
    machine.installed("echo no network; exit 1")
    stamp = machine.checkout / ".venv" / "powerlab.stamp"
    before = stamp.read_text("utf-8")
    with (machine.checkout / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("another==1.0\n")
    done = machine.run("measure")
    assert done.returncode == 3
    assert "up to date" in done.stderr
    assert "no network" in done.stderr
    assert stamp.read_text("utf-8") == before


def test_it_is_plain_posix_shell() -> None:
    """The script parses in the strictest shell at hand and is short enough to be read."""
    shell = shutil.which("dash") or "/bin/sh"
    subprocess.run([shell, "-n", str(ROOT / "run")], check=True)
    assert len((ROOT / "run").read_text("utf-8").splitlines()) < 400
    assert os.access(ROOT / "run", os.X_OK)
