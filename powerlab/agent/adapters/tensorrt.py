"""TensorRT: engines (.engine, .plan), or ONNX models built into one on the board, float32.

What was built is kept on the board, since building may take minutes.

Two interfaces: named tensors with ``execute_async_v3`` where the version has them (8.5 and
newer), else bindings with ``execute_async_v2`` (7 and 8, as on JetPack 4). TensorRT tells
failures by None or False and a log line, so the log is kept and becomes the message.
"""

import importlib
import platform
from typing import Any, Dict, List, Tuple

from powerlab.agent.adapters import engines
from powerlab.agent.adapters.inputs import import_numpy, random_input, summary
from powerlab.agent.cuda import Cuda
from powerlab.agent.faults import AgentError, python_version, reason

NAME = "tensorrt"

MODULES = ("tensorrt", "tensorrt_rtx")
WORKSPACE_BYTES = 1 << 28
LOG_LINES = 20


class Tensor:
    """One input or output: its name, shape, numpy type and place on the device."""

    def __init__(self, name: str, shape: List[int], dtype: Any, *, is_input: bool) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.is_input = is_input
        self.place = 0


class State:
    """An execution context with its memory bound, and what is known of it."""

    def __init__(self, cuda: Cuda, context: Any, log: List[str]) -> None:
        self.cuda = cuda
        self.context = context
        self.log = log
        self.bindings: List[int] = []  # empty: the tensors are named
        self.facts: Dict[str, str] = {}

    def close(self) -> None:
        """Free the device memory."""
        self.cuda.close()


def load(path: str, options: Dict[str, Any]) -> State:
    """Get the engine, bind device memory, fill the input and run it once.

    Raises AgentError: "runtime-missing" or "runtime-broken" where the package or CUDA cannot
    be used, "device-failed" where the device does not do as it should, "model-refused" where
    the model cannot be built or run as asked.
    """
    numpy = import_numpy(NAME)
    trt = _import()
    log: List[str] = []
    logger = _logger(trt, log)
    with open(path, "rb") as stream:
        content = stream.read()
    cuda = Cuda()
    try:
        if path.endswith(".onnx"):
            engine, context = _from_onnx(trt, logger, log, content, options["batch"])
        else:
            engine, context = _open(trt, logger, log, content)
        state = State(cuda, context, log)
        named = hasattr(engine, "num_io_tensors") and hasattr(context, "execute_async_v3")
        ports = (_bind_named if named else _bind_numbered)(trt, engine, context, options["batch"])
        _place(numpy, state, ports, options["seed"], named=named)
        invoke(state)
    except BaseException:
        cuda.close()
        raise
    state.facts = _facts(numpy, trt, cuda, ports, named=named)
    return state


def invoke(state: State) -> None:
    """Run one inference and wait for the device."""
    if state.bindings:
        done = state.context.execute_async_v2(state.bindings, state.cuda.stream)
    else:
        done = state.context.execute_async_v3(state.cuda.stream)
    if not done:
        raise _refused("the engine does not run", state.log)
    state.cuda.synchronise()


def _open(trt: Any, logger: Any, log: List[str], content: bytes) -> Tuple[Any, Any]:
    engine = trt.Runtime(logger).deserialize_cuda_engine(content)
    context = engine.create_execution_context() if engine is not None else None
    if context is None:
        raise _refused("the engine cannot be loaded: it must be built on this board", log)
    return engine, context


def _from_onnx(
    trt: Any, logger: Any, log: List[str], content: bytes, batch: int
) -> Tuple[Any, Any]:
    """Open the engine that was built of an ONNX model before, else build one and keep it."""
    version = f"{trt.__name__} {trt.__version__}"
    place = engines.place_of(content, [version, platform.node(), f"batch {batch}"])
    kept = engines.read(place)
    if kept is not None:
        try:
            return _open(trt, logger, log, kept)
        except AgentError:  # another device, or a driver that is newer
            engines.forget(place)
            del log[:]
    built = _build(trt, logger, log, content, batch)
    engines.keep(place, built)
    return _open(trt, logger, log, built)


def _bind_named(trt: Any, engine: Any, context: Any, batch: int) -> List[Tensor]:
    names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
    inputs = [one for one in names if engine.get_tensor_mode(one) == trt.TensorIOMode.INPUT]
    for name in inputs:
        shape = _at_batch(name, engine.get_tensor_shape(name), batch)
        if not context.set_input_shape(name, shape):
            raise _refused(f"its input {name} cannot be {shape}", [])
    return [
        Tensor(
            name,
            [int(length) for length in context.get_tensor_shape(name)],
            trt.nptype(engine.get_tensor_dtype(name)),
            is_input=name in inputs,
        )
        for name in names
    ]


