"""Blocks of two convolutions with batch norm and dropout, for small tasks such as three classes.

Two 3x3 convolutions before each pooling: Simonyan, Zisserman, "Very Deep Convolutional Networks
for Large-Scale Image Recognition", ICLR 2015. Batch norm: Ioffe, Szegedy, ICML 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import Heads, conv_norm, he_init, pooled_side
from mien.training.networks.options import build_module


class CnnBlocks(nn.Module):
    """Two convolutions, pooling and dropout for every width, then a dense layer.

    Args:
        spec: What the network sees; the dense layer grows with its size.
        outputs: Columns of every head, by name.
        widths: Channels of the blocks; each block halves the resolution.
        dense: Features of the dense layer.
        dropout: Share dropped behind every block and behind the dense layer.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        widths: tuple[int, ...] = (32, 64, 128),
        dense: int = 128,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inner = spec.channels
        for width in widths:
            layers += [
                *conv_norm(inner, width, activation=nn.ReLU()),
                *conv_norm(width, width, activation=nn.ReLU()),
                nn.MaxPool2d(2),
                nn.Dropout(dropout),
            ]
            inner = width
        side = pooled_side(spec.size, len(widths))
        layers += [nn.Flatten(), nn.Linear(inner * side * side, dense), nn.ReLU()]
        self.trunk = nn.Sequential(*layers, nn.Dropout(dropout))
        self.heads = Heads(dense, outputs)
        he_init(self.trunk)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        answers: dict[str, Tensor] = self.heads(self.trunk(x))
        return answers


@networks.register("cnn-blocks")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Three blocks of two convolutions with batch norm and dropout, one dense layer."""
    return build_module(CnnBlocks, spec, outputs, options)
