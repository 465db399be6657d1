"""Rows of a table as arrays: smoothed answers where there are any, else those of the frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.report.tables import DISTRIBUTIONS, Labels
from mien.rows import SMOOTHED

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LARGE_PX = 160.0
SHARP = 100.0
"""A face that is larger and sharper than this makes no better key frame."""

UNKNOWN = 0.6
"""What a pose that nobody measured counts for; a frontal face counts 1."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of few different texts: numbers of names, -1 for none."""

    codes: Integers
    names: list[str]

    def __getitem__(self, row: int) -> str | None:
        code = self.codes[row]
        return None if code < 0 else self.names[code]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows, one a face; what is missing is not-a-number, or -1 in whole numbers.

    Attributes:
        source: Clip or picture.
        index: Number of the frame.
        time_s: Its time; not-a-number for stills.
        size: Width and height of the frame, shape ``(n, 2)``.
        error: Why it could not be read.
        face: Number of the face in the frame; -1 in a row without a face.
        track: Number of the person; -1 for stills.
        box: Shape ``(n, 4)``.
        emotion: Probabilities, shape ``(n, labels)``.
        gender: The same.
        age: Years, low and high end, shape ``(n, 3)``.
        age_group: Most probable group.
        clear: How well the face would do as a key frame, 0 to 1.
    """

    source: Texts
    index: Integers
    time_s: Floats
    size: Integers
    error: Texts
    face: Integers
    track: Integers
    box: Floats
    emotion: Floats
    gender: Floats
    age: Floats
    age_group: Texts
    clear: Floats
    _batch: Any

    def __len__(self) -> int:
        return len(self.index)

    def age_distribution(self, row: int) -> tuple[float, ...] | None:
        """Probability of every age; ``None`` where the table has none."""
        for name in reversed(DISTRIBUTIONS):
            if name in self._batch.schema.names:
                values = self._batch.column(name)[row].as_py()
                if values is not None:
                    return tuple(values)
        return None


def read_rows(batch: Any, labels: Labels) -> Rows:
    """Turn a record batch into arrays.

    Args:
        batch: As `Table.batches` gives it.
        labels: Those of its table.
    """
    box = _numbers(batch, ("left", "top", "right", "bottom"))
    size = _whole(batch, ("width", "height"))
    return Rows(
        source=_texts(batch, "source"),
        index=_whole(batch, ("index",))[:, 0],
        time_s=_numbers(batch, ("time_s",))[:, 0],
        size=size,
        error=_texts(batch, "error"),
        face=_whole(batch, ("face",))[:, 0],
        track=_whole(batch, ("track_id",))[:, 0],
        box=box,
        emotion=_answers(batch, [f"emotion_{label}" for label in labels.emotions]),
        gender=_answers(batch, [f"gender_{label}" for label in labels.genders]),
        age=_answers(batch, ["age_years", "age_low", "age_high"]),
        age_group=_answer_texts(batch, "age_group"),
        clear=_clear(batch, box, size),
        _batch=batch,
    )


def _numbers(batch: Any, names: Iterable[str]) -> Floats:
    """Columns side by side, shape ``(n, columns)``; one that is not there is empty."""
    there = set(batch.schema.names)
    empty = np.full(batch.num_rows, np.nan)
    columns = [
        batch.column(name).to_numpy(zero_copy_only=False) if name in there else empty
        for name in names
    ]
    return np.stack(columns, axis=1).astype(np.float64) if columns else empty[:, None][:, :0]


def _whole(batch: Any, names: Iterable[str]) -> Integers:
    values = _numbers(batch, names)
    return np.where(np.isnan(values), -1, values).astype(np.int64)


def _texts(batch: Any, name: str) -> Texts:
    if name not in batch.schema.names:
        return Texts(np.full(batch.num_rows, -1, np.int64), [])
    column = batch.column(name).dictionary_encode()
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return Texts(codes.astype(np.int64), column.dictionary.to_pylist())


def _answers(batch: Any, names: list[str]) -> Floats:
    """Smoothed where the whole answer is, else raw."""
    smoothed = _numbers(batch, [f"{SMOOTHED}{name}" for name in names])
    there = np.isfinite(smoothed).all(axis=1, keepdims=True)
    return np.where(there, smoothed, _numbers(batch, names))


def _answer_texts(batch: Any, name: str) -> Texts:
    smoothed, raw = _texts(batch, f"{SMOOTHED}{name}"), _texts(batch, name)
    shifted = np.where(raw.codes < 0, -1, raw.codes + len(smoothed.names))
    codes = np.where(smoothed.codes < 0, shifted, smoothed.codes)
    return Texts(codes, smoothed.names + raw.names)


def _clear(batch: Any, box: Floats, size: Integers) -> Floats:
    """Large, sharp, frontal, surely a face and whole in the picture."""
    sides = np.stack([box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]], axis=1)
    inside = np.clip(box, 0, np.concatenate([size, size], axis=1))
    seen = np.prod(np.clip(inside[:, 2:] - inside[:, :2], 0, None), axis=1)
    whole = np.divide(seen, sides.prod(axis=1), out=np.zeros(len(box)), where=sides.min(axis=1) > 0)
    names = ("quality_size_px", "quality_sharpness", "score")
    large, sharp, score = _numbers(batch, names).T
    large = np.where(np.isnan(large), sides.min(axis=1), large)
    angles = np.radians(_numbers(batch, ("quality_yaw_deg", "quality_pitch_deg")))
    frontal = np.clip(np.cos(angles), 0, None).prod(axis=1)
    result = np.minimum(large / LARGE_PX, 1) * whole
    result = result * np.nan_to_num(np.minimum(sharp / SHARP, 1), nan=UNKNOWN)
    result = result * np.nan_to_num(frontal**2, nan=UNKNOWN)
    return np.asarray(np.nan_to_num(result * np.nan_to_num(score, nan=UNKNOWN)), np.float64)
