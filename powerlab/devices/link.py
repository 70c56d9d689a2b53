"""The board as a session sees it: load a model, exchange clocks, run the phases."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from powerlab.agent.protocol import MAX_BLOB, Message, digest_of, read_chunks
from powerlab.devices.line import AgentLine
from powerlab.errors import ConfigError
from powerlab.records import ClockExchanges, Int64Array, Phase, TargetFacts, Telemetry

ANSWER_LIMIT_S = 15.0
"""For an answer that needs no work, or comes after an idle of known length."""

LOAD_LIMIT_S = 300.0
COMMAND_LIMIT_S = 240.0
"""For building a model: some runtimes compile for minutes on a small board."""

SLOWEST_LINK_BYTES_PER_S = 50_000

SLOWEST_PASS_S = 120.0
"""A window of passes ends with a whole one, so its answer may come this much later."""

FIRST_EXCHANGES_DROPPED = 10
"""The first exchanges of a connection are several times slower (method section 1.1)."""


class BoardLink:
    """A board with the agent running on it; a context manager, closing it ends the agent.

    Every method raises TargetError where the agent ends, says nothing in time, or reports
    an error of its own; the error's context holds the agent's stderr.
    """

    def __init__(self, line: AgentLine) -> None:
        self._line = line
        self._hello: Message | None = None
        self._runtime_facts: dict[str, str] = {}
        self._settled = False
        self._warm_ups = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def host(self) -> str:
        """Get the host as the bench names it."""
        return self._line.host

    def close(self) -> None:
        """End the agent and the connection; idempotent, and safe at any moment."""
        self._line.close()

    def hello(self) -> dict[str, Any]:
        """Get what the board says of itself now: names, versions, environment."""
        self._hello = self._line.ask(
            {"do": "hello"}, limit_s=ANSWER_LIMIT_S, doing="telling about the board"
        )
        return dict(self._hello)

    def telemetry(self) -> Telemetry:
        """Get what the board says of its state now: clock rate, heat, load, throttling."""
        reply = self._line.ask(
            {"do": "telemetry"}, limit_s=ANSWER_LIMIT_S, doing="telling its state"
        )
        return Telemetry(
            at_board_ns=reply["at_board_ns"],
            temperature_c=_figure(reply["temperature_c"]),
            frequency_hz=_figure(reply["frequency_hz"]),
            load=_figure(reply["load"]),
            memory_free_bytes=_figure(reply["memory_free_bytes"]),
            governor=reply["governor"] or "",
            throttled=tuple(reply["throttled"]),
        )

    def inspect(self) -> dict[str, Any]:
        """Get the facts of a check before a measurement: see ``powerlab.agent.check``."""
        return self._line.ask({"do": "check"}, limit_s=ANSWER_LIMIT_S, doing="looking at itself")

    def open_line(self, spec: str) -> None:
        """Let a trigger line of the board ("gpiochip0:17") be high while it is busy."""
        self._line.ask(
            {"do": "line", "spec": spec}, limit_s=ANSWER_LIMIT_S, doing="opening the trigger line"
        )

    def exchange_clocks(self, count: int = 100, spacing_s: float = 0.001) -> ClockExchanges:
        """Exchange ``count`` pings, ``spacing_s`` apart, with four stamps each."""
        drop = 0 if self._settled else FIRST_EXCHANGES_DROPPED
        stamps = [self._ping(spacing_s) for _ in range(count + drop)][drop:]
        self._settled = True
        t1, t2, t3, t4 = np.array(stamps, dtype=np.int64).reshape(-1, 4).T.copy()
        return ClockExchanges(t1_ns=t1, t2_board_ns=t2, t3_board_ns=t3, t4_ns=t4)

    def load(
        self,
        files: Mapping[str, Path],
        main: str,
        *,
        runtime: str,
        threads: int = 1,
        batch: int = 1,
        seed: int = 0,
        slot: int = 0,
        command: Sequence[str] = (),
        command_limit_s: float = COMMAND_LIMIT_S,
        queries: Mapping[str, object] | None = None,
    ) -> TargetFacts:
        """Send the model's files unless the board has them, and build it with a runtime.

        ``files`` maps names on the board to paths here, ``main`` is the name of the one
        that the runtime opens; the input is filled from ``seed``. Models in different slots
        stay loaded side by side. The runtime "command" needs no files, but the words of a
        ``command``, a program on the board that has ``command_limit_s`` for getting ready and
        its first inference. ``queries`` say how passes come and what belongs to them, where it
        is not one after the other and the forward pass alone (``powerlab.agent.queries``).
        Raises ConfigError where a file is not there or too large to send.
        """
        request: Message = {"do": "load", "runtime": runtime, "main": main}
        if files:
            request["sha256"] = self._send_model(files)
        if command:
            request["command"] = {"argv": list(command), "limit_s": command_limit_s}
        if queries:
            request["queries"] = dict(queries)
        reply = self._line.ask(
            request | {"threads": threads, "batch": batch, "seed": seed, "slot": slot},
            limit_s=LOAD_LIMIT_S,
            doing=f"loading the model with {runtime}",
        )
        self._runtime_facts = {key: str(value) for key, value in reply["facts"].items()}
        return self._facts(runtime, threads)

    def warm_up(self, limit_s: float, *, slot: int = 0) -> Phase:
        """Repeat inference for ``limit_s``, one at least."""
        request = {"do": "warm", "limit_s": limit_s, "slot": slot}
        reply = self._passes(request, limit_s, "warming up")
        self._warm_ups += 1
        return _phase("warm-up", self._warm_ups - 1, reply)

    def run(
        self,
        index: int,
        passes: int,
        deadline_s: float,
        guard_s: float,
        *,
        slot: int = 0,
        dither_s: float = 0.0,
        dither_every: int = 1,
    ) -> tuple[Phase, Phase, Phase]:
        """Idle, infer ``passes`` times, idle; fewer where ``deadline_s`` has passed before.

        The phases are a guard of ``guard_s``, the run, and a guard, each beginning where
        the one before ends. Nothing travels between host and board, and the agent does
        nothing else, until all three are over. With a ``dither_s``, the board pauses for 0 to
        that, uniformly, after every ``dither_every`` passes but the last.
        """
        request = {"do": "run", "index": index, "passes": passes, "slot": slot}
        if dither_s:
            request |= {"dither_s": dither_s, "dither_every": dither_every}
        reply = self._passes(
            request | {"deadline_s": deadline_s, "guard_s": guard_s},
            deadline_s + 2 * guard_s + dither_s,
            f"in run {index + 1}",
        )
        start_ns, stop_ns = reply["start_board_ns"], reply["stop_board_ns"]
        return (
            _guard(2 * index + 1, reply["guard_start_board_ns"], start_ns),
            _phase("run", index, reply),
            _guard(2 * index + 2, stop_ns, reply["guard_stop_board_ns"]),
        )

    def draw(self, index: int, chips: Sequence[int], chip_s: float, *, slot: int = 0) -> Phase:
        """Draw a marker: load for each 1 of ``chips``, rest for each 0, ``chip_s`` long each.

        The phase's ``done_board_ns`` are the edges drawn, to busy and to idle by turns.
        """
        request = {"do": "draw", "chips": [int(chip) for chip in chips], "chip_s": chip_s}
        reply = self._passes(request | {"slot": slot}, len(chips) * chip_s, "drawing a marker")
        return _phase("marker", index, reply)

    def classify(self, content: bytes, top: int, *, slot: int = 0) -> dict[str, Any]:
        """Get the likeliest classes of prepared pictures; see ``powerlab.agent.accuracy``."""
        return self._line.ask(
            {"do": "classify", "top": top, "slot": slot},
            blob=content,
            limit_s=LOAD_LIMIT_S + len(content) / SLOWEST_LINK_BYTES_PER_S,
            doing="telling the classes of pictures",
        )

    def idle(self, seconds: float, index: int) -> Phase:
        """Let the board idle for ``seconds``."""
        request = {"do": "idle", "index": index, "seconds": seconds}
        reply = self._line.ask(request, limit_s=seconds + ANSWER_LIMIT_S, doing="idling")
        return _phase("idle", index, reply)

    def _passes(self, request: Message, length_s: float, doing: str) -> Message:
        return self._line.ask(request, limit_s=length_s + SLOWEST_PASS_S, doing=doing)

    def _ping(self, spacing_s: float) -> tuple[int, int, int, int]:
        time.sleep(spacing_s)
        pending = self._line.send({"do": "ping"}, limit_s=ANSWER_LIMIT_S, doing="exchanging clocks")
        pong, received_ns = self._line.receive(pending, limit_s=ANSWER_LIMIT_S)
        return pending.sent_ns, pong["t2_board_ns"], pong["t3_board_ns"], received_ns

    def _send_model(self, files: Mapping[str, Path]) -> str:
        """Send the files that the board lacks; get the digest of them all."""
        digest = _digest_of_paths(files)
        reply = self._line.ask(
            {"do": "have", "sha256": digest, "files": sorted(files)},
            limit_s=LOAD_LIMIT_S,
            doing="looking for the model in the board's cache",
        )
        for name in reply["missing"]:
            self._put(digest, name, files[name])
        return digest

    def _put(self, digest: str, name: str, path: Path) -> None:
        content = path.read_bytes()
        self._line.ask(
            {"do": "put", "sha256": digest, "name": name},
            blob=content,
            limit_s=ANSWER_LIMIT_S + len(content) / SLOWEST_LINK_BYTES_PER_S,
            doing=f"receiving {name}",
        )

    def _facts(self, runtime: str, threads: int) -> TargetFacts:
        board = self._hello or self.hello()
        own = {"runtime_module", "runtime_version", "numpy_version", "passes_timed"}
        facts = self._runtime_facts
        return TargetFacts(
            hostname=board["hostname"],
            machine=board["machine"],
            system=board["system"],
            python=board["python"],
            cpu=board["cpu"],
            runtime=runtime,
            runtime_module=facts.get("runtime_module", ""),
            runtime_version=facts.get("runtime_version", ""),
            numpy_version=facts.get("numpy_version", ""),
            threads=threads,
            emulated=bool(board["emulated"]),
            environment={
                **board["environment"],
                **{key: value for key, value in facts.items() if key not in own},
            },
            passes_timed=facts.get("passes_timed") != "no",
        )


def _digest_of_paths(files: Mapping[str, Path]) -> str:
    for name, path in files.items():
        if not path.is_file():
            raise ConfigError(
                f"the model file {path} does not exist",
                hint="build it with `powerlab workloads build`, or correct the path",
            )
        if path.stat().st_size > MAX_BLOB:
            raise ConfigError(
                f"the model file {name} is larger than {MAX_BLOB >> 20} MiB",
                hint="use a smaller model; larger ones cannot be sent to the board",
            )
    return digest_of((name, read_chunks(str(path))) for name, path in files.items())


def _phase(kind: str, index: int, reply: Message) -> Phase:
    return Phase(
        kind=kind,
        index=index,
        start_board_ns=reply["start_board_ns"],
        stop_board_ns=reply["stop_board_ns"],
        passes=reply["passes"],
        done_board_ns=_ends_of_passes(reply),
        begun_board_ns=np.array(reply.get("begun_board_ns", ()), dtype=np.int64),
        due_board_ns=np.array(reply.get("due_board_ns", ()), dtype=np.int64),
        cpu_s=_figure(reply.get("cpu_s")),
        edges_within_s=float(reply.get("edges_within_s", 0.0)),
    )


def _ends_of_passes(reply: Message) -> Int64Array:
    """Get the end of each pass; those between two instants told are spread evenly."""
    told = np.array(reply["done_board_ns"], dtype=np.int64)
    counts = reply.get("counts")
    if counts is None:
        return told
    begun = np.concatenate(([reply["start_board_ns"]], told[:-1]))
    lengths, steps = told - begun, np.concatenate([np.arange(1, n + 1) for n in counts])
    of = np.repeat(np.arange(len(counts)), counts)
    return np.asarray(begun[of] + lengths[of] * steps // np.array(counts)[of], dtype=np.int64)


def _figure(told: float | None) -> float:
    return math.nan if told is None else float(told)


def _guard(index: int, start_ns: int, stop_ns: int) -> Phase:
    return Phase(
        kind="guard",
        index=index,
        start_board_ns=start_ns,
        stop_board_ns=stop_ns,
        passes=0,
        done_board_ns=np.array([], dtype=np.int64),
    )
