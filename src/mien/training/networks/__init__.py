"""One file a network family. A family builds an `nn.Module` from its recipe table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from mien.images import InputSpec
from mien.models import Registry

networks: Registry[Callable[[InputSpec, Mapping[str, int], Mapping[str, Any]], nn.Module]] = (
    Registry("network family")
)
"""Builders by family name: ``(input, output columns by head, options) -> module``.

The module maps ``float32`` images ``(n, channels, size, size)`` to raw outputs ``(n, columns)`` by
head name; what the columns mean is the objective's business.
"""

from mien.training.networks import (  # noqa: E402  (they register themselves in `networks`)
    age_group,
    cnn_blocks,
    cnn_small,
    dlib_resnet,
    facenet_trunk,
    mini_xception,
    mobilefacenet,
    mobilenet,
    multihead,
    resnet50,
    wide_resnet,
)

__all__ = [
    "age_group",
    "cnn_blocks",
    "cnn_small",
    "dlib_resnet",
    "facenet_trunk",
    "mini_xception",
    "mobilefacenet",
    "mobilenet",
    "multihead",
    "networks",
    "resnet50",
    "wide_resnet",
]
