"""MobileNet: depthwise-separable convolutions, its width set by one number.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, arXiv 1704.04861, table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import Heads, conv_norm, he_init, scaled
from mien.training.networks.options import build_module

STEM = 32
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
"""Output channels and stride of every block."""


class MobileNet(nn.Module):
    """Strided convolution, 13 separable blocks, global average, linear heads.

    Args:
        spec: What the network sees.
        outputs: Columns of every head, by name.
        alpha: Factor on the channels of every layer.
        dropout: Share of features dropped before the heads in training.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        alpha: float = 1.0,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        inner = scaled(STEM, alpha)
        layers = [*conv_norm(spec.channels, inner, stride=2, activation=nn.ReLU6())]
        for width, stride in BLOCKS:
            outer = scaled(width, alpha)
            layers += [
                *conv_norm(inner, inner, stride=stride, groups=inner, activation=nn.ReLU6()),
                *conv_norm(inner, outer, kernel=1, activation=nn.ReLU6()),
            ]
            inner = outer
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout)]
        self.trunk = nn.Sequential(*layers)
        self.heads = Heads(inner, outputs)
        he_init(self.trunk)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        answers: dict[str, Tensor] = self.heads(self.trunk(x))
        return answers


@networks.register("mobilenet")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Howard 2017: depthwise-separable convolutions, width by alpha."""
    return build_module(MobileNet, spec, outputs, options)
