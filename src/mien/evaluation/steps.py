"""Which faces are measured at which steps of worse pictures: the same at every step of a curve."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mien.errors import ConfigError
from mien.evaluation.degrade import Kind
from mien.interfaces import Detection

ENOUGH = 0.5
"""A step is taken when at least this share of the faces can be had there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """What is done to the pictures, and to how many.

    Attributes:
        kinds: Ways to make pictures worse.
        faces: At most so many a step, chosen by a hash of their names.
    """

    kinds: tuple[Kind, ...]
    faces: int = 1000

    def __post_init__(self) -> None:
        if self.faces < 1:
            raise ConfigError(f"at least one face must be degraded, got {self.faces}")

    def most_pictures(self, faces: int) -> int:
        """How many pictures so many faces make, if every face can be had at every step."""
        return min(self.faces, faces) * sum(len(kind.levels) for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Series:
    """The steps of one kind that are taken.

    Attributes:
        kind: How pictures are made worse.
        levels: Those that enough faces can be had at.
        faces: Positions of the faces that can be had at all of these.
    """

    kind: Kind
    levels: tuple[float, ...]
    faces: tuple[int, ...]

    @classmethod
    def of(cls, kind: Kind, places: Sequence[Detection]) -> Series:
        """Choose the steps, then the faces: so every point of a curve stands for the same ones."""
        enough = ENOUGH * len(places)
        levels = tuple(
            level
            for level in kind.levels
            if sum(kind.fits(place, level) for place in places) >= enough
        )
        if not levels:
            return cls(kind, (), ())
        fit = (k for k, place in enumerate(places) if all(kind.fits(place, x) for x in levels))
        return cls(kind, levels, tuple(fit))


@dataclass(frozen=True, slots=True)
class Step:
    """One face at one step."""

    face: int
    kind: Kind
    level: float


def sample(names: Sequence[str], count: int) -> list[int]:
    """Positions of at most `count` names, in their order, by a hash: the same on every machine."""
    order = sorted(range(len(names)), key=lambda k: hashlib.sha256(names[k].encode()).digest())
    return sorted(order[:count])


def face_by_face(series: Sequence[Series]) -> list[Step]:
    """All steps, those of one face after the other, so that every image is read once."""
    steps = [
        Step(face, one.kind, level) for one in series for face in one.faces for level in one.levels
    ]
    return sorted(steps, key=lambda step: step.face)
