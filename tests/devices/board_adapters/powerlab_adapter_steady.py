"""A runtime whose pass takes one millisecond; it writes to stdout like a careless library."""

import os
import time

NAME = "steady"


class State:
    """Nothing but its facts."""

    facts = {"runtime_module": "steady", "runtime_version": "1", "numpy_version": ""}  # noqa: RUF012


def load(path, options):
    """Read the model and say so on stdout, by print and by file descriptor."""
    with open(path, "rb") as stream:  # noqa: PTH123
        print("loading", len(stream.read()), "bytes for batch", options["batch"])  # noqa: T201
    os.write(1, b"\x01PL1 noise from a library\n")
    return State()


def invoke(_state):
    """Take one millisecond."""
    time.sleep(0.001)
