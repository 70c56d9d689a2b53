"""The agent's main loop: one thread reads and answers pings, one does the work.

The reader takes its stamps next to the system calls that receive and send. Everything
else waits in a queue for the main thread, where the runtimes live and where Python runs
signal handlers.
"""

import array
import faulthandler
import os
import queue
import signal
import threading
import traceback
from typing import Any, Callable, Dict, Optional, Tuple

from powerlab.agent import (
    accuracy,
    child,
    edges,
    facts,
    gpio,
    models,
    queries,
    telemetry,
    windows,
)
from powerlab.agent.adapters import find_adapter
from powerlab.agent.clock import now_ns
from powerlab.agent.faults import AgentError, reason
from powerlab.agent.protocol import PROTOCOL, Frame, Message, Unpacker, pack

READ_SIZE = 1 << 18

ORPHAN_S = 900.0
"""Without a word from the host for so long, between two requests, it is gone."""


class Agent:
    """Serves one host over two file descriptors until told to leave."""

    def __init__(self, receive_fd: int, send_fd: int) -> None:
        self._receive_fd = receive_fd
        self._send_fd = send_fd
        self._sending = threading.Lock()
        self._requests: "queue.Queue[Frame]" = queue.Queue()
        self._edges = edges.EdgeFile(edges.edge_path(os.getpid()))
        self._cache: Optional[models.ModelCache] = None
        self._telemetry = telemetry.Telemetry()
        self._slots: Dict[int, Tuple[Any, Any]] = {}  # adapter and state
        self._verbs: Dict[str, Callable[[Message, bytes], Message]] = {
            "hello": self._hello,
            "have": self._have,
            "put": self._put,
            "load": self._load,
            "warm": self._warm,
            "run": self._run,
            "idle": self._idle,
            "draw": self._draw,
            "telemetry": self._tell,
            "line": self._open_line,
            "check": self._check,
            "classify": self._classify,
        }

    def serve(self) -> None:
        """Answer requests; never returns."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _frame: self.leave(128 + got))
        threading.Thread(target=self._read, daemon=True).start()
        self._send({"ready": True, "protocol": PROTOCOL, "pid": os.getpid()})
        while True:
            try:
                message, blob = self._requests.get(timeout=ORPHAN_S)
            except queue.Empty:
                self.leave(0)
            self._send(self._answer(message, blob))
            if message.get("do") == "bye":
                self.leave(0)

    def leave(self, status: int) -> None:
        """Publish the idle edge, leave no file behind, and end the process at once.

        A runtime in the middle of an inference is not waited for.
        """
        child.kill_all()
        self._edges.finish(now_ns())
        models.remove_temporary(os.getpid())
        os._exit(status)

    # --- the reader thread -----------------------------------------------------------

    def _read(self) -> None:
        unpacker = Unpacker()
        while True:
            data = os.read(self._receive_fd, READ_SIZE)
            received = now_ns()
            if not data:
                self.leave(0)
            for message, blob in unpacker.feed(data):
                if message.get("do") == "ping":
                    self._pong(message["id"], received)
                else:
                    self._requests.put((message, blob))

    def _pong(self, number: int, received: int) -> None:
        with self._sending:
            reply = {"id": number, "t2_board_ns": received, "t3_board_ns": now_ns()}
            self._write(pack(reply))

    def _send(self, reply: Message) -> None:
        frame = pack(reply)
        with self._sending:
            self._write(frame)

    def _write(self, frame: bytes) -> None:
        rest = memoryview(frame)
        try:
            while rest:
                rest = rest[os.write(self._send_fd, rest) :]
        except OSError:
            self.leave(0)  # nobody listens any more

    # --- the verbs -------------------------------------------------------------------

    def _answer(self, message: Message, blob: bytes) -> Message:
        try:
            verb = self._verbs.get(message.get("do", ""))
            reply = verb(message, blob) if verb else _no_verb(message)
            reply["ok"] = True
        except AgentError as error:
            reply = error.as_reply()
        except Exception as error:
            reply = _unexpected(error).as_reply()
        reply["id"] = message.get("id")
        return reply

    def _hello(self, _message: Message, _blob: bytes) -> Message:
        return dict(facts.describe(), protocol=PROTOCOL)

    def _models(self) -> models.ModelCache:
        if self._cache is None:
            self._cache = models.ModelCache()
        return self._cache

    def _have(self, message: Message, _blob: bytes) -> Message:
        return {"missing": self._models().missing(message["sha256"], message["files"])}

    def _put(self, message: Message, blob: bytes) -> Message:
        self._models().put(message["sha256"], message["name"], blob)
        return {}

    def _load(self, message: Message, _blob: bytes) -> Message:
        slot = message.get("slot", 0)
        _, former = self._slots.pop(slot, (None, None))
        if hasattr(former, "close"):
            former.close()
        del former  # what the slot held makes room first
        path = self._models().locate(message["sha256"], message["main"]) if message["main"] else ""
        adapter = queries.dressed(find_adapter(message["runtime"]), message.get("queries"))
        facts.pin_to_cores(message["threads"])
        options = {key: message[key] for key in ("threads", "batch", "seed")}
        options["command"] = message.get("command")
        state = adapter.load(path, options)
        self._slots[slot] = (adapter, state)
        return {"facts": dict(state.facts)}

    def _warm(self, message: Message, _blob: bytes) -> Message:
        adapter, state = self._loaded(message)
        if hasattr(adapter, "warm_up"):
            return dict(adapter.warm_up(state, self._edges, message["limit_s"]))
        return windows.warm_up(adapter.invoke, state, self._edges, message["limit_s"])

    def _run(self, message: Message, _blob: bytes) -> Message:
        options = {key: message[key] for key in ("passes", "deadline_s", "guard_s")}
        options["tag"] = edges.run_tag(message.get("slot", 0), message["index"])
        adapter, state = self._loaded(message)
        if hasattr(adapter, "run"):
            return dict(adapter.run(state, self._edges, **options))
        if not message.get("dither_s"):
            return windows.run(adapter.invoke, state, self._edges, **options)
        options["dither_s"] = message["dither_s"]
        options["dither_every"] = message.get("dither_every", 1)
        return windows.run_dithered(adapter.invoke, state, self._edges, **options)

    def _draw(self, message: Message, _blob: bytes) -> Message:
        chips, chip_s = message["chips"], message["chip_s"]
        adapter, state = self._loaded(message)
        return windows.draw(adapter.invoke, state, self._edges, chips, chip_s)

    def _idle(self, message: Message, _blob: bytes) -> Message:
        return windows.idle(message["seconds"])

    def _tell(self, _message: Message, _blob: bytes) -> Message:
        return self._telemetry.read()

    def _classify(self, message: Message, blob: bytes) -> Message:
        return accuracy.classify(*self._loaded(message), blob, message["top"])

    def _check(self, _message: Message, _blob: bytes) -> Message:
        from powerlab.agent import check  # noqa: PLC0415  (nobody measures with it)

        return check.inspect()

    def _open_line(self, message: Message, _blob: bytes) -> Message:
        self._edges.attach(gpio.open_line(message["spec"]))
        return {}

    def _loaded(self, message: Message) -> Tuple[Any, Any]:
        """Get the loaded model's adapter and its state."""
        try:
            return self._slots[message.get("slot", 0)]
        except KeyError:
            raise AgentError(
                "bad-request", "no model is loaded", "load one before running it"
            ) from None


def _no_verb(message: Message) -> Message:
    if message.get("do") == "bye":
        return {}
    raise AgentError(
        "bad-request",
        f"the agent does not know how to {message.get('do')!r}",
        "use the same version of powerlab on both sides",
    )


def _unexpected(error: Exception) -> AgentError:
    if isinstance(error, MemoryError):
        return AgentError(
            "out-of-memory",
            "the board has not enough memory for this",
            "choose a smaller batch or model, or stop other programs on the board",
        )
    return AgentError(
        "agent-failed",
        f"the agent failed: {reason(error)}",
        "report this with the detail below",
        traceback.format_exc(),
    )


def take_streams() -> "array.array[int]":
    """Keep stdin and stdout for the protocol; from now on prints go to stderr.

    Returns the two file descriptors. A runtime that prints, or that a child of the
    runtime does, cannot disturb the protocol.
    """
    streams = array.array("i", (os.dup(0), os.dup(1)))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    faulthandler.enable(file=2)
    return streams
