"""Wide residual network with pre-activation blocks, as used for age and gender at 64 px.

Zagoruyko, Komodakis, "Wide Residual Networks", BMVC 2016. The age and gender network that became
popular with it (yu4u/age-gender-estimation) slides a window of averages over the last map, where
the paper averages all of it; its heads then hold more than half of the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.layers import Heads, conv_norm, he_init
from mien.training.networks.options import build_module

STEM = 16
"""Channels before the first block; the stages have 16, 32 and 64 times the widening factor."""

WINDOW = 8
"""Width of the sliding average."""


class PreActivation(nn.Module):
    """Batch norm and ReLU in front of each of two 3x3 convolutions, beside a shortcut.

    Args:
        before: Batch norm and ReLU on the input.
        inner: Input channels.
        outer: Output channels.
        stride: 2 halves the resolution.
        dropout: Share dropped between the convolutions.
        shared: Whether the shortcut too starts behind `before`: in the first block of a stage.
    """

    def __init__(
        self,
        before: nn.Module,
        inner: int,
        outer: int,
        *,
        stride: int = 1,
        dropout: float = 0.0,
        shared: bool = False,
    ) -> None:
        super().__init__()
        self.before = before
        self.main = nn.Sequential(
            *conv_norm(inner, outer, stride=stride, activation=nn.ReLU()),
            nn.Dropout(dropout),
            nn.Conv2d(outer, outer, 3, padding=1, bias=False),
        )
        self.shared = shared
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inner != outer:
            self.shortcut = nn.Conv2d(inner, outer, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inner, h, w)`` to ``(n, outer, h / stride, w / stride)``."""
        active = self.before(x)
        total: Tensor = self.main(active) + self.shortcut(active if self.shared else x)
        return total


class SlidingAverage(nn.Module):
    """Average over a window of 8 around every place; the border counts only what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(WINDOW, 1, WINDOW // 2, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, h, w)`` to the same shape."""
        # An even window has no middle: three to the left and four to the right of each place.
        around: Tensor = self.pool(x)[:, :, 1:, 1:]
        return around


class WideResNet(nn.Module):
    """Three stages of pre-activation blocks; the second and third halve the resolution.

    Args:
        spec: What the network sees; with ``pool = "window"`` the heads grow with its size.
        outputs: Columns of every head, by name.
        depth: Convolutions on the longest way, 6n + 4.
        widen: Factor on the channels 16, 32, 64.
        dropout: Share dropped inside every block.
        pool: ``"window"`` is the age and gender network, ``"global"`` the paper.
    """

    def __init__(
        self,
        spec: InputSpec,
        outputs: Mapping[str, int],
        *,
        depth: int = 16,
        widen: int = 8,
        dropout: float = 0.0,
        pool: str = "window",
    ) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth must be 10, 16, 22 and so on, got {depth}")
        if pool not in ("window", "global"):
            raise ValueError(f"pool must be 'window' or 'global', got {pool!r}")
        # The first block's batch norm stands here, behind the convolution that it folds into.
        layers: list[nn.Module] = [*conv_norm(spec.channels, STEM, activation=nn.ReLU())]
        inner = STEM
        for stage in range(3):
            outer = STEM * widen * 2**stage
            for block in range((depth - 4) // 6):
                first = stage == 0 and block == 0
                layers.append(
                    PreActivation(
                        nn.Identity() if first else active(inner),
                        inner,
                        outer,
                        stride=2 if stage and block == 0 else 1,
                        dropout=dropout,
                        shared=block == 0,
                    )
                )
                inner = outer
        layers += [*active(inner)]
        side = -(-spec.size // 4) if pool == "window" else 1
        layers.append(SlidingAverage() if pool == "window" else nn.AdaptiveAvgPool2d(1))
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.heads = Heads(inner * side * side, outputs, bias=False)
        he_init(self.trunk)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to ``(n, columns)`` by head name."""
        answers: dict[str, Tensor] = self.heads(self.trunk(x))
        return answers


def active(channels: int) -> nn.Sequential:
    """Batch norm and ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


@networks.register("wide-resnet-16-8")
def build(spec: InputSpec, outputs: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    """Zagoruyko 2016: wide pre-activation residual net, age and gender at 64 px."""
    return build_module(WideResNet, spec, outputs, options)
