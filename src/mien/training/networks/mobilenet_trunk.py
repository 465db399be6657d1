"""The feature maps of a MobileNet that knows faces already, as a trunk for a teacher.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, arXiv 1704.04861, table 1. It differs from the family ``mobilenet`` in what
weights from elsewhere need: batch norm is folded into the convolutions, halving pads as TensorFlow
does, the first blocks may be frozen, and a grid of places is kept beside the average.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.dlib_resnet import FEATURE_SCALE
from mien.training.networks.layers import Heads, he_init
from mien.training.networks.mobilenet import BLOCKS, STEM
from mien.training.networks.options import build_module

GRID_BLOCK = 11
"""Blocks up to the last map of twice the final resolution, whose grid feeds the heads too."""


class Stem(nn.Conv2d):
    """A strided convolution that pads an even side at its end only, as TensorFlow does."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__(inner, outer, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, outer, ceil(h / 2), ceil(w / 2))``."""
        rows, columns = x.shape[2] % 2, x.shape[3] % 2
        return super().forward(F.pad(x, (columns, 1, rows, 1)))


class Separable(nn.Module):
    """Depthwise, then 1x1 convolution, with biases in place of batch norm.

    Args:
        inner: Input channels.
        outer: Output channels.
        stride: 2 halves the resolution.
    """

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(inner, inner, 3, 1, 1, groups=inner)
        self.pointwise = nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, outer, ceil(h / stride), ceil(w / stride))``."""
        x = self.depthwise(x)
        if self.stride == 2:
            # A stride of two is every second place of the whole map; its gradient has no fast
            # kernel for bf16 on CPUs. Padded at the end only, an even side begins at the second.
            rows, columns = 1 - x.shape[2] % 2, 1 - x.shape[3] % 2
            x = x[:, :, rows::2, columns::2].contiguous(memory_format=torch.channels_last)
        answers: Tensor = F.relu6(self.pointwise(F.relu6(x)))
        return answers


class MobileNetTrunk(nn.Module):
    """MobileNet's maps; the average of the last and a grid of the one before feed linear heads.

    Args:
        spec: What the network sees.
        outputs: Columns of every head, by name.
        resize: Side in pixels to which the chip is enlarged first; 0 leaves it.
        frozen: Blocks at the start that keep their weights, together with the first convolution;
            0 trains everything.
        grid: Averages a side of the last map with twice the final resolution.
        dropout: Share of features dropped before the heads in training.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        resize: int = 0,
        frozen: int = 0,
        grid: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.resize = resize
        self.stem = Stem(spec.channels, STEM)
        blocks, inner = [], STEM
        for outer, stride in BLOCKS:
            blocks.append(Separable(inner, outer, stride))
            inner = outer
        self.blocks = nn.ModuleList(blocks)
        he_init(self)
        self.grid = nn.AdaptiveAvgPool2d(grid)
        features = inner + BLOCKS[GRID_BLOCK - 1][0] * grid**2
        self.norm = nn.BatchNorm1d(features)
        nn.init.constant_(self.norm.weight, FEATURE_SCALE)
        self.dropout = nn.Dropout(dropout)
        self.heads = Heads(features, outputs)
        if frozen:
            for part in (self.stem, *self.blocks[:frozen]):
                part.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        if self.resize:
            size = (self.resize, self.resize)
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        x = F.relu6(self.stem(x))
        for block in self.blocks[:GRID_BLOCK]:
            x = block(x)
        places = self.grid(x).flatten(1)
        for block in self.blocks[GRID_BLOCK:]:
            x = block(x)
        features = torch.cat([x.mean((2, 3)), places], 1)
        answers: dict[str, Tensor] = self.heads(self.dropout(self.norm(features)))
        return answers


@networks.register("mobilenet-trunk")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """MobileNet without batch norm, to start from face recognition; a teacher."""
    return build_module(MobileNetTrunk, spec, outputs, options)
