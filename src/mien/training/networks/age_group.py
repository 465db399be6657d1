"""A small net for classes of ages: three convolutions and two dense layers.

The shape of Levi, Hassner, "Age and Gender Classification using Convolutional Neural Networks",
CVPR workshops 2015, which tells eight age groups apart: 7x7, 5x5 and 3x3 convolutions with
pooling, two dense layers with dropout. Narrower than theirs, for faces of 48 to 112 px instead of
227, with batch norm in place of local response normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import Heads, conv_norm, he_init
from mien.training.networks.options import build_module

KERNELS = (7, 5, 3)


class AgeGroup(nn.Module):
    """Three convolutions, each with overlapping max pooling, and two dense layers.

    Nothing in it is about age: how many groups there are, and which, is said by the age head's
    ``groups``, and any other head can be put on it.

    Args:
        spec: What the network sees; the first dense layer grows with its size.
        outputs: Columns of every head, by name.
        widths: Channels of the three convolutions.
        dense: Features of both dense layers.
        dropout: Share dropped behind each dense layer.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        widths: tuple[int, ...] = (32, 64, 128),
        dense: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if len(widths) != len(KERNELS):
            raise ValueError(f"widths must name {len(KERNELS)} numbers, got {widths}")
        layers: list[nn.Module] = []
        inner = spec.channels
        for number, (width, kernel) in enumerate(zip(widths, KERNELS, strict=True)):
            stride = 2 if number == 0 else 1
            layers += [
                *conv_norm(inner, width, kernel=kernel, stride=stride, activation=nn.ReLU()),
                nn.MaxPool2d(3, 2, 1),
            ]
            inner = width
        side = -(-spec.size // 16)
        layers.append(nn.Flatten())
        for features in (inner * side * side, dense):
            layers += [nn.Linear(features, dense), nn.ReLU(), nn.Dropout(dropout)]
        self.trunk = nn.Sequential(*layers)
        self.heads = Heads(dense, outputs)
        he_init(self.trunk)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        answers: dict[str, Tensor] = self.heads(self.trunk(x))
        return answers


@networks.register("age-group")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Three convolutions and two dense layers, for any number of age groups."""
    return build_module(AgeGroup, spec, outputs, options)
