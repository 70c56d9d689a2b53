"""Keras: models in .keras or .h5 form, by Keras 3 or the one inside TensorFlow.

One inference is ``predict_on_batch``: compiled, and done when it returns, its input handed
over and its output read back within it.
"""

from typing import Any, Dict, List

from powerlab.agent.adapters import tensorflow
from powerlab.agent.adapters.inputs import (
    import_numpy,
    import_runtime,
    random_input,
    refused,
    summary,
)
from powerlab.agent.faults import AgentError

NAME = "keras"

HINT = "on the board: python3 -m pip install tensorflow keras, or choose another --runtime"


class State:
    """A model with its input, and what is known of it."""

    def __init__(self, model: Any, content: Any, facts: Dict[str, str]) -> None:
        self.model = model
        self.content = content
        self.facts = facts


def load(path: str, options: Dict[str, Any]) -> State:
    """Load the model, draw its input and run it once.

    Raises AgentError: "runtime-missing" and "runtime-broken" for the packages,
    "model-refused" where it rejects the model.
    """
    numpy = import_numpy(NAME)
    keras, backend = _import(options["threads"])
    try:
        model = keras.models.load_model(path, compile=False)
        size = _shape(model.input_shape, options["batch"])
        content = random_input(numpy, size, "float32", options["seed"])
        output = model.predict_on_batch(content)
    except Exception as error:
        hint = "save it as .keras or .h5 by a version not newer than the board's"
        raise refused("Keras", error, hint) from error
    first = output[0] if isinstance(output, (list, tuple)) else output
    facts = {
        "runtime_module": keras.__name__,
        "runtime_version": str(keras.__version__),
        "numpy_version": numpy.__version__,
        "input": summary(content.shape, content.dtype),
        "output_argmax": str(int(numpy.asarray(first)[0].argmax())),
        "backend": backend,
    }
    return State(model, content, facts)


def invoke(state: State) -> None:
    """Run one inference; it is done when the call returns."""
    state.model.predict_on_batch(state.content)


def _shape(shape: Any, batch: int) -> List[int]:
    if isinstance(shape, (list, dict)) or None in shape[1:]:
        raise AgentError(
            "model-refused",
            f"its input is {shape}: one input of fixed sizes is needed",
            "save the model with a single Input of fixed height, width and channels",
        )
    return [batch] + [int(length) for length in shape[1:]]


def _import(threads: int) -> Any:
    """Get Keras and its backend in words; one inside TensorFlow serves where Keras is none."""
    try:
        tf = import_runtime("tensorflow", "Keras", HINT)
    except AgentError as error:
        if error.code != "runtime-missing":
            raise
        keras = import_runtime("keras", "Keras", HINT)
        return keras, str(keras.config.backend())
    tensorflow.set_threads(tf, threads)
    try:
        keras = import_runtime("keras", "Keras", HINT)
    except AgentError:
        keras = tf.keras
    try:
        named = str(keras.config.backend())
    except AttributeError:  # Keras 2 has TensorFlow alone
        named = "tensorflow"
    return keras, f"{named} {tf.__version__}" if named == "tensorflow" else named
