"""The flagship family: a plain 3x3 residual trunk and one linear head a question.

Plain 3x3 convolutions, because they use vector units best, in training and in ONNX Runtime; a
stem that quarters the resolution at once, because batch norm at full resolution is bound by
memory; a 2x2 grid of averages before the heads, because a mouth corner and an eyebrow should not
be averaged into one number.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, figure 5 left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.options import build_module


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Args:
        inner: Input channels.
        outer: Output channels.
        stride: 2 halves the resolution.
    """

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()
        )
        norm = nn.BatchNorm2d(outer)
        # Starting every block as the identity makes the first epochs stable.
        nn.init.zeros_(norm.weight)
        self.second = nn.Sequential(nn.Conv2d(outer, outer, 3, 1, 1, bias=False), norm)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inner != outer:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, outer, h / stride, w / stride)``."""
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class MultiHead(nn.Module):
    """Trunk, 2x2 grid of averages, dropout, one linear layer a head.

    Args:
        spec: What the network sees.
        outputs: Columns of every head, by name.
        widths: Channels of every stage; each stage after the first halves the resolution.
        blocks: Residual blocks of every stage.
        stem: Channels after the first stem convolution.
        grid: Averages a side before the heads; 2 keeps upper and lower, left and right apart.
        dropout: Share of features dropped before the heads in training.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        stem: int = 16,
        grid: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"widths {widths} and blocks {blocks} differ in length")
        layers: list[nn.Module] = [
            nn.Conv2d(spec.channels, stem, 3, 2, 1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
            nn.Conv2d(stem, widths[0], 3, 2, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        inner = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(count):
                layers.append(Residual(inner, width, 2 if stage and block == 0 else 1))
                inner = width
        self.trunk = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(inner * grid * grid, classes) for name, classes in outputs.items()}
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        features = self.dropout(self.pool(self.trunk(x)).flatten(1))
        return {name: head(features) for name, head in self.heads.items()}


@networks.register("multihead")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Plain 3x3 residual trunk, one linear head a question: the flagship family."""
    return build_module(MultiHead, spec, outputs, options)
