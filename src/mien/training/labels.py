"""Label records to target tensors. Every data set supplies only its own labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mien.config import MAX_AGE
from mien.datasets import GENDERS, Record
from mien.datasets.ferplus_votes import ferplus_target
from mien.training.tables import HeadTable


@dataclass(frozen=True, slots=True)
class Labels:
    """Targets of a batch; a missing label is a row of zeros (or NaN for the age in years).

    Attributes:
        emotion: Shares of the head's classes, ``(n, classes)``; under the filter
            ``multi-target`` several ones.
        gender: One-hot, ``(n, 2)``.
        age_years: ``(n,)``, NaN where unknown.
        age_spread: Standard deviation of the votes behind it, ``(n,)``, NaN where unknown.
        age_bin: 1 for every age inside the labelled bin, ``(n, 101)``.
    """

    emotion: Tensor
    gender: Tensor
    age_years: Tensor
    age_spread: Tensor
    age_bin: Tensor

    def __getitem__(self, index: Tensor | slice) -> Labels:
        return Labels(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: torch.device) -> Labels:
        """Move to a device."""
        return Labels(*(getattr(self, f.name).to(device) for f in fields(self)))

    @staticmethod
    def cat(parts: Sequence[Labels]) -> Labels:
        """Join along the batch axis."""
        return Labels(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Labels)))


def emotion_target(
    record: Record, labels: Sequence[str], vote_filter: str
) -> tuple[float, ...] | None:
    """Target over the head's classes, or ``None`` when the record says nothing about them."""
    if record.votes is not None:
        return ferplus_target(record.votes, vote_filter, labels)
    if record.expression is None or record.expression not in labels:
        return None
    return tuple(float(record.expression == label) for label in labels)


def encode_labels(
    records: Sequence[Record], heads: Mapping[str, HeadTable], vote_filter: str = "soft"
) -> Labels:
    """Turn label records into target tensors for the heads of a recipe."""
    classes = heads["emotion"].labels if "emotion" in heads else ()
    emotion = torch.zeros(len(records), len(classes))
    gender = torch.zeros(len(records), len(GENDERS))
    years = torch.full((len(records),), float("nan"))
    spread = torch.full((len(records),), float("nan"))
    bins = torch.zeros(len(records), MAX_AGE + 1)
    for row, record in enumerate(records):
        target = emotion_target(record, classes, vote_filter) if classes else None
        if target is not None:
            emotion[row] = torch.tensor(target)
        if record.gender is not None:
            gender[row, GENDERS.index(record.gender)] = 1.0
        if record.age_years is not None:
            years[row] = min(record.age_years, float(MAX_AGE))
        if record.age_spread is not None:
            spread[row] = record.age_spread
        if record.age_range is not None:
            low, high = record.age_range
            bins[row, low : min(high, MAX_AGE) + 1] = 1.0
    return Labels(emotion, gender, years, spread, bins)


def labelled(labels: Labels, heads: Mapping[str, HeadTable]) -> Tensor:
    """Which rows answer at least one of the heads, ``bool`` ``(n,)``."""
    known = torch.zeros(len(labels.age_years), dtype=torch.bool)
    if "emotion" in heads:
        known |= labels.emotion.sum(1) > 0
    if "gender" in heads:
        known |= labels.gender.sum(1) > 0
    if "age" in heads:
        known |= ~torch.isnan(labels.age_years) | (labels.age_bin.sum(1) > 0)
    return known