def _bind_numbered(trt: Any, engine: Any, context: Any, batch: int) -> List[Tensor]:
    if getattr(engine, "has_implicit_batch_dimension", False):
        raise _refused("the engine was built with an implicit batch, which is retired", [])
    numbers = range(engine.num_bindings)
    for number in numbers:
        if engine.binding_is_input(number):
            name = engine.get_binding_name(number)
            shape = _at_batch(name, engine.get_binding_shape(number), batch)
            if not context.set_binding_shape(number, shape):
                raise _refused(f"its input {name} cannot be {shape}", [])
    return [
        Tensor(
            engine.get_binding_name(number),
            [int(length) for length in context.get_binding_shape(number)],
            trt.nptype(engine.get_binding_dtype(number)),
            is_input=engine.binding_is_input(number),
        )
        for number in numbers
    ]


def _at_batch(name: str, shape: Any, batch: int) -> List[int]:
    lengths = [int(length) for length in shape]
    if lengths[0] not in (-1, batch) or -1 in lengths[1:]:
        raise _refused(f"its input {name} is {lengths}, which is no batch of {batch}", [])
    return [batch] + lengths[1:]


def _place(numpy: Any, state: State, ports: List[Tensor], seed: int, *, named: bool) -> None:
    """Give every tensor its device memory, and the inputs their content."""
    for offset, port in enumerate(ports):
        size = int(numpy.prod(port.shape, dtype=numpy.int64)) * numpy.dtype(port.dtype).itemsize
        port.place = state.cuda.allocate(max(1, size))
        if port.is_input:
            drawn = random_input(numpy, port.shape, port.dtype, seed + offset)
            state.cuda.to_device(port.place, numpy.ascontiguousarray(drawn))
        if not named:
            state.bindings.append(port.place)
        elif not state.context.set_tensor_address(port.name, port.place):
            raise _refused(f"the tensor {port.name} takes no address", state.log)


def _build(trt: Any, logger: Any, log: List[str], content: bytes, batch: int) -> bytes:
    """Build an engine from an ONNX model on this board, which may take minutes."""
    builder = trt.Builder(logger)
    flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if flag is None else 1 << int(flag))
    if not trt.OnnxParser(network, logger).parse(content):
        raise _refused("the ONNX file cannot be parsed", log)
    config = builder.create_builder_config()
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    else:
        config.max_workspace_size = WORKSPACE_BYTES
    if hasattr(trt.BuilderFlag, "TF32"):  # rounds the factors of float32 to 10 bits
        config.clear_flag(trt.BuilderFlag.TF32)
    profile = builder.create_optimization_profile()
    for number in range(network.num_inputs):
        port = network.get_input(number)
        shape = _at_batch(port.name, port.shape, batch)
        profile.set_shape(port.name, shape, shape, shape)
    config.add_optimization_profile(profile)
    if hasattr(builder, "build_serialized_network"):
        built = builder.build_serialized_network(network, config)
    else:
        engine = builder.build_engine(network, config)
        built = None if engine is None else engine.serialize()
    if built is None:
        raise _refused("no engine can be built from the ONNX file", log)
    return bytes(built)


def _logger(trt: Any, log: List[str]) -> Any:
    """Get a logger that keeps warnings and errors."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(trt.ILogger.Severity.WARNING):
                log.append(str(message))
                del log[:-LOG_LINES]

    return Log()


def _refused(why: str, log: List[str]) -> AgentError:
    return AgentError(
        "model-refused",
        f"TensorRT on the board refuses the model: {why}" + "".join(f": {one}" for one in log[-1:]),
        "give an .onnx model, which is built here, or an engine built on this very board with "
        "this version and batch size",
        "\n".join(log),
    )


def _import() -> Any:
    broken: List[Exception] = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except Exception as error:  # noqa: PERF203 -- two rounds
            if not (isinstance(error, ModuleNotFoundError) and error.name == name):
                broken.append(error)
    if broken:
        raise AgentError(
            "runtime-broken",
            f"tensorrt is installed on the board and cannot be imported: {broken[0]}",
            "check that its version suits the board's CUDA and driver",
            reason(broken[0]),
        )
    raise AgentError(
        "runtime-missing",
        f"the board's Python {python_version()} has no package tensorrt",
        "on a Jetson it comes with JetPack for the system's own python3: name that one in the "
        "bench (python = …); elsewhere install NVIDIA's package",
    )


def _facts(numpy: Any, trt: Any, cuda: Cuda, ports: List[Tensor], *, named: bool) -> Dict[str, str]:
    first_input = next(port for port in ports if port.is_input)
    first_output = next(port for port in ports if not port.is_input)
    content = numpy.zeros(first_output.shape, first_output.dtype)
    cuda.to_host(content, first_output.place)
    return {
        "runtime_module": trt.__name__,
        "runtime_version": str(trt.__version__),
        "numpy_version": numpy.__version__,
        "input": summary(first_input.shape, first_input.dtype),
        "output_argmax": str(int(content[0].argmax())),
        "interface": "named tensors, execute_async_v3" if named else "bindings, execute_async_v2",
    }
