"""What one call of `mien prepare` is to pack: one data set, or those of a recipe."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.align import AlignSpec
from mien.datasets import Dataset, datasets, open_dataset
from mien.errors import ConfigError, UnknownModelError
from mien.training.packed import read_meta
from mien.training.packing import check_folder, differences
from mien.training.prepare import PrepareSettings, identity_of
from mien.training.recipe import Recipe

BORDER = 1 / 14
"""Border of packed chips: room for shifts and rotations of the augmentation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One data set to pack.

    Attributes:
        dataset: Name of the reader.
        source: Where the data set lies; ``None`` when nobody said, which is an error unless the
            folder is complete.
        out: Folder for the chips.
        settings: How to pack.
    """

    dataset: str
    source: Path | None
    out: Path
    settings: PrepareSettings

    def is_done(self) -> bool:
        """Whether the folder holds exactly what this job would make, its data set unread."""
        if not (self.out / "meta.json").exists():
            return False
        meta = read_meta(self.out)
        same = not differences(meta, identity_of(self.dataset, self.settings))
        dropped = meta.get("drop_duplicates", False) == self.settings.drop_duplicates
        return same and dropped and bool(meta.get("complete"))

    def open(self) -> Dataset:
        """Build the reader, and refuse early what could not be packed later.

        Raises:
            UnknownModelError: There is no such data set.
            ConfigError: No path is given, or the reader has no such option.
            InputError: The path is not such a data set.
            OutputError: The folder cannot be written.
        """
        if self.dataset not in datasets:
            raise UnknownModelError("data set", self.dataset, datasets)
        if self.source is None:
            raise ConfigError(
                f"{self.out}: where data set {self.dataset!r} lies is not said. Add --source "
                f"{self.dataset}=PATH, or the key 'source' to its [[data]] table."
            )
        check_folder(self.out)
        return open_dataset(self.dataset, self.source, self.settings.options)


def jobs_of_recipe(path: Path, sources: Sequence[str], settings: PrepareSettings) -> list[Job]:
    """One job for every ``[[data]]`` table that names a data set.

    Args:
        path: The recipe.
        sources: Where the data sets lie, before what the recipe says: ``NAME=PATH`` for one of
            them, or ``PATH`` for all.
        settings: How to pack; size and options come from the recipe.

    Raises:
        ConfigError: The recipe is wrong, no table names a data set, two tables want different
            chips in one folder, or a source is for a data set that is not in it.
    """
    recipe = Recipe.from_toml(path)
    named = {table.dataset for table in recipe.data if table.dataset}
    if not named:
        raise ConfigError(
            f"{path}: no [[data]] table has the key 'dataset', so there is nothing to prepare"
        )
    everywhere, by_name = _sources(sources, named, path)
    align = AlignSpec(size=recipe.input.size, border=BORDER)
    jobs: dict[str, Job] = {}
    for table in recipe.data:
        if not table.dataset:
            continue
        source = by_name.get(table.dataset) or everywhere or table.source
        job = Job(
            dataset=table.dataset,
            source=Path(source) if source else None,
            out=Path(table.path),
            settings=replace(settings, align=align, options=dict(table.options)),
        )
        if jobs.setdefault(table.path, job) != job:
            raise ConfigError(f"{path}: two [[data]] tables want different chips in {table.path}")
    return list(jobs.values())


def _sources(
    sources: Sequence[str], named: set[str], path: Path
) -> tuple[str | None, dict[str, str]]:
    """The path for all data sets, and those for single ones."""
    everywhere, by_name = None, {}
    for text in sources:
        name, equals, place = text.partition("=")
        if not equals or name not in datasets:
            everywhere = text
        elif name in named:
            by_name[name] = place
        else:
            raise ConfigError(
                f"--source {text}: {path} uses no data set {name!r}, only "
                f"{', '.join(sorted(named))}"
            )
    return everywhere, by_name


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` pairs; a value is TOML, and text that is no TOML is taken as it is.

    >>> parse_options(["test_fold=2", "images=crops", "require_gender=false"])
    {'test_fold': 2, 'images': 'crops', 'require_gender': False}

    Raises:
        ConfigError: There is no ``=`` or no key, or a key stands twice.
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ConfigError(f"--option looks like test_fold=2, got {text!r}")
        if key in options:
            raise ConfigError(f"--option {key} is given twice")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options
