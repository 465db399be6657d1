"""Options of a data set's reader, as the recipe of a model has them. No torch."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from mien.errors import ConfigError


def reader_options(recipe: Path, dataset: str, source: str = "") -> dict[str, Any]:
    """Keyword arguments of a reader, from the recipe's ``[[data]]`` table of that data set.

    Args:
        recipe: A TOML file as `mien train` takes it.
        dataset: Name of the data set.
        source: Where the data are; decides when the recipe has several tables of this data set.

    Returns:
        The table ``[data.options]``; empty when the recipe does not use this data set.

    Raises:
        ConfigError: The file cannot be read, has a wrong type somewhere, or leaves open which of
            several tables counts.
    """
    try:
        table = tomllib.loads(recipe.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{recipe}: cannot be read as TOML: {error}") from error
    tables = table.get("data", [])
    if not isinstance(tables, list) or not all(isinstance(part, dict) for part in tables):
        raise ConfigError(
            f"{recipe}: 'data' must be a list of tables: write [[data]] on its own line"
        )
    same = [part for part in tables if part.get("dataset") == dataset]
    named = [part for part in same if part.get("source") == source]
    found = [part.get("options", {}) for part in named or same]
    if not found:
        return {}
    if not all(isinstance(options, dict) for options in found):
        raise ConfigError(f"{recipe}: the 'options' of data set {dataset!r} must be a table")
    if any(options != found[0] for options in found):
        raise ConfigError(
            f"{recipe}: several [[data]] tables of {dataset!r} have different options, and none "
            f"or several of them have source = {source!r}. Give --data the path of one of them."
        )
    return dict(found[0])
