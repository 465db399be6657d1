"""Checkpoints as safetensors and JSON: no pickles, nothing that can run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mien.errors import InputError

META_KEY = "mien"


def save_checkpoint(folder: Path, name: str, tensors: Mapping[str, Tensor], meta: Any) -> None:
    """Write ``<name>.safetensors``, with `meta` inside, and ``<name>.json``, the same for people.

    One file that is renamed when it is whole: whenever the run is killed, what lies there is the
    old checkpoint or the new one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.safetensors.part"
    save_file(
        {key: tensor.contiguous() for key, tensor in tensors.items()},
        part,
        {META_KEY: json.dumps(meta)},
    )
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
        with safe_open(folder / f"{name}.safetensors", "pt") as file:
            text = (file.metadata() or {}).get(META_KEY)
            names = file.keys()
            tensors = {tensor: file.get_tensor(tensor) for tensor in names}
        # Checkpoints of the first version carry their notes beside them only.
        meta: dict[str, Any] = json.loads(text or (folder / f"{name}.json").read_text("utf-8"))
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{folder}: checkpoint {name!r} cannot be read: {error}") from error
    return tensors, meta


def pick(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below one prefix, without it."""
    start = prefix + "/"
    return {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}
