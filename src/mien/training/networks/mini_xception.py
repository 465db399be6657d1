"""mini-Xception: depthwise-separable residual modules and no dense layer, 57 k parameters.

Arriaga, Valdenegro-Toro, Ploeger, "Real-time Convolutional Neural Networks for Emotion and Gender
Classification", 2017, arXiv 1710.07557. Several questions: one 3x3 convolution each, then the
average over the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import conv_norm, he_init
from mien.training.networks.options import build_module


def separable(inner: int, outer: int) -> nn.Sequential:
    """Depthwise 3x3 and pointwise 1x1 convolution, then batch norm."""
    return nn.Sequential(
        nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
        *conv_norm(inner, outer, kernel=1),
    )


class SeparableResidual(nn.Module):
    """Two separable convolutions and a pooling beside a strided 1x1 convolution.

    Args:
        inner: Input channels.
        outer: Output channels.
    """

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            separable(inner, outer), nn.ReLU(), separable(outer, outer), nn.MaxPool2d(3, 2, 1)
        )
        self.shortcut = conv_norm(inner, outer, kernel=1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, outer, h / 2, w / 2)``, rounded up."""
        total: Tensor = self.main(x) + self.shortcut(x)
        return total


class MiniXception(nn.Module):
    """Two plain convolutions, residual separable modules, one convolution a head.

    Args:
        spec: What the network sees.
        outputs: Columns of every head, by name.
        widths: Channels of the residual modules; each one halves the resolution.
        stem: Channels of the two convolutions in front.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        widths: tuple[int, ...] = (16, 32, 64, 128),
        stem: int = 8,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inner = spec.channels
        for _ in range(2):  # unpadded, as in the published network
            layers += [nn.Conv2d(inner, stem, 3, bias=False), nn.BatchNorm2d(stem), nn.ReLU()]
            inner = stem
        for width in widths:
            layers.append(SeparableResidual(inner, width))
            inner = width
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleDict(
            {name: nn.Conv2d(inner, columns, 3, padding=1) for name, columns in outputs.items()}
        )
        he_init(self.trunk)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        features = self.trunk(x)
        return {name: head(features).mean(dim=(2, 3)) for name, head in self.heads.items()}


@networks.register("mini-xception")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Arriaga 2017: separable residual modules, 57 k parameters for seven classes."""
    return build_module(MiniXception, spec, outputs, options)
