"""What a program does around the forward pass: from an 8-bit image to the class read back.

The image has twice the width and height of the input. Each pass averages it to the input's
size, scales it to 0 to 1 (to the integers of an integer input), copies it in, and afterwards
reads the output and takes its largest.
"""

from typing import Any, Tuple

from powerlab.agent.adapters.inputs import import_numpy
from powerlab.agent.adapters.ports import Port, port_of
from powerlab.agent.faults import AgentError

CHANNELS = (1, 3, 4)


class Prepared:
    """A model's input with the image that is put into it; ``words`` say what is done."""

    def __init__(self, numpy: Any, port: Port, seed: int) -> None:
        shape, kind, self._write, self._output = port.shape, port.dtype, port.write, port.read
        self._numpy = numpy
        self._kind = numpy.dtype(kind)
        self._planes = len(shape) == 4 and shape[1] in CHANNELS and shape[3] not in CHANNELS
        if len(shape) != 4 or not (self._planes or shape[3] in CHANNELS):
            raise _no_image(f"its input {'x'.join(map(str, shape))} is no image")
        count, high, wide, deep = _image_axes(shape, planes=self._planes)
        size = (count, 2 * high, 2 * wide, deep)
        draw = numpy.random.RandomState(seed % 2**32)
        self._image = draw.randint(0, 256, size=size, dtype=numpy.int64).astype(numpy.uint8)
        self._halves = (count, high, 2, wide, 2, deep)
        self.words = (
            f"end-to-end: an 8-bit image of {2 * wide} x {2 * high} averaged to {wide} x {high}, "
            f"scaled to {self._kind.name}, copied in, inferred, the largest output read back"
        )

    def fill(self) -> None:
        """Do all that comes before the forward pass."""
        numpy = self._numpy
        small = self._image.reshape(self._halves).mean(axis=(2, 4), dtype=numpy.float32)
        if self._kind.kind == "f":
            small = (small / numpy.float32(255)).astype(self._kind)
        else:
            low = numpy.iinfo(self._kind).min if self._kind.kind == "i" else 0
            small = (numpy.rint(small) + max(low, -128)).astype(self._kind)
        if self._planes:
            small = numpy.ascontiguousarray(small.transpose(0, 3, 1, 2))
        self._write(small)

    def read(self) -> int:
        """Do all that comes after it: get the class of the first image."""
        return int(self._numpy.asarray(self._output())[0].argmax())


def prepared(adapter: Any, state: Any, seed: int) -> Prepared:
    """Get the image and the ways to input and output of a loaded model.

    Raises AgentError "no-port" for a runtime, "no-end-to-end" for a model for which there is none.
    """
    return Prepared(import_numpy(adapter.NAME), port_of(adapter, state), seed)


def _image_axes(shape: Any, *, planes: bool) -> Tuple[int, int, int, int]:
    count, second, third, fourth = (int(length) for length in shape)
    return (count, third, fourth, second) if planes else (count, second, third, fourth)


def _no_image(why: str) -> AgentError:
    return AgentError(
        "no-end-to-end",
        f"this model cannot be measured end to end: {why}",
        "choose a protocol that times the forward pass alone, or let a program of your own do "
        "the whole (--command)",
    )
