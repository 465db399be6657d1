"""ResNet-50 with the key names of torchvision and timm, to start from weights that a user has.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, table 1; the stride
stands at the 3x3 convolution of a block, as in both libraries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import Heads, conv_norm, he_init
from mien.training.networks.options import build_module
from mien.training.networks.pretrained import load_trunk

EXPANSION = 4
"""A block's output has this many times the channels of its 3x3 convolution."""


class Bottleneck(nn.Sequential):
    """1x1, 3x3 and 1x1 convolution beside a shortcut.

    An `nn.Sequential` only because export folds each batch norm into the convolution that stands
    before it in one; `forward` says what is computed.

    Args:
        inner: Input channels.
        width: Channels of the 3x3 convolution.
        stride: 2 halves the resolution.
    """

    conv1: nn.Conv2d
    bn1: nn.Module
    conv2: nn.Conv2d
    bn2: nn.Module
    conv3: nn.Conv2d
    bn3: nn.BatchNorm2d
    relu: nn.Module
    downsample: nn.Module

    def __init__(self, inner: int, width: int, stride: int) -> None:
        outer = width * EXPANSION
        parts: dict[str, nn.Module] = {
            "conv1": nn.Conv2d(inner, width, 1, bias=False),
            "bn1": nn.BatchNorm2d(width),
            "conv2": nn.Conv2d(width, width, 3, stride, 1, bias=False),
            "bn2": nn.BatchNorm2d(width),
            "conv3": nn.Conv2d(width, outer, 1, bias=False),
            "bn3": nn.BatchNorm2d(outer),
            "relu": nn.ReLU(),
        }
        if stride != 1 or inner != outer:
            parts["downsample"] = conv_norm(inner, outer, kernel=1, stride=stride)
        super().__init__(OrderedDict(parts))
        self.changes = "downsample" in parts
        nn.init.zeros_(self.bn3.weight)  # starting as the shortcut makes the first epochs stable

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, 4 width, h / stride, w / stride)``."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        total: Tensor = self.relu(y + (self.downsample(x) if self.changes else x))
        return total


def trunk(channels: int, layers: tuple[int, ...], width: int) -> nn.Sequential:
    """Everything before the global average, children named as in torchvision and timm."""
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(channels, width, 7, 2, 3, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "relu": nn.ReLU(),
        "maxpool": nn.MaxPool2d(3, 2, 1),
    }
    inner = width
    for stage, count in enumerate(layers):
        blocks = []
        for block in range(count):
            blocks.append(Bottleneck(inner, width << stage, 2 if stage and block == 0 else 1))
            inner = (width << stage) * EXPANSION
        parts[f"layer{stage + 1}"] = nn.Sequential(*blocks)
    return nn.Sequential(OrderedDict(parts))


class ResNet(nn.Module):
    """Trunk, global average, dropout, linear heads.

    Args:
        spec: What the network sees.
        outputs: Columns of every head, by name.
        weights: File to start the trunk from, see `load_trunk`; empty: random weights.
        freeze: The trunk stays as it is, batch norm included, and only the heads learn.
        layers: Blocks of every stage; each stage after the first halves the resolution.
        width: Channels of the first stage's 3x3 convolutions.
        dropout: Share of features dropped before the heads in training.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        weights: str = "",
        freeze: bool = False,
        layers: tuple[int, ...] = (3, 4, 6, 3),
        width: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.trunk = trunk(spec.channels, layers, width)
        he_init(self.trunk)
        if weights:
            load_trunk(self.trunk, Path(weights))
        self.freeze = freeze
        self.trunk.requires_grad_(not freeze)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.heads = Heads((width << len(layers) - 1) * EXPANSION, outputs)

    def train(self, mode: bool = True) -> Self:
        """Switch to training; a frozen trunk keeps answering with its stored statistics."""
        super().train(mode)
        if self.freeze:
            self.trunk.eval()
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        answers: dict[str, Tensor] = self.heads(self.pool(self.trunk(x)))
        return answers


@networks.register("resnet50")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """He 2016, frozen or fine-tuned from a weights file of torchvision or timm."""
    return build_module(ResNet, spec, outputs, options)
