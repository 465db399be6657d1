"""From a recipe's ``[network]`` table to the keyword arguments of a module, with clear errors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from mien.errors import ConfigError, did_you_mean
from mien.images import InputSpec


def build_module(
    kind: type[nn.Module],
    spec: InputSpec,
    outputs: Mapping[str, int],
    options: Mapping[str, Any],
    *,
    lists: tuple[str, ...] = (),
) -> nn.Module:
    """Call ``kind(spec, outputs, **options)``.

    Args:
        kind: Module whose constructor takes the input, the columns by head and keyword options.
        spec: What the network sees.
        outputs: Columns of every head.
        options: The recipe's ``[network]`` table without its family.
        lists: Options that must be lists.

    Raises:
        ConfigError: An option is unknown or has a wrong value.
    """
    known = list(inspect.signature(kind).parameters)[2:]
    for key in options:
        if key not in known:
            raise ConfigError(f"[network] has no key {key!r}.{did_you_mean(key, known)}")
    for key in lists:
        if key in options and not isinstance(options[key], list | tuple):
            raise ConfigError(f"[network] {key} must be a list, got {options[key]!r}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
    try:
        return kind(spec, outputs, **values)
    except (TypeError, ValueError, RuntimeError) as error:  # whatever torch says to a bad number
        raise ConfigError(f"[network]: {' '.join(str(error).split())[:200]}") from error
