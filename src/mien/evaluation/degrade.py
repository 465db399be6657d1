"""Ways to make pictures worse in steps, by name: what `mien evaluate --degrade` knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mien.evaluation.worse import (
    Located,
    blur,
    compress,
    dark_glasses,
    darken,
    mask,
    shrink,
)
from mien.interfaces import Detection, Image
from mien.models import Registry


def _always(face: Detection, level: float) -> bool:
    del face, level
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to make pictures worse.

    Attributes:
        name: What `--degrade` calls it.
        heading: What is varied, e.g. ``"JPEG quality"``.
        axis: The same with its unit, below an axis.
        scale: Of that axis, as matplotlib calls it.
        levels: Numbers for `apply`, from a good picture to a bad one.
        apply: From image, face and level to the worse picture.
        says: Template of what a protocol says about a level.
        undone: What it says about the picture as it is.
        short: Template of a level where the axis or the table says what it is.
        fits: Whether a face can be had at a level.
    """

    name: str
    heading: str
    axis: str
    scale: str
    levels: tuple[float, ...]
    apply: Callable[[Image, Detection, float], Located]
    says: str
    undone: str
    short: str
    fits: Callable[[Detection, float], bool] = _always

    def describe(self, level: float | None) -> str:
        """What a protocol says about a level; ``None`` is the picture as it is."""
        return self.undone if level is None else self.says.format(level)


kinds: Registry[Kind] = Registry("way to degrade pictures")
"""What `--degrade` knows, by name."""

KINDS = (
    Kind(
        name="size",
        heading="face size",
        axis="width of the face box, px",
        scale="log",
        levels=(96, 64, 48, 32, 24, 16),
        apply=shrink,
        says="faces {:g} px wide",
        undone="faces as wide as found",
        short="{:g}",
        fits=lambda face, level: face.box.width >= level,
    ),
    Kind(
        name="blur",
        heading="blur",
        axis="Gaussian blur, sigma in box widths",
        scale="linear",
        levels=(0.01, 0.02, 0.03, 0.04, 0.06, 0.08),
        apply=blur,
        says="blur of {:g} box widths",
        undone="not blurred",
        short="{:g}",
    ),
    Kind(
        name="jpeg",
        heading="JPEG quality",
        axis="JPEG quality",
        scale="log",
        levels=(95, 70, 50, 30, 20, 10, 5),
        apply=compress,
        says="JPEG quality {:g}",
        undone="not compressed",
        short="{:g}",
    ),
    Kind(
        name="dark",
        heading="darkness",
        axis="stops of light taken away",
        scale="linear",
        levels=(1, 2, 3, 4, 5, 6),
        apply=darken,
        says="{:g} stops darker",
        undone="not darkened",
        short="{:g}",
    ),
    Kind(
        name="mask",
        heading="mask",
        axis="hidden from below, box heights",
        scale="linear",
        levels=(0.1, 0.2, 0.3, 0.4, 0.5),
        apply=mask,
        says="{:g} box heights hidden from below",
        undone="nothing hidden from below",
        short="{:g}",
    ),
    Kind(
        name="glasses",
        heading="dark glasses",
        axis="dark band over the eyes, box heights",
        scale="linear",
        levels=(0.1, 0.15, 0.2, 0.25),
        apply=dark_glasses,
        says="{:g} box heights hidden at the eyes",
        undone="nothing hidden at the eyes",
        short="{:g}",
    ),
)
"""From a camera that is too far away to what hides a face."""

for _kind in KINDS:
    kinds.register(_kind.name)(_kind)


def parse_kinds(text: str) -> tuple[Kind, ...]:
    """Read ``"size,blur,dark"``; a name that comes twice counts once.

    Raises:
        UnknownModelError: A name is unknown.
    """
    return tuple(kinds[name] for name in dict.fromkeys(part.strip() for part in text.split(",")))
