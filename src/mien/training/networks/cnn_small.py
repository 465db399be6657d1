"""The plain convolution net of many tutorials: four convolutions, four poolings, one dense layer.

In the line of LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document
Recognition", Proceedings of the IEEE 1998; the shape that small FER2013 projects start with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import Heads, he_init, pooled_side
from mien.training.networks.options import build_module


class CnnSmall(nn.Module):
    """3x3 convolution, ReLU and 2x2 max pooling for every width, then a dense layer.

    Args:
        spec: What the network sees; the dense layer grows with its size.
        outputs: Columns of every head, by name.
        widths: Channels of the convolutions; each one halves the resolution.
        dense: Features of the dense layer.
        dropout: Share dropped behind the dense layer, and half of it behind every pooling; with 0
            the network has no randomness.
        batch_norm: Batch norm behind every convolution; a plain net has none.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        dense: int = 512,
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inner = spec.channels
        for width in widths:
            layers.append(nn.Conv2d(inner, width, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers += [nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout / 2)]
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


@networks.register("cnn-small")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Plain 32-64-128-256 convolution net with dropout and one dense layer."""
    return build_module(CnnSmall, spec, outputs, options)
