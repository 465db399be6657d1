"""The residual network of dlib's face recognition, as a trunk for other questions about faces.

King, "High Quality Face Recognition with Deep Metric Learning", dlib blog, 2017: He et al.'s
ResNet-34 with half the filters and fewer blocks, for faces of 150 px. Its weights are in the public
domain (CC0 1.0); `scripts/make_trunk.py` turns them into a start. Here it sees 112 px, stops a
stage earlier, and two maps feed the heads: the last one and the finer one before it. mien asks it
for age, gender and expression only and does not identify anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import Heads, conv_norm
from mien.training.networks.options import build_module

FEATURE_SCALE = 0.25
"""Standard deviation of the features that the heads see at the start."""


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Args:
        inner: Input channels.
        outer: Output channels.
    """

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.halves = inner != outer
        stride, padding = (2, 0) if self.halves else (1, 1)
        first = nn.Conv2d(inner, outer, 3, stride, padding, bias=False)
        self.first = nn.Sequential(first, nn.BatchNorm2d(outer), nn.ReLU())
        self.second = conv_norm(outer, outer)
        self.shortcut: nn.Module = nn.Identity()
        if self.halves:
            # The original averages 2x2 places and appends empty channels: this is where the
            # convolution starts, and it may learn better.
            shortcut = nn.Conv2d(inner, outer, 2, 2, bias=False)
            nn.init.zeros_(shortcut.weight)
            with torch.no_grad():
                shortcut.weight[range(inner), range(inner)] = 0.25
            self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, outer, h, w)``, or to half of `h` and `w`."""
        # The original looks right and down of the average and does not pad; here an even map gets
        # the place that it lacks. An odd one lacks none and never reads the zeros.
        y = nn.functional.pad(x, (0, 1, 0, 1)) if self.halves else x
        return torch.relu(self.second(self.first(y)) + self.shortcut(x))


class DlibResNet(nn.Module):
    """Residual trunk; its last two resolutions, averaged over a grid, feed linear heads.

    Args:
        spec: What the network sees.
        outputs: Columns of every head, by name.
        widths: Channels of every stage, of the first one also those of the 7x7 convolution in
            front; each stage after the first halves the resolution.
        blocks: Residual blocks of every stage. The original has 3, 4, 3, 3 and one more.
        grid: Averages a side before the heads; 2 keeps upper and lower, left and right apart. A
            map with fewer places gives them all.
        dropout: Share of features dropped before the heads in training.
        resize: Width to which faces are enlarged first, so that a teacher can see what its student
            sees as large as the original did (150); 0 leaves them as they are.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        blocks: tuple[int, ...] = (3, 4, 3, 2),
        grid: int = 2,
        dropout: float = 0.3,
        resize: int = 0,
    ) -> None:
        super().__init__()
        self.resize = resize
        if len(widths) != len(blocks):
            raise ValueError(f"widths {widths} and blocks {blocks} differ in length")
        if len(widths) < 2 or any(b <= a for a, b in pairwise(widths)):
            raise ValueError(f"widths must name two stages or more, each wider, got {widths}")
        self.stem = nn.Sequential(
            *conv_norm(spec.channels, widths[0], kernel=7, stride=2, activation=nn.ReLU()),
            nn.MaxPool2d(3, 2, 1),
        )
        self.stages = nn.ModuleList()
        inner = widths[0]
        for width, count in zip(widths, blocks, strict=True):
            inners = [inner, *[width] * (count - 1)]
            self.stages.append(nn.Sequential(*(Residual(i, width) for i in inners)))
            inner = width
        places = -(-(resize or spec.size) // 4)
        fine, coarse = places >> (len(widths) - 2), places >> (len(widths) - 1)
        if not coarse:
            raise ValueError(f"faces of {spec.size} px are too small for {len(widths)} stages")
        self.fine, self.coarse = _pool(fine, grid), _pool(coarse, grid)
        features = widths[-2] * min(grid, fine) ** 2 + widths[-1] * min(grid, coarse) ** 2
        self.norm = nn.BatchNorm1d(features)
        # At unit variance so many features would make the heads learn far faster than the trunk.
        nn.init.constant_(self.norm.weight, FEATURE_SCALE)
        self.dropout = nn.Dropout(dropout)
        self.heads = Heads(features, outputs)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        if self.resize:
            x = nn.functional.interpolate(x, (self.resize, self.resize), mode="bilinear")
        x = self.stem(x)
        for stage in self.stages[:-1]:
            x = stage(x)
        last = self.stages[-1](x)
        features = torch.cat([self.fine(x).flatten(1), self.coarse(last).flatten(1)], 1)
        answers: dict[str, Tensor] = self.heads(self.dropout(self.norm(features)))
        return answers


def _pool(side: int, grid: int) -> nn.AvgPool2d:
    """Averages over `grid` x `grid` windows that overlap where `side` is no multiple of it."""
    grid = min(grid, side)
    stride = side // grid
    return nn.AvgPool2d(side - stride * (grid - 1), stride)


@networks.register("dlib-resnet")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Plain 3x3 residual trunk that can start from dlib's public-domain weights."""
    return build_module(DlibResNet, spec, outputs, options)
