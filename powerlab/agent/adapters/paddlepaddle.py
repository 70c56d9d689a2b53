"""PaddlePaddle by paddle.inference: a program (.json or .pdmodel) and its .pdiparams beside it.

On a GPU a run returns before the device is done, so it is waited for. The file .inputs.json
says what goes in.
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

NAME = "paddlepaddle"

HINT = (
    "on the board: python3 -m pip install paddlepaddle (or paddlepaddle-gpu of the board's "
    "CUDA), or choose another --runtime"
)
GPU_MEMORY_MB = 256


class State:
    """A predictor with its inputs in place, and what is known of it."""

    def __init__(self, predictor: Any, wait: Any) -> None:
        self.predictor = predictor
        self.wait = wait
        self.facts: Dict[str, str] = {}


def load(path: str, options: Dict[str, Any]) -> State:
    """Build the predictor, fill its inputs and run it once.

    Raises AgentError: "runtime-missing" and "runtime-broken" for the package, "model-refused"
    where it rejects the model or nothing says what goes in.
    """
    numpy = import_numpy(NAME)
    paddle = import_runtime("paddle", "Paddle", HINT)
    inference = import_runtime("paddle.inference", "Paddle", HINT)
    described = described_inputs(path, options["batch"])
    on_gpu = paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    try:
        config = inference.Config(path, os.path.splitext(path)[0] + ".pdiparams")
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(options["threads"])
        if on_gpu:
            config.enable_use_gpu(GPU_MEMORY_MB, 0)
        predictor = inference.create_predictor(config)
        contents = random_inputs(numpy, described, options["seed"])
        for name, content in zip(predictor.get_input_names(), contents):
            handle = predictor.get_input_handle(name)
            handle.reshape(content.shape)
            handle.copy_from_cpu(content)
        state = State(predictor, paddle.device.cuda.synchronize if on_gpu else None)
        invoke(state)
        output = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
    except Exception as error:
        hint = (
            "check that program and parameters belong together, were saved by a version not "
            "newer than the board's, and that .inputs.json describes every input"
        )
        raise refused("Paddle", error, hint) from error
    state.facts = run_facts(
        numpy,
        "paddle",
        str(paddle.__version__),
        contents[0],
        output,
        device="gpu" if on_gpu else "cpu",
    )
    return state


def invoke(state: State) -> None:
    """Run one inference and wait for the device."""
    state.predictor.run()
    if state.wait is not None:
        state.wait()
