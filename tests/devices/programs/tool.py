"""Stands in for a maker's benchmark program: takes its arguments, prints as it prints.

The first word is the program's name, the second, where it is none of the arguments, the way in
which it fails. A pass takes a millisecond of work.
"""

import os
import re
import signal
import sys
import time

PASS_S = 0.001


def say(*lines, stream=sys.stdout):
    """Print lines, each at once."""
    for line in lines:
        stream.write(line + "\n")
        stream.flush()


def work(passes):
    """Make passes of processor time; get how long they took, in seconds."""
    begun, until = time.monotonic(), time.process_time() + PASS_S * passes
    while time.process_time() < until:
        pass
    return time.monotonic() - begun


def value(pattern, words):
    """Get the number that an argument holds."""
    return int(re.search(pattern, " ".join(words))[1])


def fail(way):
    """Break in the midst of the passes."""
    if way == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "memory":
        say("[E] [TRT] Error Code 2: OutOfMemory (no further information)")
        sys.exit(1)
    elif way == "silent":
        sys.exit(0)
    elif way == "hang":
        time.sleep(600)


def trtexec(way, words):
    """Build an engine, or time one."""
    model = re.search(r"--(onnx|loadEngine)=(\S+)", " ".join(words))
    if way == "shape":
        say("[11/21/2026-10:00:00] [E] Error[4]: input: dynamic input is missing dimensions")
        say("&&&& FAILED TensorRT.trtexec [TensorRT v8401] # trtexec")
        sys.exit(1)
    built = re.search(r"--saveEngine=(\S+)", " ".join(words))
    if built:
        with open(built[1], "w") as stream:  # noqa: PTH123
            stream.write(f"engine of {model[2]}")
    else:
        assert model[1] == "loadEngine", words
        assert "--warmUp=0" in words
        assert "--duration=0" in words
    passes = value(r"--iterations=(\d+)", words)
    say("[11/21/2026-10:00:00] [I] Starting inference")
    took_s = work(passes)
    if passes not in {1, 10}:
        fail(way)
    say(
        "[11/21/2026-10:00:01] [I] Warmup completed 0 queries over 0 ms",
        "[11/21/2026-10:00:01] [I] === Trace details ===",
        "[11/21/2026-10:00:01] [I] Average on 10 runs - GPU latency: 1.1 ms - Host latency: 1 ms",
        "[11/21/2026-10:00:01] [I] === Performance summary ===",
        f"[11/21/2026-10:00:01] [I] Throughput: {passes / took_s:.6g} qps",
        "[11/21/2026-10:00:01] [I] Latency: min = 0.9 ms, max = 1.3 ms, mean = 1.01 ms, "
        "median = 1.0 ms, percentile(99%) = 1.25 ms",
        f"[11/21/2026-10:00:01] [I] Total Host Walltime: {took_s:.6g} s",
        "&&&& PASSED TensorRT.trtexec [TensorRT v8401] # trtexec",
    )


def benchmark_app(way, words):
    """Time synchronous passes."""
    passes = int(words[words.index("-niter") + 1])
    assert words[words.index("-api") + 1] == "sync"
    say("[Step 10/11] Measuring performance (Start inference synchronously)")
    work(1)
    say("[ INFO ] First inference took 1.20 ms")
    took_s = work(passes)
    fail(way)
    say(
        "[Step 11/11] Dumping statistics report",
        f"[ INFO ] Count:            {passes} iterations",
        f"[ INFO ] Duration:         {took_s * 1e3:.2f} ms",
        "[ INFO ] Latency:",
        "[ INFO ]    Median:        1.01 ms",
        "[ INFO ]    Average:       1.02 ms",
        f"[ INFO ] Throughput:   {passes / took_s:.2f} FPS",
    )


def benchmark_model(way, words):
    """Warm up, then time passes; everything on standard error."""
    passes = value(r"--num_runs=(\d+)", words)
    say("INFO: Running benchmark for at least 1 iterations and at least 0 s", stream=sys.stderr)
    work(1)
    say("INFO: count=1 curr=1200", stream=sys.stderr)
    say("INFO: Running benchmark for at least so many iterations", stream=sys.stderr)
    work(passes)
    fail(way)
    mean_us = PASS_S * 1e6
    say(
        f"INFO: count={passes} first=1100 curr=1000 min=1000 max=1100 avg={mean_us:g} std=9 "
        "p5=1000 median=1002 p95=1010",
        "INFO: Inference timings in us: Init: 90",
        stream=sys.stderr,
    )


def benchncnn(way, words):
    """Warm up and time passes, with one line at the end."""
    assert words[-1] == "shape=[88,64,1]", words
    passes = int(words[0])
    say(f"loop_count = {passes}", "num_threads = 1", "cooling_down = 0", stream=sys.stderr)
    work(8 + passes)
    fail(way)
    say("           model  min =    0.98  max =    1.10  avg =    1.00", stream=sys.stderr)


def benchmark_bin(way, words):
    """Repeat, with a table at the end."""
    assert "--input_shape=1,1,88,88" in words
    passes = value(r"--repeats=(\d+)", words)
    work(passes)
    fail(way)
    say(
        "======= Runtime Info =======",
        "benchmark_bin version: acf6614",
        "warmup: 0",
        f"repeats: {passes}",
        "",
        "======= Perf Info =======",
        "Time(unit: ms):",
        "init  = 15.305",
        "first = 1.200",
        "min   = 0.990",
        "max   = 1.200",
        "avg   = 1.000",
    )


if __name__ == "__main__":
    name, way, *arguments = sys.argv[1:]
    globals()[name](way, arguments)
