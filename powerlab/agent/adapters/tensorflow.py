"""TensorFlow 2: a SavedModel packed as .zip, by its signature "serving_default".

What TF-TRT converts is a SavedModel as well. The archive holds the folder's content, with or
without the folder itself; it is unpacked into a temporary one and loaded whole.
"""

import contextlib
import os
import tempfile
import zipfile
from typing import Any, Dict

from powerlab.agent.adapters.inputs import (
    import_numpy,
    import_runtime,
    random_input,
    refused,
    summary,
)
from powerlab.agent.faults import AgentError

NAME = "tensorflow"

HINT = (
    "on the board: python3 -m pip install tensorflow (on a Jetson, the build of the board's "
    "vendor), or choose another --runtime"
)
GRAPH = "saved_model.pb"
SIGNATURE = "serving_default"


class State:
    """A signature with its inputs on the device, and what is known of it."""

    def __init__(self, model: Any, run: Any, inputs: Dict[str, Any], wait: Any) -> None:
        self.model = model  # the variables live as long as it does
        self.run = run
        self.inputs = inputs
        self.wait = wait
        self.facts: Dict[str, str] = {}


def load(path: str, options: Dict[str, Any]) -> State:
    """Load the signature, put its inputs in place and run it once.

    Raises AgentError: "runtime-missing" and "runtime-broken" for the package, "model-refused"
    where it rejects the model.
    """
    numpy = import_numpy(NAME)
    tf = import_runtime("tensorflow", "TensorFlow", HINT)
    if int(str(tf.__version__).split(".")[0]) < 2:
        raise AgentError(
            "runtime-broken",
            f"TensorFlow {tf.__version__} on the board is older than 2, which is needed",
            "install TensorFlow 2, or measure the old one by --runtime command",
        )
    set_threads(tf, options["threads"])
    try:
        with tempfile.TemporaryDirectory(prefix="powerlab-savedmodel-") as folder:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
            model = tf.saved_model.load(_root(folder))
        run = model.signatures[SIGNATURE]
        specs = sorted(run.structured_input_signature[1].items())
        contents = {
            name: random_input(
                numpy,
                _shape(name, spec, options["batch"]),
                spec.dtype.as_numpy_dtype,
                options["seed"] + offset,
            )
            for offset, (name, spec) in enumerate(specs)
        }
        inputs = {name: tf.constant(content) for name, content in contents.items()}
        state = State(model, run, inputs, waiting(tf))
        outputs = _forward(state)
        first = next(iter(outputs.values())).numpy()
    except Exception as error:
        hint = (
            "pack a SavedModel that has the signature serving_default, saved by a version not "
            "newer than the board's, with a free or the wanted batch"
        )
        raise refused("TensorFlow", error, hint) from error
    content = next(iter(contents.values()))
    state.facts = facts(numpy, tf, content, first)
    return state


def invoke(state: State) -> None:
    """Run one inference and wait for the device."""
    _forward(state)


def set_threads(tf: Any, threads: int) -> None:
    """Set TensorFlow's threads, which it takes before its first use only."""
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def waiting(tf: Any) -> Any:
    """Get what waits for the devices: its own function, else reading an output; None on a CPU."""
    if not tf.config.list_physical_devices("GPU"):
        return None
    synchronise = getattr(getattr(tf.test, "experimental", None), "sync_devices", None)
    if synchronise is not None:
        return lambda _outputs: synchronise()
    return lambda outputs: [one.numpy() for one in outputs.values()]


def facts(numpy: Any, tf: Any, content: Any, first_output: Any) -> Dict[str, str]:
    """Get what is known of a model that TensorFlow runs."""
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "runtime_module": "tensorflow",
        "runtime_version": str(tf.__version__),
        "numpy_version": numpy.__version__,
        "input": summary(content.shape, content.dtype),
        "output_argmax": str(int(numpy.asarray(first_output)[0].argmax())),
        "device": gpus[0].name if gpus else "cpu",
    }


def _forward(state: State) -> Any:
    outputs = state.run(**state.inputs)
    if state.wait is not None:
        state.wait(outputs)
    return outputs


def _root(folder: str) -> str:
    """Get the folder of the graph: the archive's own, or the only one in it."""
    for place, _, names in os.walk(folder):
        if GRAPH in names:
            return place
    raise AgentError(
        "model-refused",
        f"the archive holds no {GRAPH}, so it is no SavedModel",
        "pack the folder that model.export or tf.saved_model.save wrote: zip -r model.zip .",
    )


def _shape(name: str, spec: Any, batch: int) -> Any:
    lengths = spec.shape.as_list()
    if lengths[0] not in (None, batch) or None in lengths[1:]:
        raise AgentError(
            "model-refused",
            f"its input {name} is {lengths}, which is no batch of {batch}",
            "export it with a free batch and fixed other sizes",
        )
    return [batch] + lengths[1:]
