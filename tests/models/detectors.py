"""The two detectors of study 003 as tables of layers.

Written after the networks' public descriptions: yolo-fastest-xl 1.0 of the Yolo-Fastest
project at 320 pixels, yolov4-tiny of the Darknet project at 416 and 320 pixels; read 2026-11.
Batch normalisation is folded into a bias per filter, leaky ReLUs are applied in place.
"""

from __future__ import annotations

from powerlab.analysis.roofline import Layer

ITEM_BYTES = 4


class Table:
    """Layers while they are appended; each output is a side length and channels."""

    def __init__(self, side: int) -> None:
        self.layers: list[Layer] = []
        self.outputs = [(side, 3)]

    @property
    def here(self) -> int:
        """Get the number of the latest output."""
        return len(self.outputs) - 1

    def conv(self, filters: int, size: int, stride: int = 1, groups: int = 1) -> int:
        """Append a padded convolution."""
        side, channels = self.outputs[-1]
        wide = -(-side // stride)
        weights = filters * size * size * channels // groups
        macs = wide * wide * weights
        self._append("conv", (wide, filters), side * side * channels, weights + filters, macs)
        return self.here

    def pool(self) -> None:
        """Append a maximum of 2 x 2 at stride 2."""
        side, channels = self.outputs[-1]
        self._append("pool", (side // 2, channels), side * side * channels)

    def add(self, other: int) -> None:
        """Append a residual."""
        side, channels = self.outputs[-1]
        assert self.outputs[other] == self.outputs[-1]
        self._append("add", (side, channels), 2 * side * side * channels)

    def upsample(self) -> None:
        """Append a doubling of both sides."""
        side, channels = self.outputs[-1]
        self._append("upsample", (2 * side, channels), side * side * channels)

    def join(self, *others: int) -> None:
        """Append a concatenation of earlier outputs."""
        shapes = [self.outputs[other] for other in others]
        side = shapes[0][0]
        channels = sum(deep for _, deep in shapes)
        self._append("join", (side, channels), side * side * channels)

    def half(self) -> None:
        """Append the second half of the channels."""
        side, channels = self.outputs[-1]
        self._append("half", (side, channels // 2), side * side * channels // 2)

    def back(self, to: int) -> None:
        """Go on from an earlier output."""
        self.outputs.append(self.outputs[to])

    def _append(
        self, kind: str, output: tuple[int, int], read: int, weights: int = 0, macs: int = 0
    ) -> None:
        side, channels = output
        written = side * side * channels
        sizes = [ITEM_BYTES * items for items in (weights, read, written)]
        self.layers.append(Layer(f"{kind} {self.here}", kind, weights, macs, *sizes))
        self.outputs.append(output)

    def bottleneck(self, wide: int, narrow: int, stride: int = 1) -> int:
        """Append 1 x 1, 3 x 3 by channel, and 1 x 1 again."""
        self.conv(wide, 1)
        self.conv(wide, 3, stride, groups=wide)
        return self.conv(narrow, 1)

    def residual(self, wide: int, narrow: int) -> None:
        """Append a bottleneck that is added to what it reads."""
        before = self.here
        self.bottleneck(wide, narrow)
        self.add(before)

    def by_channel(self, size: int) -> None:
        """Append a convolution of each channel on its own."""
        self.conv(self.outputs[-1][1], size, groups=self.outputs[-1][1])


def yolo_fastest_xl(side: int = 320) -> list[Layer]:
    """Get the layers of yolo-fastest-xl."""
    net = Table(side)
    net.conv(16, 3, 2)
    net.bottleneck(16, 8)
    net.residual(16, 8)
    # Expansion, output, stride of the first block, then the expansion of each residual.
    stages = [
        (48, 16, 2, [64, 64]),
        (64, 16, 2, [96, 96]),
        (96, 32, 1, [192, 192, 192, 192]),
        (192, 48, 2, [272, 272, 272, 272]),
    ]
    for wide, narrow, stride, residuals in stages:
        net.bottleneck(wide, narrow, stride)
        for one in residuals:
            net.residual(one, narrow)
    finer = net.conv(272, 1)
    net.conv(272, 3, 2, groups=272)
    net.conv(96, 1)
    for _ in range(5):
        net.residual(448, 96)
    coarse = net.conv(96, 1)
    _head(net, [128, 128])
    net.back(coarse)
    net.upsample()
    net.join(net.here, finer)
    net.conv(96, 1)
    _head(net, [96, 96])
    return net.layers


def _head(net: Table, widths: list[int]) -> None:
    for width in widths:
        net.by_channel(5)
        net.conv(width, 1)
    net.conv(255, 1)


def yolov4_tiny(side: int) -> list[Layer]:
    """Get the layers of yolov4-tiny."""
    net = Table(side)
    net.conv(32, 3, 2)
    net.conv(64, 3, 2)
    finer = 0
    for width in (64, 128, 256):
        whole = net.conv(width, 3)
        net.half()
        first = net.conv(width // 2, 3)
        second = net.conv(width // 2, 3)
        net.join(second, first)
        finer = net.conv(width, 1)
        net.join(whole, finer)
        net.pool()
    net.conv(512, 3)
    coarse = net.conv(256, 1)
    net.conv(512, 3)
    net.conv(255, 1)
    net.back(coarse)
    net.conv(128, 1)
    net.upsample()
    net.join(net.here, finer)
    net.conv(256, 3)
    net.conv(255, 1)
    return net.layers
