"""Weights of a trunk from a file that the user names, whoever wrote it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mien.errors import InputError

NESTS = ("state_dict", "model")
"""Keys under which training scripts put the weights beside other things."""

PREFIXES = ("module.", "backbone.")
"""What wrappers put before every key of the trunk."""

HEAD = "fc."
"""The classifier of the original task: never wanted."""


def load_trunk(trunk: nn.Module, path: Path) -> None:
    """Fill a trunk from a ``.safetensors`` file, or from a ``.pth`` file without running code.

    Nested dictionaries are opened, the prefixes of wrappers are taken off, and a classifier is
    left out; where a wrapper named the trunk, everything beside it is. A network for grey faces
    sums the first convolution over colours: it answers like the original does to a grey picture
    that was normalised alike in all three channels.

    Args:
        trunk: Its keys must be those of the file.
        path: ``.safetensors``, ``.pth``, ``.pt`` or ``.bin``.

    Raises:
        InputError: The file is missing, damaged or holds another network; the message names the
            first key that is missing, unknown or of another shape.
    """
    found = _stripped(read_tensors(path, "[network] weights"))
    wanted = trunk.state_dict()
    for key, value in wanted.items():
        if key not in found:
            if key.endswith("num_batches_tracked"):  # files of old versions lack it
                continue
            raise InputError(f"{path}: has no {key!r}, which the network needs")
        if _is_first_of_grey(value, found[key]):
            found[key] = found[key].sum(1, keepdim=True)
        if found[key].shape != value.shape:
            raise InputError(
                f"{path}: {key!r} has shape {tuple(found[key].shape)}, "
                f"the network needs {tuple(value.shape)}"
            )
    for key in found:
        if key not in wanted and not key.startswith(HEAD):
            raise InputError(f"{path}: has {key!r}, which is no part of the network")
    trunk.load_state_dict({key: found[key] for key in wanted if key in found}, strict=False)


def _is_first_of_grey(wanted: Tensor, found: Tensor) -> bool:
    """Whether a convolution of one channel meets filters for three."""
    return wanted.ndim == found.ndim == 4 and (wanted.shape[1], found.shape[1]) == (1, 3)


def read_tensors(path: Path, key: str) -> dict[str, Tensor]:
    """Read a file of weights and take them out of whatever surrounds them.

    Args:
        path: ``.safetensors``, or ``.pth``, ``.pt`` or ``.bin``, read without running code.
        key: Of the recipe, under which the file is named.

    Raises:
        InputError: The file is missing or damaged, or holds no weights.
    """
    content = _read(path, key)
    while isinstance(content, Mapping):
        inside = [content[key] for key in NESTS if isinstance(content.get(key), Mapping)]
        if not inside:
            break
        content = inside[0]
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds no table of weights, but a {type(content).__name__}")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise InputError(f"{path}: holds no weights")
    return tensors


def _read(path: Path, key: str) -> Any:
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"{path}: no such file; {key} must name a weights file")
    suffix = path.suffix.lower()
    if suffix not in (".safetensors", ".pth", ".pt", ".bin"):
        raise InputError(f"{path}: weights must be a .safetensors or .pth file")
    try:
        if suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            # On protocols of pickle; what torch cannot read it refuses with an error.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises anything, from IndexError to struct.error
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{path}: cannot be read as weights: {reason}") from error


def _stripped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take wrappers' prefixes off, and leave out what stands beside the wrapped trunk."""
    while True:
        for prefix in PREFIXES:
            inside = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            if inside:
                tensors = inside
                break
        else:
            return tensors
