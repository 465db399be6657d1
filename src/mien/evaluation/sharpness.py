"""Answers by the sharpness of the face, whatever took it away, and below which to abstain.

Small and blurred pictures and those as they are lie in bins of `Quality.sharpness`, the number that
decides in the end. Every bin is compared with the same faces as they are: soft light and smooth
skin make a face less sharp, too, and that is no loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf

import numpy as np
import numpy.typing as npt

from mien.evaluation import bootstrap
from mien.evaluation.bootstrap import FloatArray
from mien.evaluation.curves import (
    SHARPNESS,
    SIZE,
    Curve,
    Level,
    allowed_losses,
    propose_min_sharpness,
)
from mien.evaluation.degrade import kinds
from mien.evaluation.findings import Part, Row
from mien.evaluation.protocols import Answers
from mien.evaluation.protocols.followed import followed
from mien.results import Face

BLUR = "blur"
POOLED = (SIZE, BLUR)
"""Ways to make pictures worse that lie in one bin; blocks of JPEG and grain only look sharp."""

EDGES = (0, 1, 1.4, 2, 2.8, 4, 5.7, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, inf)
"""Half octaves: how sharp a face looks depends on the size of the chip, so the range is wide."""

MIN_PICTURES = 50
"""Bins with fewer say too little."""


@dataclass(frozen=True, slots=True)
class _Bin:
    """Pictures of about the same sharpness.

    Attributes:
        low: Smallest sharpness.
        high: Where the next bin begins.
        owners: Position of the face that every picture shows.
        faces: Answers in the same order.
    """

    low: float
    high: float
    owners: npt.NDArray[np.int64]
    faces: Sequence[Face]


Worse = Mapping[tuple[str, float], Mapping[int, Face]]
"""Answers to worse pictures by kind and level, then by position of the face."""


def by_sharpness(answers: Answers, worse: Worse) -> tuple[list[Curve], list[Row]]:
    """Every metric in bins of sharpness.

    Args:
        answers: To the pictures as they are.
        worse: To those made worse.

    Returns:
        Curves from sharp to blurred, whose levels are the lower ends of the bins; and a line for
        each of their points and for the same faces as they are.
    """
    points: dict[str, list[Level]] = {}
    protocols: dict[str, str] = {}
    rows = []
    for part in _bins(answers, worse):
        records = [answers.records[k] for k in part.owners]
        before = [answers.faces[k] for k in part.owners]
        reach = "and more" if part.high == inf else f"to {part.high:g}"
        for now, then in zip(
            followed(replace(answers, records=records, faces=part.faces)),
            followed(replace(answers, records=records, faces=before)),
            strict=True,
        ):
            owners = part.owners[now.faces]
            found, reference = bootstrap.estimate(
                [bootstrap.mean_of_pictures(values, owners) for values in (now.values, then.values)]
            )
            points.setdefault(now.metric, []).append(Level(part.low, found, reference.value))
            protocols.setdefault(now.metric, now.where)
            rows += [
                Row(metric=now.metric, protocol=protocol, estimate=value, part=Part.ROBUSTNESS)
                for protocol, value in (
                    (f"{now.where}, sharpness {part.low:g} {reach}", found),
                    (f"{now.where}, sharpness {part.low:g} {reach}, before", reference),
                )
            ]
    curves = [
        Curve(kind=SHARPNESS, metric=metric, protocol=protocols[metric], levels=tuple(levels))
        for metric, levels in points.items()
    ]
    return curves, rows


def _bins(answers: Answers, worse: Worse) -> Iterator[_Bin]:
    """From sharp to blurred; those with few pictures are left out."""
    pictures = list(enumerate(answers.faces))
    for (kind, _), faces in worse.items():
        if kind in POOLED:
            pictures += faces.items()
    sharpness = np.array([_sharpness(face) for _, face in pictures])
    for low, high in reversed(list(pairwise(EDGES))):
        inside = np.flatnonzero((low <= sharpness) & (sharpness < high))
        if len(inside) >= MIN_PICTURES:
            owners = np.array([pictures[k][0] for k in inside])
            yield _Bin(low, high, owners, [pictures[k][1] for k in inside])


def _sharpness(face: Face) -> float:
    assert face.quality is not None  # an answered face was measured
    return face.quality.sharpness


def notes(answers: Answers, worse: Worse, curves: Sequence[Curve], current: float) -> Iterator[str]:
    """How sharp the faces are at every step, which limit is proposed, and whom limits silence.

    Args:
        answers: To the pictures as they are.
        worse: To those made worse.
        curves: From `by_sharpness`.
        current: The model's own `min_sharpness`.
    """
    where = answers.where
    yield f"{where}: median sharpness {_by_step(answers, worse, _median)}."
    proposed = propose_min_sharpness(curves)
    if proposed is not None:
        yield (
            f"{where}: proposed min_sharpness = {proposed:g}, the model has {current:g}: the "
            "smallest measured sharpness down to which, against the same faces as they are, no "
            f"more is lost than {allowed_losses(curves, SHARPNESS)}."
        )
    for limit in sorted({limit for limit in (proposed, current) if limit}):
        shares = _by_step(answers, worse, _share_below(limit))
        yield f"{where}: less sharp than {limit:g} are {shares}."


def _median(values: FloatArray) -> str:
    found = float(np.median(values))
    return f"{found:.{0 if found >= 10 else 1}f}"


def _share_below(limit: float) -> Callable[[FloatArray], str]:
    return lambda values: f"{100 * np.mean(values < limit):.1f} %"


def _by_step(answers: Answers, worse: Worse, say: Callable[[FloatArray], str]) -> str:
    """What is to be said of the sharpness of all faces, as they are and at every step."""
    steps = [f"{say(np.array([_sharpness(face) for face in answers.faces]))} as they are"]
    for name in dict.fromkeys(kind for kind, _ in worse if kind in POOLED):
        found = [
            f"{say(np.array([_sharpness(face) for face in worse[name, level].values()]))} "
            f"({kinds[name].short.format(level)})"
            for level in kinds[name].levels
            if (name, level) in worse
        ]
        steps.append(f"by {kinds[name].axis}: {', '.join(found)}")
    return "; ".join(steps)
