"""Paddle Lite: an optimised model (.nb), as on EdgeBoard and on boards with Arm processors.

A run is done when it returns. The file .inputs.json says what goes in.
"""

from typing import Any, Dict

from powerlab.agent.adapters.inputs import (
    described_inputs,
    import_numpy,
    import_runtime,
    package_version,
    random_inputs,
    refused,
    run_facts,
)

NAME = "paddle_lite"

HINT = (
    "install Paddle Lite's Python package of the board's vendor, and name the Python that has "
    "it in the bench (python = …)"
)


class State:
    """A predictor with its inputs in place, and what is known of it."""

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor
        self.facts: Dict[str, str] = {}


def load(path: str, options: Dict[str, Any]) -> State:
    """Build the predictor, fill its inputs and run it once.

    Raises AgentError: "runtime-missing" and "runtime-broken" for the package, "model-refused"
    where it rejects the model or nothing says what goes in.
    """
    numpy = import_numpy(NAME)
    lite = import_runtime("paddlelite.lite", "Paddle Lite", HINT)
    described = described_inputs(path, options["batch"])
    try:
        config = lite.MobileConfig()
        config.set_model_from_file(path)
        if hasattr(config, "set_threads"):
            config.set_threads(options["threads"])
        predictor = lite.create_paddle_predictor(config)
        contents = random_inputs(numpy, described, options["seed"])
        for offset, content in enumerate(contents):
            _fill(predictor.get_input(offset), content)
        state = State(predictor)
        invoke(state)
        output = _content(numpy, predictor.get_output(0))
    except Exception as error:
        hint = (
            "make the .nb with the opt tool of the board's version and for its processor, and "
            "describe every input in .inputs.json"
        )
        raise refused("Paddle Lite", error, hint) from error
    version = package_version("paddlelite", "paddlelite")
    state.facts = run_facts(numpy, "paddlelite", version, contents[0], output)
    return state


def invoke(state: State) -> None:
    """Run one inference; it is done when the call returns."""
    state.predictor.run()


def _fill(tensor: Any, content: Any) -> None:
    if hasattr(tensor, "from_numpy"):  # 2.9 and newer
        tensor.from_numpy(content)
        return
    tensor.resize(list(content.shape))
    tensor.set_float_data(content.ravel().tolist())


def _content(numpy: Any, tensor: Any) -> Any:
    if hasattr(tensor, "numpy"):
        return numpy.asarray(tensor.numpy())
    return numpy.asarray(tensor.float_data()).reshape(tensor.shape())
