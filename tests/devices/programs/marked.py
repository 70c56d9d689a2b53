"""A program that prints the markers, and goes wrong in the way that its first word names."""

import os
import signal
import subprocess
import sys
import time


def say(*words):
    """Print a marker."""
    print("powerlab:", *words, flush=True)  # noqa: T201


def infer(count):
    """Take a tenth of a millisecond for each inference."""
    until = time.monotonic() + 1e-4 * count
    while time.monotonic() < until:
        pass


def went_wrong(way):
    """Break in the midst of a window."""
    sys.stderr.write("infer: no kernel for this shape\n")
    if way == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "status":
        sys.exit(3)
    elif way == "other-count":
        say("end", 7)
    elif way == "garbage":
        say("enb", "x\udcff")
    elif way == "begin-twice":
        say("begin", 5)
    elif way == "ready-inside":
        say("ready")
    elif way == "hang":
        time.sleep(600)
    elif way == "disk-full":
        with open("/dev/full", "wb", buffering=0) as stream:  # noqa: PTH123
            stream.write(b"x")


def main():
    """Serve windows until the input ends."""
    sys.stdout.reconfigure(errors="surrogateescape")
    way, *rest = sys.argv[1:]
    if rest and rest[0].endswith(".pid"):
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open(rest[0], "w") as stream:  # noqa: PTH123
            stream.write(f"{os.getpid()} {helper.pid}")
    if way == "no-model":
        sys.exit(f"infer: cannot load {rest[0]!r}: no such file")
    if way == "never":
        time.sleep(600)
    os.write(1, b"\x00\xff\x01PL1 noise of a library without an end " + b"x" * 200000 + b"\n")
    windows = 0
    while True:
        say("ready")
        if way in ("alone", "hasty"):
            time.sleep(0.3 if way == "alone" else 0.0)
            count = 1000
        else:
            line = sys.stdin.readline()
            if not line:
                return
            count = int(line)
        windows += 1
        if way == "together" and windows > 1:
            os.write(1, f"powerlab: begin {count}\npowerlab: end {count}\n".encode())
            continue
        say("begin", count)
        infer(count)
        if windows > 1:
            went_wrong(way)
        say("end", count)
        if way in ("alone", "once"):
            return


if __name__ == "__main__":
    main()
