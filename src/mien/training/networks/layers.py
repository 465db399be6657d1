"""Small parts that several network families are made of."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


class Heads(nn.ModuleDict):
    """One linear layer a question.

    Args:
        features: Columns of the input.
        outputs: Columns of every head, by name.
        bias: Whether the layers add a constant.
    """

    def __init__(self, features: int, outputs: Mapping[str, int], *, bias: bool = True) -> None:
        super().__init__({name: nn.Linear(features, n, bias) for name, n in outputs.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Map ``(n, features)`` to ``(n, columns)`` by head name."""
        return {name: head(features) for name, head in self.items()}


def conv_norm(
    inner: int,
    outer: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    activation: nn.Module | None = None,
) -> nn.Sequential:
    """Convolution and batch norm, in one `nn.Sequential` so that export can fold them.

    Args:
        inner: Input channels.
        outer: Output channels.
        kernel: Odd width of the filters; the border is padded with zeros.
        stride: 2 halves the resolution, rounding up.
        groups: `inner` makes it depthwise.
        activation: Comes behind the batch norm.
    """
    convolution = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False)
    behind = [] if activation is None else [activation]
    return nn.Sequential(convolution, nn.BatchNorm2d(outer), *behind)


def scaled(width: int, alpha: float) -> int:
    """Channels of a layer in a network `alpha` times as wide, at least one.

    Raises:
        ValueError: `alpha` is not positive.
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be positive, got {alpha}")
    return max(1, int(width * alpha))


def pooled_side(size: int, poolings: int) -> int:
    """Width of the map that is left of `size` pixels after halving it, rounding down each time.

    Raises:
        ValueError: Nothing is left.
    """
    side: int = size >> poolings
    if side < 1:
        raise ValueError(f"faces of {size} px cannot be halved {poolings} times: use fewer widths")
    return side


def he_init(module: nn.Module) -> None:
    """Random weights that keep the scale of the signal, biases zero.

    He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
