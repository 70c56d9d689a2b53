"""MXNet's symbols: a -symbol.json and its .params beside it, on CUDA where the build has it.

A forward returns before it is done, so it is waited for. The file .inputs.json says what goes
in, each input by its name.
"""

import os
from typing import Any, Dict

from powerlab.agent.adapters.inputs import (
    described_inputs,
    import_numpy,
    import_runtime,
    random_inputs,
    refused,
    run_facts,
)

NAME = "mxnet"

HINT = "on the board: python3 -m pip install mxnet 'numpy<1.24', or choose another --runtime"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MXNET_CPU_WORKER_NTHREADS")
SYMBOL = "-symbol.json"


class State:
    """A bound module with its inputs, and what is known of it."""

    def __init__(self, module: Any, batch: Any, wait: Any) -> None:
        self.module = module
        self.batch = batch
        self.wait = wait
        self.facts: Dict[str, str] = {}


def load(path: str, options: Dict[str, Any]) -> State:
    """Bind the symbol to its inputs and weights, and run it once.

    Raises AgentError: "runtime-missing" and "runtime-broken" for the package, "model-refused"
    where it rejects the model or nothing says what goes in.
    """
    numpy = import_numpy(NAME)
    for one in THREADS:
        os.environ[one] = str(options["threads"])
    mx = import_runtime("mxnet", "MXNet", HINT)
    described = described_inputs(path, options["batch"])
    on_gpu = mx.context.num_gpus() > 0
    device = mx.gpu(0) if on_gpu else mx.cpu()
    try:
        symbol = mx.sym.load(path)
        saved = mx.nd.load(path[: -len(SYMBOL)] + ".params")
        weights = {kind: _named(saved, kind) for kind in ("arg", "aux")}
        names = [one["name"] for one in described]
        module = mx.mod.Module(symbol, data_names=names, label_names=None, context=device)
        shapes = [(one["name"], tuple(one["shape"])) for one in described]
        module.bind(for_training=False, data_shapes=shapes)
        module.set_params(weights["arg"], weights["aux"])
        contents = random_inputs(numpy, described, options["seed"])
        arrays = [mx.nd.array(content, ctx=device, dtype=content.dtype) for content in contents]
        state = State(module, mx.io.DataBatch(arrays), mx.nd.waitall)
        invoke(state)
        output = module.get_outputs()[0].asnumpy()
    except Exception as error:
        hint = (
            "check that symbol and parameters belong together, and that .inputs.json names "
            "every input of the symbol"
        )
        raise refused("MXNet", error, hint) from error
    state.facts = run_facts(
        numpy, "mxnet", str(mx.__version__), contents[0], output, device="gpu" if on_gpu else "cpu"
    )
    return state


def invoke(state: State) -> None:
    """Run one inference and wait for the device."""
    state.module.forward(state.batch, is_train=False)
    state.wait()


def _named(saved: Any, kind: str) -> Dict[str, Any]:
    """Get the arrays of a kind ("arg" or "aux") by name."""
    return {name[len(kind) + 1 :]: value for name, value in saved.items() if name.startswith(kind)}
