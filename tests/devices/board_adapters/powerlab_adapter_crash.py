"""A runtime that breaks in its third pass, in the way the model's first byte asks for."""

import ctypes
import os
import signal

NAME = "crash"


class State:
    """Counts passes."""

    def __init__(self, way):
        self.way = way
        self.passes = 0
        self.facts = {}


def load(path, _options):
    """Read which way to break."""
    with open(path, "rb") as stream:  # noqa: PTH123
        return State(stream.read(1))


def invoke(state):
    """Pass twice, then break."""
    state.passes += 1
    if state.passes < 3:
        return
    if state.way == b"s":
        ctypes.string_at(0)
    elif state.way == b"k":
        os.kill(os.getpid(), signal.SIGKILL)
    elif state.way == b"h":  # a native call that never returns and keeps Python's lock
        mutex, library = ctypes.create_string_buffer(256), ctypes.PyDLL(None)
        library.pthread_mutex_lock(mutex)
        library.pthread_mutex_lock(mutex)
    else:
        raise ValueError("no kernel for this shape")
