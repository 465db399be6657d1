"""The feature maps of a MobileFaceNet that knows faces already, as a trunk for a teacher.

Chen, Liu, Gao, Han, "MobileFaceNets: Efficient CNNs for Accurate Real-time Face Verification on
Mobile Devices", 2018, arXiv 1804.07573, table 1, up to its widest map; the embedding is left out.
It is meant for weights that were trained to tell people apart: batch norm is folded into the
convolutions, channels that died in that training are gone, and the first blocks may be frozen,
because edges and corners are the same for every question. What it costs at work (depthwise
convolutions, a slope for every channel) does not matter in a teacher, which nobody ships.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.dlib_resnet import FEATURE_SCALE
from mien.training.networks.layers import Heads, he_init
from mien.training.networks.mobilefacenet import LAST, STAGES
from mien.training.networks.options import build_module

INNER = (128, 112, 112, 112, 96, 256, 144, 112, 96, 96, 112, 112, 464, 144, 112)
"""Channels between the 1x1 convolutions of every block that are alive, in sixteens."""


WIDTHS = tuple(width for _, width, _, _ in STAGES)
"""Channels behind the blocks of every stage, as in the paper."""


class _EverySecond(nn.Module):
    """Every `stride`-th place of a map."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to ``(n, c, h / stride, w / stride)``, rounding up."""
        if self.stride == 1:
            return x
        thinned: Tensor = x[:, :, :: self.stride, :: self.stride]
        return thinned.contiguous(memory_format=torch.channels_last)


class Inverted(nn.Module):
    """Expand, depthwise, project, with biases in place of batch norm.

    Args:
        inner: Input channels.
        wide: Channels between the 1x1 convolutions.
        outer: Output channels.
        stride: 2 halves the resolution.
        shortcut: Whether the input is added.
    """

    def __init__(self, inner: int, wide: int, outer: int, stride: int, *, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.expand = nn.Sequential(nn.Conv2d(inner, wide, 1), nn.PReLU(wide))
        # Every second place of the whole map is what a stride of 2 gives; its gradient has no fast
        # kernel for bf16 on CPUs and took two fifths of a step.
        self.depthwise = nn.Sequential(
            nn.Conv2d(wide, wide, 3, 1, 1, groups=wide), _EverySecond(stride), nn.PReLU(wide)
        )
        self.project = nn.Conv2d(wide, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, outer, h / stride, w / stride)``."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class FaceNetTrunk(nn.Module):
    """MobileFaceNet's maps; the widest one and a grid of the one before it feed linear heads.

    Args:
        spec: What the network sees.
        outputs: Columns of every head, by name.
        stem: Channels of the first two convolutions.
        stem_groups: Groups of the second convolution; 0 gives every channel its own, as in the
            paper.
        widths: Channels behind the blocks of every stage.
        inner: Channels between the 1x1 convolutions of each of the fifteen blocks.
        frozen: Blocks at the start that keep their weights, together with what is in front of them;
            0 trains everything.
        grid: Averages a side of the last block's map.
        dropout: Share of features dropped before the heads in training.
        resize: Width to which faces are brought first, so that they are as large as the trunk knows
            them, whatever the student sees; 0 leaves them as they are.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        stem: int = 48,
        stem_groups: int = 0,
        widths: tuple[int, ...] = WIDTHS,
        inner: tuple[int, ...] = INNER,
        frozen: int = 0,
        grid: int = 2,
        dropout: float = 0.3,
        resize: int = 0,
    ) -> None:
        super().__init__()
        self.resize = resize
        if len(widths) != len(STAGES):
            raise ValueError(f"widths must name {len(STAGES)} numbers, got {len(widths)}")
        stages = zip(widths, STAGES, strict=True)
        shapes = [(width, stride, i) for width, (_, _, n, stride) in stages for i in range(n)]
        if len(inner) != len(shapes):
            raise ValueError(f"inner must name {len(shapes)} widths, got {len(inner)}")
        self.stem = nn.Sequential(
            nn.Conv2d(spec.channels, stem, 3, 2, 1),
            nn.PReLU(stem),
            nn.Conv2d(stem, stem, 3, 1, 1, groups=stem_groups or stem),
            nn.PReLU(stem),
        )
        blocks, before = [], stem
        for wide, (width, stride, index) in zip(inner, shapes, strict=True):
            step = stride if index == 0 else 1
            # As in the paper, a stage of one block has no shortcut, and neither has a first one.
            same = step == 1 and before == width
            blocks.append(Inverted(before, wide, width, step, shortcut=same))
            before = width
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Sequential(nn.Conv2d(before, LAST, 1), nn.PReLU(LAST))
        he_init(self)
        self.grid = nn.AdaptiveAvgPool2d(grid)
        features = LAST + before * grid**2
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
            # Smoothed before it is thinned: what is smaller than a place would show as noise.
            size = (self.resize, self.resize)
            x = nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        features = torch.cat([self.last(x).mean((2, 3)), self.grid(x).flatten(1)], 1)
        answers: dict[str, Tensor] = self.heads(self.dropout(self.norm(features)))
        return answers


@networks.register("facenet-trunk")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """MobileFaceNet without batch norm, to start from face recognition; a teacher."""
    return build_module(FaceNetTrunk, spec, outputs, options)
