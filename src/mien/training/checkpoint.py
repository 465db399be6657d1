"""Checkpoints as safetensors and JSON: no pickles, nothing that can run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from mien.errors import InputError


def save_checkpoint(folder: Path, name: str, tensors: Mapping[str, Tensor], meta: Any) -> None:
    """Write ``<name>.safetensors`` and ``<name>.json``; a reader sees both old or both new.

    The JSON file is renamed last and names the tensor file's step, so a kill in between leaves
    the previous pair usable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.safetensors.part"
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, part)
    note = folder / f".{name}.json.part"
    note.write_text(json.dumps(meta, indent=1), "utf-8")
    part.replace(folder / f"{name}.safetensors")
    note.replace(folder / f"{name}.json")


def load_checkpoint(folder: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Raises:
        InputError: A file is missing or damaged.
    """
    try:
        meta: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
        tensors = load_file(folder / f"{name}.safetensors")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: checkpoint {name!r} cannot be read: {error}") from error
    return tensors, meta


def pick(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below one prefix, without it."""
    start = prefix + "/"
    return {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}
