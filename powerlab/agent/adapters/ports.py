"""The first input and the first output of a loaded model, by runtime."""

from typing import Any, Callable, Dict, List

from powerlab.agent.faults import AgentError


class Port:
    """Shape and type of the input, what puts an array into it, and what reads the output."""

    def __init__(
        self, shape: Any, dtype: Any, write: Callable[[Any], None], read: Callable[[], Any]
    ) -> None:
        self.shape: List[int] = [int(length) for length in shape]
        self.dtype = dtype
        self.write = write
        self.read = read


def port_of(adapter: Any, state: Any) -> Port:
    """Get the ways into and out of a loaded model.

    What is written holds for all later passes; the output is that of the latest one. Raises
    AgentError "no-port" for a runtime or a model that has none here.
    """
    make = _PORTS.get(adapter.NAME)
    if make is None:
        raise AgentError(
            "no-port",
            f"the runtime {adapter.NAME} has no way to its input here",
            f"choose one of {', '.join(sorted(_PORTS))}",
        )
    return make(state)


def _tflite(state: Any) -> Port:
    interpreter = state.interpreter
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    return Port(
        source["shape"],
        source["dtype"],
        lambda content: interpreter.set_tensor(source["index"], content),
        lambda: interpreter.get_tensor(target["index"]),
    )


def _openvino(state: Any) -> Port:
    request = state.request
    tensor = request.get_input_tensor(0).data

    def write(content: Any) -> None:
        tensor[:] = content

    return Port(tensor.shape, tensor.dtype, write, lambda: request.get_output_tensor(0).data)


def _onnxruntime(state: Any) -> Port:
    types = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}
    source = state.session.get_inputs()[0]
    if source.type not in types:
        raise AgentError(
            "no-port",
            f"the model's input is {source.type}",
            "give a model that takes float32, uint8 or int8",
        )
    read = state.binding.copy_outputs_to_cpu
    batch = len(read()[0])
    return Port(
        [batch] + list(source.shape[1:]),
        types[source.type],
        lambda content: state.binding.bind_cpu_input(source.name, content),
        lambda: read()[0],
    )


def _keras(state: Any) -> Port:
    def write(content: Any) -> None:
        state.content = content

    return Port(
        state.content.shape,
        state.content.dtype,
        write,
        lambda: state.model.predict_on_batch(state.content),
    )


def _caffe(state: Any) -> Port:
    source, target = (state.net.blobs[names[0]] for names in (state.net.inputs, state.net.outputs))

    def write(content: Any) -> None:
        source.data[...] = content

    return Port(source.data.shape, source.data.dtype, write, lambda: target.data)


_PORTS: Dict[str, Callable[[Any], Port]] = {
    "caffe": _caffe,
    "edgetpu": _tflite,
    "keras": _keras,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "tflite": _tflite,
}
