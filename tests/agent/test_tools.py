"""What the makers' benchmark programs print, read: layouts of several versions of each."""

from __future__ import annotations

import pytest

from powerlab.agent.tools import NAMES, Asked, find_tool

TRTEXEC_8 = """
[08/09/2022-06:54:41] [I] Starting inference
[08/09/2022-06:54:41] [I] === Performance summary ===
[08/09/2022-06:54:41] [I] Throughput: 23.4642 qps
[08/09/2022-06:54:41] [I] Latency: min = 41.3601 ms, max = 43.2434 ms, mean = 42.2227 ms, \
median = 42.1411 ms, percentile(99%) = 43.2434 ms
[08/09/2022-06:54:41] [I] End-to-End Host Latency: min = 9 ms, max = 9 ms, mean = 9 ms
[08/09/2022-06:54:41] [I] GPU Compute Time: min = 41.1855 ms, mean = 42.0431 ms
[08/09/2022-06:54:41] [I] Total Host Walltime: 3.15374 s
"""
TRTEXEC_10 = """
[12/19/2024-01:40:34] [I] Throughput: 1005.92 qps
[12/19/2024-01:40:34] [I] Latency: min = 0.989258 ms, max = 0.995605 ms, mean = 0.992502 ms, \
median = 0.992188 ms, percentile(90%) = 0.993408 ms, percentile(95%) = 0.994141 ms, \
percentile(99%) = 0.994385 ms
[12/19/2024-01:40:34] [I] H2D Latency: min = 0 ms, max = 0 ms, mean = 0.5 ms, median = 0 ms
[12/19/2024-01:40:34] [I] Total Host Walltime: 10.0018 s
"""
APP_2021 = """
[Step 11/11] Dumping statistics report
Count:          29936 iterations
Duration:       60010.13 ms
Latency:
   Median:     7.30 ms
   AVG:        7.97 ms
   MIN:        5.02 ms
Throughput: 498.85 FPS
"""
APP_2024 = """
[Step 11/11] Dumping statistics report
[ INFO ] Count:               2273 iterations
[ INFO ] Duration:            60034.21 ms
[ INFO ]    Median:           26.26 ms
[ INFO ]    Average:          26.40 ms
[ INFO ]    Max:              35.82 ms
[ INFO ] Throughput:          37.86 FPS
"""
MODEL_2021 = """
Running benchmark for at least 1 iterations and at least 0.5 seconds
count=1 curr=751932

Running benchmark for at least 50 iterations and at least 1 seconds
count=50 first=747738 curr=747428 min=747331 max=748577 avg=747733 std=293
"""
MODEL_2025 = """
INFO: count=5 first=106436 curr=105929 min=105929 max=106436 avg=106065 std=193 median=105948
INFO: count=50 first=2 curr=2 min=2 max=9 avg=1.29563e+06 std=260 p5=1 median=1.2e+06 p95=3
"""
NCNN = """
loop_count = 8
num_threads = 4
          squeezenet  min =    8.84  max =    8.89  avg =    8.87
"""
PADDLE = """
======= Runtime Info =======
threads: 1
warmup: 10
repeats: 20
======= Perf Info =======
Time(unit: ms):
init  = 15.305
first = 43.670
avg   = 32.723
"""

MADE = [
    ("trtexec", TRTEXEC_8, (74, 0.0422227, 0.0421411, 0.0432434, 3.15374, 0)),
    ("trtexec", TRTEXEC_10, (10061, 0.000992502, 0.000992188, 0.000994385, 10.0018, 0)),
    ("benchmark-app", APP_2021, (29936, 0.00797, 0.0073, None, 60.01013, 0)),
    ("benchmark-app", APP_2024, (2273, 0.0264, 0.02626, None, 60.03421, 0)),
    ("benchmark-model", MODEL_2021, (50, 0.747733, None, None, None, 0)),
    ("benchmark-model", MODEL_2025, (50, 1.29563, 1.2, None, None, 0)),
    ("benchncnn", NCNN, (8, 0.00887, None, None, None, 8)),
    ("paddle-lite-benchmark", PADDLE, (20, 0.032723, None, None, None, 10)),
]


@pytest.mark.parametrize(("runtime", "said", "stated"), MADE)
def test_what_a_program_states_is_read(runtime: str, said: str, stated: tuple[object, ...]) -> None:
    """Passes, mean, median, 99th percentile, duration and warm-ups, in seconds."""
    found = find_tool(runtime).parse(said.splitlines())
    assert tuple(found) == pytest.approx(stated)
    assert found.in_words().startswith(f"{stated[0]} passes: ")


@pytest.mark.parametrize("runtime", NAMES)
@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_output_that_was_cut_is_no_figure(runtime: str, cut: int) -> None:
    """The beginning alone raises ValueError, whatever it holds."""
    said = next(text for name, text, _ in MADE if name == runtime).splitlines()[:cut]
    with pytest.raises(ValueError, match="no "):
        find_tool(runtime).parse(said)


@pytest.mark.parametrize("runtime", NAMES)
def test_arguments_hold_path_and_passes_as_words(runtime: str, tmp_path) -> None:
    """A path with anything in it is one word, or the end of one."""
    path = tmp_path / "a b$(id);.param"
    path.write_text("Input data 0 1 data 0=88 1=64 2=1\n")
    words = find_tool(runtime).words(Asked(str(path), 123, 4, 1))
    assert sum(word.endswith(str(path)) for word in words) == 1
    assert sum("123" in word for word in words) >= 1
