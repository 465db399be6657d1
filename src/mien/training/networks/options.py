"""From a recipe's ``[network]`` table to the keyword arguments of a module, with clear errors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from mien.errors import ConfigError, InputError, did_you_mean
from mien.images import InputSpec


def build_module(
    kind: type[nn.Module],
    spec: InputSpec,
    outputs: Mapping[str, int],
    options: Mapping[str, Any],
) -> nn.Module:
    """Call ``kind(spec, outputs, **options)``.

    Args:
        kind: Module whose constructor takes the input, the columns by head and keyword options;
            the default of an option says of what kind its value must be.
        spec: What the network sees.
        outputs: Columns of every head.
        options: The recipe's ``[network]`` table without its family.

    Raises:
        ConfigError: An option is unknown or has a wrong value.
        InputError: A file that an option names cannot be used.
    """
    parameters = dict(list(inspect.signature(kind).parameters.items())[2:])
    for key, value in options.items():
        if key not in parameters:
            raise ConfigError(f"[network] has no key {key!r}.{did_you_mean(key, parameters)}")
        wanted = _wrong(parameters[key].default, value)
        if wanted:
            raise ConfigError(f"[network] {key} must be {wanted}, got {value!r}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
    try:
        return kind(spec, outputs, **values)
    except InputError:  # says itself which file it is about
        raise
    except (TypeError, ValueError, RuntimeError) as error:  # whatever torch says to a bad number
        raise ConfigError(f"[network]: {' '.join(str(error).split())[:200]}") from error


def _wrong(default: object, value: object) -> str:
    """What a value should have been, or nothing when it is right.

    The numbers of a network are counts of something, so whole ones start at 1, unless the default
    says that none is a choice.
    """
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        if default == 0:
            return "" if _is_count(value, least=0) else "a whole number, or 0 for none"
        return "" if _is_count(value) else "a whole number above 0"
    if isinstance(default, float):
        right = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if right else "a number"
    if isinstance(default, str):
        return "" if isinstance(value, str) else "text"
    if not isinstance(value, list | tuple):
        return "a list"
    return "" if value and all(map(_is_count, value)) else "a list of whole numbers above 0"


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def without_start(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a network that a checkpoint is about to fill.

    A file of weights to start from may be gone by the time a trained network is used.
    """
    return {key: value for key, value in options.items() if key != "weights"}
