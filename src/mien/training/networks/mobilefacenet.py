"""MobileFaceNet: the last map is weighed place by place instead of averaged.

Chen, Liu, Gao, Han, "MobileFaceNets: Efficient CNNs for Accurate Real-time Face Verification on
Mobile Devices", 2018, arXiv 1804.07573, table 1. The expression network of 0.21 M parameters
(AIWintermuteAI/edge_ml_emotion_recognition, trained on FER+) keeps the widths and the strides of
its stages, but has plain separable convolutions where the paper has expanding bottlenecks, and
neither the 512 wide layer nor the embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import Heads, conv_norm, he_init, scaled
from mien.training.networks.options import build_module

STEM, LAST, EMBEDDING = 64, 512, 128
SLOPE = 0.3
"""Slope of the slim network's leaky ReLU below zero."""

STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Expansion (full network only), channels, blocks and stride of the first block of every stage."""


class Bottleneck(nn.Module):
    """Expand, depthwise, project; with a shortcut where the shape stays.

    Args:
        inner: Input channels.
        outer: Output channels.
        stride: 2 halves the resolution.
        expansion: Factor on `inner` between the 1x1 convolutions.
    """

    def __init__(self, inner: int, outer: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inner * expansion
        self.same = stride == 1 and inner == outer
        norm = nn.BatchNorm2d(outer)
        self.main = nn.Sequential(
            *conv_norm(inner, wide, kernel=1, activation=nn.PReLU(wide)),
            *conv_norm(wide, wide, stride=stride, groups=wide, activation=nn.PReLU(wide)),
            nn.Conv2d(wide, outer, 1, bias=False),
            norm,
        )
        if self.same:  # a block that starts as the identity makes the first epochs stable
            nn.init.zeros_(norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, outer, h / stride, w / stride)``."""
        y: Tensor = self.main(x)
        return x + y if self.same else y


class MobileFaceNet(nn.Module):
    """Convolutions down to a sixteenth of the width, one weight for each place of that map.

    Args:
        spec: What the network sees.
        outputs: Columns of every head, by name.
        alpha: Factor on the channels of every layer.
        variant: ``"slim"`` is the expression network, ``"full"`` the paper with its embedding.
        dropout: Share of features dropped before the heads in training.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        alpha: float = 1.0,
        variant: str = "slim",
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        if variant not in ("slim", "full"):
            raise ValueError(f"variant must be 'slim' or 'full', got {variant!r}")
        side = -(-spec.size // 16)
        if variant == "slim":
            layers, features = _slim(spec.channels, alpha, side)
        else:
            layers, features = _full(spec.channels, alpha, side)
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout))
        self.heads = Heads(features, outputs)
        he_init(self.trunk)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        answers: dict[str, Tensor] = self.heads(self.trunk(x))
        return answers


def _slim(channels: int, alpha: float, side: int) -> tuple[list[nn.Module], int]:
    inner = scaled(STEM, alpha)
    layers = [*conv_norm(channels, inner, stride=2, activation=nn.LeakyReLU(SLOPE))]
    for width, stride in ((STEM, 1), *_blocks()):
        outer = scaled(width, alpha)
        layers += [
            *conv_norm(inner, inner, stride=stride, groups=inner, activation=nn.LeakyReLU(SLOPE)),
            *conv_norm(inner, outer, kernel=1, activation=nn.LeakyReLU(SLOPE)),
        ]
        inner = outer
    return [*layers, *_weighed(inner, side)], inner


def _full(channels: int, alpha: float, side: int) -> tuple[list[nn.Module], int]:
    inner = scaled(STEM, alpha)
    layers: list[nn.Module] = [
        *conv_norm(channels, inner, stride=2, activation=nn.PReLU(inner)),
        *conv_norm(inner, inner, groups=inner, activation=nn.PReLU(inner)),
    ]
    expansions = [expansion for expansion, _, count, _ in STAGES for _ in range(count)]
    for expansion, (width, stride) in zip(expansions, _blocks(), strict=True):
        outer = scaled(width, alpha)
        layers.append(Bottleneck(inner, outer, stride, expansion))
        inner = outer
    last, embedding = scaled(LAST, alpha), scaled(EMBEDDING, alpha)
    layers += [
        *conv_norm(inner, last, kernel=1, activation=nn.PReLU(last)),
        *_weighed(last, side),
        *conv_norm(last, embedding, kernel=1),
    ]
    return layers, embedding


def _blocks() -> list[tuple[int, int]]:
    """Channels and stride of every block."""
    return [
        (width, stride if block == 0 else 1)
        for _, width, count, stride in STAGES
        for block in range(count)
    ]


def _weighed(channels: int, side: int) -> nn.Sequential:
    """Global depthwise convolution: every channel's map becomes one number, linearly."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, side, groups=channels, bias=False), nn.BatchNorm2d(channels)
    )


@networks.register("mobilefacenet")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Chen 2018, slimmed to 0.21 M parameters for FER+, or in full; width by alpha."""
    return build_module(MobileFaceNet, spec, outputs, options)
