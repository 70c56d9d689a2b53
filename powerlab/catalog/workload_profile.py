"""What a model is: its files, its size, and which runtimes load it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from powerlab.catalog.facts import Identifier, Model, Positive, Sourced

COMMAND = "command"
"""The runtime that is a program on the board, which brings its model itself."""

FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tflite": (".tflite",),
        "openvino-ir": (".xml", ".bin"),
        "onnx": (".onnx",),
        "ncnn": (".param", ".bin"),
        "edgetpu": (".tflite",),
        "torchscript": (".pt",),
        "tensorrt-engine": (".engine",),
        "paddle": (".json", ".pdiparams", ".inputs.json"),
        "paddle-program": (".pdmodel", ".pdiparams", ".inputs.json"),
        "paddle-lite": (".nb", ".inputs.json"),
        "rknn": (".rknn", ".inputs.json"),
        "savedmodel": (".zip",),
        "keras": (".keras",),
        "keras-h5": (".h5",),
        "caffe": (".prototxt", ".caffemodel"),
        "mxnet": ("-symbol.json", ".params", ".inputs.json"),
        COMMAND: (),
    }
)
"""The model formats that the agent's adapters read, and how the files of each end.

The file that a runtime opens comes first. On the board it is named "model" and its ending.
Where a format does not say what goes into a model, a file of its own does (.inputs.json).
"""


class ModelFile(Model):
    """A file of the user's: where it lies, relative to its lab, and what is in it."""

    path: str = Field(min_length=1)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Preprocessing(Model):
    """How a picture becomes a model's input, in this order.

    The shorter side is scaled to ``shorter_side_px`` (none: the picture is scaled to the
    input's height and width), the middle is cut out, values of 0 to 255 become
    ``(value / 255 - mean) / std`` by channel. A model of whole numbers takes that quantised.
    """

    shorter_side_px: Annotated[int, Field(gt=0)] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[Positive, ...] = (1.0,)


class AccuracyFigure(Sourced):
    """How many of ``count`` labelled pictures were recognised, and which pictures they were.

    ``first_class`` is the number of the class that the first output stands for.
    """

    pictures: str
    count: Annotated[int, Field(gt=0)]
    top1: Annotated[int, Field(ge=0)]
    top5: Annotated[int, Field(ge=0)]
    first_class: int = 0

    @model_validator(mode="after")
    def _counts_fit(self) -> Self:
        if not self.top1 <= self.top5 <= self.count:
            raise ValueError("must have top1 <= top5 <= count, all of them numbers of pictures")
        return self


class WorkloadProfile(Model):
    """A model built by a recipe from a fixed seed, of files, or what a program on the board infers.

    ``recipe`` names a builder of ``powerlab.recipes``; ``formats`` maps a runtime id to the
    file format it loads, one of FORMATS; ``files`` are the user's own by format, and come
    before what the recipe would build. ``input_shape`` is NHWC at batch 1. ``command`` is
    the program that the runtime of this name starts and its arguments, word by word.
    """

    schema_version: Literal[1] = Field(alias="schema")
    id: Identifier
    name: str
    summary: str
    recipe: Identifier | None = None
    seed: int = 0
    precision: Literal["float32", "int8"]
    input_shape: tuple[int, int, int, int]
    outputs: int
    parameters: int
    macs: int
    formats: dict[str, str] = Field(default_factory=dict)
    files: dict[str, tuple[ModelFile, ...]] = Field(default_factory=dict)
    command: tuple[str, ...] = ()
    preprocessing: Preprocessing = Preprocessing()
    accuracy: tuple[AccuracyFigure, ...] = ()
    origin: Sourced

    @model_validator(mode="after")
    def _command_is_a_runtime(self) -> Self:
        if bool(self.command) != (COMMAND in self.formats):
            with_it = {COMMAND: COMMAND} if self.command else {}
            rest = {key: kind for key, kind in self.formats.items() if key != COMMAND}
            object.__setattr__(self, "formats", {**rest, **with_it})
        return self

    @model_validator(mode="after")
    def _files_are_whole(self) -> Self:
        for kind, files in self.files.items():
            if not FORMATS.get(kind):
                known = ", ".join(kind for kind, endings in FORMATS.items() if endings)
                raise ValueError(f"files.{kind}: formats of files are {known}")
            if sorted(ending_of(kind, file) for file in files) != sorted(FORMATS[kind]):
                wanted = " and ".join(FORMATS[kind])
                raise ValueError(f"files.{kind}: needs one file each that ends in {wanted}")
        return self

    def anchored(self, lab: Path) -> Self:
        """Get the same workload, the paths of files that lie in this lab made absolute.

        A profile that extends one of an earlier lab may name files of that one.
        """
        if not self.files:
            return self
        files = {
            kind: tuple(_placed(file, lab) for file in own) for kind, own in self.files.items()
        }
        return self.model_copy(update={"files": files})

    def with_command(self, words: Sequence[str]) -> Self:
        """Get the same workload as a program on the board infers it."""
        formats = {**self.formats, COMMAND: COMMAND}
        return self.model_copy(update={"command": tuple(words), "formats": formats})


def _placed(file: ModelFile, lab: Path) -> ModelFile:
    place = lab / Path(file.path).expanduser()
    return file.model_copy(update={"path": str(place)}) if place.is_file() else file


def board_names(kind: str) -> tuple[str, ...]:
    """Get the names that a format's files have on the board, the one to be opened first."""
    return tuple(f"model{ending}" for ending in FORMATS[kind])


def ending_of(kind: str, file: ModelFile) -> str:
    """Get which of a format's endings a file has: the longest, none where it has none of them."""
    return max((end for end in FORMATS[kind] if file.path.endswith(end)), key=len, default="")
