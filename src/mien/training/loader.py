"""Packed chips to batches of tensors: everything stays in memory, a batch is an index away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mien.config import MAX_AGE
from mien.datasets import GENDERS, Record
from mien.errors import ConfigError, InputError
from mien.images import InputSpec, to_grey
from mien.training.balance import Rounds, groups_of
from mien.training.distributed import rank, world
from mien.training.labels import Labels, encode_labels, labelled
from mien.training.objectives import objectives
from mien.training.packed import Packed
from mien.training.recipe import Recipe
from mien.training.tables import DataTable, HeadTable


@dataclass(frozen=True, slots=True)
class Part:
    """One split of one data set, in memory.

    Attributes:
        name: Name of the data set.
        chips: ``uint8``, shape ``(n, channels, packed_size, packed_size)``.
        labels: Targets, one a chip.
        records: Where the labels came from.
        table: The recipe's settings for it.
    """

    name: str
    chips: Tensor
    labels: Labels
    records: list[Record]
    table: DataTable


def load_part(
    table: DataTable, split: str, spec: InputSpec, heads: Mapping[str, HeadTable]
) -> Part:
    """Read one split of a packed data set: the faces that answer at least one head.

    A head that learns from a teacher is answered by every face.

    Raises:
        InputError: The folder is missing, cut for another chip size, or the split is empty.
        ConfigError: The recipe names a vote filter that does not exist.
    """
    packed = Packed.load(Path(table.path))
    if packed.align.size != spec.size:
        raise InputError(
            f"{table.path}: chips are {packed.align.size} px, the recipe wants {spec.size} px"
        )
    rows = [
        row
        for row, record in enumerate(packed.records)
        if record.split == split and packed.found[row]
    ]
    if not rows:
        raise InputError(f"{table.path}: the split {split!r} is empty")
    labels = encode_labels([packed.records[row] for row in rows], heads, table.filter)
    taught = any("distillation" in head.objective for head in heads.values())
    known = torch.ones(len(rows), dtype=torch.bool) if taught else labelled(labels, heads)
    kept = torch.nonzero(known)[:, 0]
    if not len(kept):
        raise InputError(
            f"{table.path}: no face of the split {split!r} has a label for {', '.join(heads)}"
        )
    rows = [rows[k] for k in kept.tolist()]
    chips = packed.chips[np.array(rows)]
    if spec.colour == "grey":
        chips = to_grey(chips)
    elif chips.shape[3] == 1:
        chips = np.repeat(chips, 3, axis=3)
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(chips, 3, 1)))
    records = [packed.records[row] for row in rows]
    return Part(packed.dataset, planes, labels[kept], records, table)


def load_parts(recipe: Recipe, split: str) -> list[Part]:
    """One split of every data set of a recipe; see `load_part`."""
    return [load_part(table, split, recipe.input, recipe.heads) for table in recipe.data]


def check_parts(parts: Sequence[Part], heads: Mapping[str, HeadTable]) -> None:
    """Refuse training data from which a head, or a class of it, cannot be learnt.

    Raises:
        ConfigError: A head has no label at all, a class has no face, or a data set lacks the labels
            by which it is to be balanced.
    """
    where = ", ".join(part.table.path for part in parts)
    for head, table in heads.items():
        if "distillation" in table.objective:
            continue  # the teacher labels everything
        counts = sum((_class_counts(part.labels, head, table) for part in parts), torch.zeros(1))
        names = table.groups if head == "age" else GENDERS if head == "gender" else table.labels
        if not counts.any():
            raise ConfigError(f"[heads.{head}]: no training face has a label for it in {where}")
        if head == "age":
            _check_ages(parts, table, where)
        for name, count in zip(names, counts.tolist(), strict=False):
            if not count:
                raise ConfigError(
                    f"[heads.{head}]: no training face is labelled {name!r} in {where}"
                )
    for part in parts:
        if part.table.balance:
            groups_of(part.records, part.table)
        ages = bool((~torch.isnan(part.labels.age_years)).any() or part.labels.age_bin.any())
        if (part.table.mixup or part.table.cutmix) and "age" in heads and ages:
            raise ConfigError(
                f"{part.table.path}: mixup and cutmix blend class shares; {part.name} has ages. "
                "Set both to 0."
            )


def _check_ages(parts: Sequence[Part], table: HeadTable, where: str) -> None:
    """Refuse ages of a kind from which none of the objectives learns."""
    bins = any(bool(part.labels.age_bin.any()) for part in parts)
    years = any(bool((~torch.isnan(part.labels.age_years)).any()) for part in parts)
    there = {kind for kind, known in (("bins", bins), ("years", years)) if known}
    if not any(there & set(objectives[name].ages) for name in table.objective):
        raise ConfigError(
            f"[heads.age]: {where} has ages as {' and '.join(sorted(there))}, from which "
            f"{', '.join(table.objective)} cannot learn. Bins need bin-likelihood, "
            "years one of the others."
        )


def _class_counts(labels: Labels, head: str, table: HeadTable) -> Tensor:
    """Labelled faces by class; for plain ages one number for all."""
    if head != "age":
        return (labels.emotion if head == "emotion" else labels.gender).sum(0)
    years = labels.age_years[~torch.isnan(labels.age_years)].round().long().clamp(0, MAX_AGE)
    counts = torch.bincount(years, minlength=MAX_AGE + 1) + labels.age_bin.sum(0)
    if not table.groups:
        return counts.sum()[None]
    return torch.stack([counts[g.low : g.high + 1].sum() for g in table.age_groups])


def stream_seed(seed: int, stream: int, number: int) -> int:
    """Seed number `number` of an independent stream of randomness."""
    return (seed * 1_000_003 + stream * 10_007_003 + number * 7_919) % 2**31


class Mixer:
    """Says which rows make up batch number `step`: a pure function of seed and step.

    Every data set is walked through in shuffled rounds, each at its own pace, so a run that is
    resumed at any step sees exactly the batches it would have seen. A round has every face once,
    or, in a balanced data set, those that `Rounds` draws. Several processes take neighbouring
    shares of one larger batch.
    """

    def __init__(self, parts: Sequence[Part], seed: int) -> None:
        self.parts = parts
        self.seed = seed
        self._rounds: dict[tuple[int, int], Tensor] = {}
        self._balanced = {
            k: Rounds(part.records, part.table, stream_seed(seed, 1 + k, -1))
            for k, part in enumerate(parts)
            if part.table.balance
        }

    def rows(self, step: int) -> list[Tensor]:
        """Row numbers of every data set for the own share of one batch."""
        return [self._rows(k, step * world() + rank()) for k in range(len(self.parts))]

    def _rows(self, k: int, share: int) -> Tensor:
        size, count = len(self.parts[k].records), self.parts[k].table.per_batch
        wanted = torch.arange(share * count, (share + 1) * count)
        taken = [
            self._order(k, int(number))[wanted[wanted // size == number] % size]
            for number in torch.unique(wanted // size)
        ]
        return torch.cat(taken)

    def _order(self, k: int, number: int) -> Tensor:
        key = (k, number)
        if key not in self._rounds:
            for old in [other for other in self._rounds if other[0] == k and other[1] < number - 1]:
                del self._rounds[old]
            generator = torch.Generator().manual_seed(stream_seed(self.seed, 1 + k, number))
            order = torch.randperm(len(self.parts[k].records), generator=generator)
            drawn = self._balanced.get(k)
            self._rounds[key] = order if drawn is None else drawn.faces(number)[order]
        return self._rounds[key]
