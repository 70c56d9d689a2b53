"""Caffe by pycaffe on the CPU: a .prototxt for inference and its .caffemodel beside it.

Its arithmetic library takes its threads from the environment when it is loaded.
"""

import os
from typing import Any, Dict

from powerlab.agent.adapters.inputs import (
    import_numpy,
    import_runtime,
    package_version,
    random_input,
    refused,
    run_facts,
)

NAME = "caffe"

HINT = (
    "build Caffe with pycaffe on the board (Debian: caffe-cpu where the release has it), and "
    "name its folder python in PYTHONPATH"
)
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class State:
    """A network with its inputs in place, and what is known of it."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self.facts: Dict[str, str] = {}


def load(path: str, options: Dict[str, Any]) -> State:
    """Build the network, fill its inputs and run it once.

    Raises AgentError: "runtime-missing" and "runtime-broken" for the package, "model-refused"
    where it rejects the model.
    """
    numpy = import_numpy(NAME)
    for one in THREADS:
        os.environ[one] = str(options["threads"])
    os.environ.setdefault("GLOG_minloglevel", "2")  # errors alone
    caffe = import_runtime("caffe", "Caffe", HINT)
    caffe.set_mode_cpu()
    try:
        net = caffe.Net(path, os.path.splitext(path)[0] + ".caffemodel", caffe.TEST)
        for offset, name in enumerate(net.inputs):
            blob = net.blobs[name]
            shape = [options["batch"]] + [int(length) for length in blob.data.shape[1:]]
            blob.reshape(*shape)
            net.reshape()
            blob.data[...] = random_input(numpy, shape, "float32", options["seed"] + offset)
        state = State(net)
        output = net.forward()[net.outputs[0]]
    except Exception as error:
        hint = "give a deploy .prototxt with an Input layer, and the .caffemodel trained for it"
        raise refused("Caffe", error, hint) from error
    first = net.blobs[net.inputs[0]].data
    state.facts = run_facts(
        numpy, "caffe", package_version("caffe", "caffe"), first, output, device="cpu"
    )
    return state


def invoke(state: State) -> None:
    """Run one inference; the CPU is done when the call returns."""
    state.net.forward()
