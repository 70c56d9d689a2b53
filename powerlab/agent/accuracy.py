"""Which classes a loaded model tells of prepared pictures; never within a timed window."""

from typing import Any, Dict, List

from powerlab.agent.adapters.inputs import import_numpy
from powerlab.agent.adapters.ports import port_of
from powerlab.agent.faults import AgentError

MOST_CLASSES = 100


def classify(adapter: Any, state: Any, content: bytes, top: int) -> Dict[str, Any]:
    """Get the ``top`` likeliest classes of each picture in ``content``, likeliest first.

    ``content`` holds the model's input, in its own type and layout, once for every batch of
    pictures; none asks for the input's shape and type alone. Of classes told equally likely the
    lower one comes first. Raises AgentError "no-port" for a runtime or a model for which there is
    no way in or out, "bad-request" for content that is no number of whole batches.
    """
    numpy = import_numpy(adapter.NAME)
    port = port_of(adapter, state)
    kind = numpy.dtype(port.dtype)
    size = int(numpy.prod(port.shape, dtype=numpy.int64)) * kind.itemsize
    if size == 0 or len(content) % size or not 1 <= top <= MOST_CLASSES:
        raise AgentError(
            "bad-request",
            f"{len(content)} bytes are no whole number of inputs of {size} bytes",
            "send pictures as the model's input takes them, by whole batches",
        )
    best: List[List[int]] = []
    for start in range(0, len(content), size):
        batch = numpy.frombuffer(content[start : start + size], kind).reshape(port.shape)
        port.write(batch)
        adapter.invoke(state)
        told = numpy.asarray(port.read(), numpy.float64).reshape(len(batch), -1)
        order = numpy.argsort(-told, axis=1, kind="mergesort")  # the name of a stable one
        best.extend([int(number) for number in row] for row in order[:, :top])
    return {"shape": [int(length) for length in port.shape], "dtype": kind.name, "best": best}
