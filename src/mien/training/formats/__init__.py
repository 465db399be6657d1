"""One small file an export format: how it is written, and how it is opened again to be checked."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from mien.errors import ConfigError, MissingExtraError, did_you_mean
from mien.models import Registry
from mien.training.formats.base import Format, Parity, Runner, Source

formats: Registry[type[Format]] = Registry("export format")
"""Formats by name."""

from mien.training.formats import (  # noqa: E402  (register themselves)
    int8,
    onnx_file,
    openvino,
    tflite,
    torchscript,
)


def choose_format(name: str | None, out: Path) -> tuple[str, Format]:
    """The format of a name, or of the ending of the file.

    Args:
        name: A key of `formats`, or ``None`` to go by the ending.
        out: The file to write.

    Raises:
        UnknownModelError: There is no such format.
        ConfigError: No format has this ending, or the named one has another.
        MissingExtraError: A library that it needs is not installed.
    """
    if name is None:
        # Formats that share an ending with a plainer one have to be asked for.
        fitting = [
            n for n in formats if out.suffix in formats[n].suffixes and not formats[n].variant
        ]
        if not fitting:
            endings = {suffix: n for n in formats for suffix in formats[n].suffixes}
            raise ConfigError(
                f"{out.name}: no export format has the ending {out.suffix!r}."
                f"{did_you_mean(out.suffix, endings)} "
                f"Known: {', '.join(sorted(endings))}; or name one with --format."
            )
        name = fitting[0]
    chosen = formats[name]()
    if out.suffix not in chosen.suffixes:
        raise ConfigError(
            f"{out.name}: the format {name!r} writes files that end in "
            f"{' or '.join(chosen.suffixes)}"
        )
    if any(find_spec(library) is None for library in chosen.libraries):
        raise MissingExtraError(f"the export format {name!r}", chosen.extra)
    return name, chosen


__all__ = [
    "Format",
    "Parity",
    "Runner",
    "Source",
    "choose_format",
    "formats",
    "int8",
    "onnx_file",
    "openvino",
    "tflite",
    "torchscript",
]
