"""Writing manifest entries: the TOML text of one model, put into a file of many."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.errors import InputError
from mien.models import ModelSpec
from mien.sinks.files import write_whole


def update_manifest(path: Path, spec: ModelSpec) -> None:
    """Add or replace one model's table in a manifest; everything else stays as it is.

    Raises:
        InputError: The manifest cannot be read.
        OutputError: It cannot be written.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    # A model's entry runs from its table header to the next one that is not below it; comments
    # above that next one belong to it.
    name = re.escape(spec.name)
    pattern = rf"(?ms)^\[{name}\]\n.*?(?=(?:^#[^\n]*\n\n*)*^\[(?!{name}\.)|\Z)"
    text = re.sub(pattern, "", text).rstrip("\n")
    write_whole(path, f"{text}\n\n{manifest_entry(spec)}".encode())


def manifest_entry(spec: ModelSpec) -> str:
    """The TOML text of one model's entry."""
    table = spec.to_mapping()
    heads, net_input = table.pop("heads"), table.pop("input", None)
    lines = [f"[{spec.name}]"]
    lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    if net_input is not None:
        values = ", ".join(f"{key} = {_toml(value)}" for key, value in net_input.items())
        lines.append(f"input = {{ {values} }}")
    for name, head in heads.items():
        lines.append(f"\n[{spec.name}.heads.{name}]")
        lines += [f"{key} = {_toml(value)}" for key, value in head.items()]
    return "\n".join(lines) + "\n"


def with_checksum(spec: ModelSpec, sha256: str) -> ModelSpec:
    """The entry for the manifest, which names the checksum of the finished file."""
    return replace(spec, sha256=sha256)


def _toml(value: Any) -> str:
    """Text, numbers and lists of them look the same in JSON, except that TOML has no surrogates."""
    return json.dumps(value, ensure_ascii=False)
