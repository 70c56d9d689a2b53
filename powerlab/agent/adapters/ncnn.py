"""ncnn on the CPU: a .param file with its .bin beside it, float32 enforced.

Where a processor can, ncnn halves its numbers by default, which is another model's result and
another model's energy: those options are switched off. Its inputs have no batch.
"""

import os
from typing import Any, Dict, List, Tuple

from powerlab.agent.adapters.inputs import (
    import_numpy,
    import_runtime,
    only_batch_one,
    package_version,
    random_input,
    refused,
    summary,
)
from powerlab.agent.faults import AgentError

NAME = "ncnn"

HINT = "on the board: python3 -m pip install ncnn, or choose another --runtime"
REDUCED = ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed")


class State:
    """A loaded network with its inputs, and what is known of it."""

    def __init__(self, net: Any, inputs: List[Tuple[str, Any]], outputs: List[str]) -> None:
        self.net = net
        self.inputs = inputs
        self.outputs = outputs
        self.facts: Dict[str, str] = {}


def load(path: str, options: Dict[str, Any]) -> State:
    """Load both files, fill the inputs and run the network once.

    Raises AgentError: "runtime-missing" and "runtime-broken" for the package,
    "model-refused" where it rejects the model or the model does not say its inputs' sizes.
    """
    numpy = import_numpy(NAME)
    ncnn = import_runtime("ncnn", "ncnn", HINT)
    only_batch_one(options["batch"], "a network of ncnn has a single batch size")
    try:
        net = ncnn.Net()
        net.opt.num_threads = options["threads"]
        net.opt.use_vulkan_compute = False
        for one in REDUCED:
            if hasattr(net.opt, f"use_{one}"):
                setattr(net.opt, f"use_{one}", False)
        _check(net.load_param(path), "the .param file cannot be read")
        _check(net.load_model(os.path.splitext(path)[0] + ".bin"), "the .bin file does not fit")
        contents = [
            (name, random_input(numpy, shape, "float32", options["seed"] + offset))
            for offset, (name, shape) in enumerate(_inputs(path))
        ]
        # A Mat made of an array does not keep it alive: the copy is ncnn's own.
        inputs = [(name, ncnn.Mat(content).clone()) for name, content in contents]
        state = State(net, inputs, list(net.output_names()))
        first = _forward(state)[0]
    except Exception as error:
        hint = "check that .param and .bin belong together and suit this version of ncnn"
        raise refused("ncnn", error, hint) from error
    state.facts = {
        "runtime_module": "ncnn",
        "runtime_version": package_version("ncnn", "ncnn"),
        "numpy_version": numpy.__version__,
        "input": summary(contents[0][1].shape, contents[0][1].dtype),
        "output_argmax": str(int(numpy.array(first).argmax())),
        "precision": "float32",
        "device": "cpu",
    }
    return state


def invoke(state: State) -> None:
    """Run one inference; the CPU is done when the call returns."""
    _forward(state)


def _forward(state: State) -> List[Any]:
    extractor = state.net.create_extractor()
    for name, content in state.inputs:
        _check(extractor.input(name, content), f"it has no input {name}")
    results = [extractor.extract(name) for name in state.outputs]
    for name, (status, _) in zip(state.outputs, results):
        _check(status, f"its output {name} cannot be computed")
    return [content for _, content in results]


def _inputs(path: str) -> List[Tuple[str, List[int]]]:
    """Get the name and the (c, h, w) of each input: what the .param file says of them."""
    with open(path, encoding="utf-8") as stream:
        lines = [line.split() for line in stream]
    found = []
    for words in lines:
        if words[:1] == ["Input"]:
            pairs = [word.split("=") for word in words[5:]]
            sizes = {key: int(value) for key, value in pairs}
            shape = [sizes[key] for key in ("2", "1", "0") if sizes.get(key)]
            if not shape:
                raise AgentError(
                    "model-refused",
                    f"the .param file does not say how large its input {words[4]} is",
                    f"write the sizes at the end of the line of {words[1]}: 0=width 1=height "
                    "2=channels",
                )
            found.append((words[4], shape))
    return found


def _check(status: int, what: str) -> None:
    if status != 0:
        raise RuntimeError(f"{what} (status {status})")
