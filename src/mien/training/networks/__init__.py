"""One file a network family. A family builds an `nn.Module` from its recipe table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from mien.models import Registry

networks: Registry[Callable[[int, Mapping[str, int], Mapping[str, Any]], nn.Module]] = Registry(
    "network family"
)
"""Builders by family name: ``(input channels, classes by head, options) -> module``."""

from mien.training.networks import multihead  # noqa: E402  (registers itself in `networks`)

__all__ = ["multihead", "networks"]
