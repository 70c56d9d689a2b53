"""Rockchip's NPU: a converted model (.rknn), by rknnlite on a board, else by rknn's toolkit.

An inference hands its input over and reads its output back, and is done when it returns. The
file .inputs.json says what goes in (channels last, mostly uint8).
"""

from typing import Any, Dict, Tuple

from powerlab.agent.adapters.inputs import (
    described_inputs,
    import_numpy,
    import_runtime,
    package_version,
    random_inputs,
    refused,
    run_facts,
)
from powerlab.agent.faults import AgentError

NAME = "rknn"

MODULES = (("rknnlite.api", "RKNNLite", "rknn-toolkit-lite2"), ("rknn.api", "RKNN", "rknn-toolkit"))
HINT = (
    "install rknn-toolkit-lite2 (RK3566 to RK3588) or rknn-toolkit-lite (RK1808, RK3399Pro) of "
    "Rockchip's release, for the Python that the bench names"
)


class State:
    """A loaded model with its inputs, and what is known of it."""

    def __init__(self, model: Any, contents: Any) -> None:
        self.model = model
        self.contents = contents
        self.facts: Dict[str, str] = {}

    def close(self) -> None:
        """Give the NPU's memory back."""
        self.model.release()


def load(path: str, options: Dict[str, Any]) -> State:
    """Load the model onto the NPU and run it once.

    Raises AgentError: "runtime-missing" and "runtime-broken" for the package, "device-missing"
    where no NPU answers, "model-refused" where it rejects the model or nothing says what goes
    in.
    """
    numpy = import_numpy(NAME)
    maker, module, distribution = _import()
    described = described_inputs(path, options["batch"])
    model = maker()
    try:
        _check(model.load_rknn(path), "model-refused", "RKNN cannot load the model")
        _check(model.init_runtime(), "device-missing", "RKNN finds no NPU for the model")
        contents = random_inputs(numpy, described, options["seed"])
        state = State(model, contents)
        output = numpy.asarray(_forward(state)[0])
    except Exception as error:
        model.release()
        raise refused("RKNN", error, _hint("model-refused")) from error
    version = package_version(module.split(".")[0], distribution)
    state.facts = run_facts(numpy, module, version, contents[0], output, device="NPU")
    return state


def invoke(state: State) -> None:
    """Run one inference; it is done when the call returns."""
    _forward(state)


def _forward(state: State) -> Any:
    outputs = state.model.inference(inputs=state.contents)
    if outputs is None:
        raise AgentError(
            "model-refused", "RKNN gives no outputs for the model", _hint("model-refused")
        )
    return outputs


def _import() -> Tuple[Any, str, str]:
    missing = None
    for module, name, distribution in MODULES:
        try:
            return getattr(import_runtime(module, "RKNN", HINT), name), module, distribution
        except AgentError as error:  # noqa: PERF203 -- two rounds
            if error.code != "runtime-missing":
                raise
            missing = missing or error
    assert missing is not None  # noqa: S101 -- there are two modules to try
    raise missing


def _check(status: int, code: str, what: str) -> None:
    """Raise for a status other than 0: what was wrong stands in the board's own output."""
    if status != 0:
        raise AgentError(code, f"{what} (status {status})", _hint(code))


def _hint(code: str) -> str:
    if code == "device-missing":
        return (
            "convert the model for this very chip, check that rknpu is in the kernel's log and "
            "rknn_server or librknnrt.so suits the toolkit's version"
        )
    return (
        "convert it for this chip with the toolkit of the board's version, and describe every "
        "input in .inputs.json"
    )
