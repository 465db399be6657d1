"""Where model files are, and whether they are the right ones."""

from __future__ import annotations

import hashlib
from importlib.resources import as_file, files
from pathlib import Path

from mien.errors import ChecksumError, ModelError
from mien.models.registry import ModelSpec


def bundled_path(spec: ModelSpec) -> Path:
    """Path of a shipped model file.

    Raises:
        ModelError: The file is not there: the installation is damaged.
    """
    resource = files("mien.models").joinpath("weights", spec.file)
    with as_file(resource) as path:
        # The wheel is always unpacked on disk, so the path stays valid after the block.
        if not path.is_file():
            raise ModelError(
                f"{path}: the file of model {spec.name!r} is missing "
                f"(expected SHA-256 {spec.sha256}). Reinstall mien."
            )
        return path


def verified_path(spec: ModelSpec) -> Path:
    """Path of a shipped model file whose checksum was just checked.

    Raises:
        ModelError: The file is missing.
        ChecksumError: The file is not the one the manifest names.
    """
    path = bundled_path(spec)
    found = file_sha256(path)
    if found != spec.sha256:
        raise ChecksumError(
            f"{path}: SHA-256 is {found}, the manifest says {spec.sha256} for model "
            f"{spec.name!r}. The file is damaged or was replaced; reinstall mien."
        )
    return path


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises:
        ModelError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error


def card_text(spec: ModelSpec) -> str:
    """The model card, Markdown.

    Raises:
        ModelError: The card is missing.
    """
    resource = files("mien.models").joinpath("cards", spec.card)
    try:
        return resource.read_text("utf-8")
    except OSError as error:
        raise ModelError(f"the card of model {spec.name!r} is missing: {spec.card}") from error
