"""What is exported is not what was trained: batch norm folded, perhaps with the mirror image."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Mirrored(nn.Module):
    """Averages the logits of a face and of its mirror image: twice the work, fewer mistakes.

    Args:
        network: Maps images to logits by head.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to averaged logits ``(n, classes)`` by head name."""
        straight, mirrored = self.network(image), self.network(torch.flip(image, dims=[3]))
        return {head: (straight[head] + mirrored[head]) / 2 for head in straight}


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Return a copy in which every convolution has swallowed the batch norm behind it."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            first, second = module[index], module[index + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(first, second)
                module[index + 1] = nn.Identity()
    return network
