"""Where a new scene begins: structure and colours of two frames have little in common.

Motion keeps the structure, only shifted; a flash and a fade keep it, only brighter or darker. So
the structure is compared with brightness and contrast taken out, at the best of some shifts. Faces
that are followed are left out: the same person in the same place is no reason to see one scene.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mien.interfaces import Image
from mien.results import Box

COLUMNS, ROWS = 32, 24
"""Size of the thumbnails that are compared."""

SAMPLES = 4
"""Pixels a side that one pixel of the thumbnail is the mean of; more add nothing but time."""

STILL = 6.0
"""Mean difference of two thumbnails, below which nothing of importance has happened."""

SHIFT = 3
"""Pixels of the thumbnail that the picture may have moved in any direction: a tenth."""

NEIGHBOURHOOD = (9, 9)
"""Pixels of the thumbnail over which brightness and contrast are evened out."""

SAME_STRUCTURE = 0.6
"""With a correlation above this, it is the same scene whatever its colours."""

SAME_SCENE = 1.2
"""Correlation plus share of equal colours, below which it is another scene.

In 250 frames of a street film with five cuts, the cuts have at most 1.03, all others at least 1.40;
of every fifth frame, the cuts have at most 1.02, all others but one at least 1.2.
"""

HEAD = 0.4
"""So many times its width and height is added to a face box on every side: hair and shoulders."""

MIN_GROUND = 0.25
"""With less of the picture outside the faces, the whole picture is compared."""

FLAT = 4.0
"""Standard deviation of the brightness, below which a frame (black, white, fog) says nothing."""

WHITE, MAX_WHITE, FLASH_FRAMES = 250, 0.5, 3
"""A frame with a larger share of pixels this bright is taken for a flash, so many times."""

Small = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class CutFinder:
    """Tells the first frame of every scene but the first."""

    def __init__(self) -> None:
        self._before: Small | None = None
        self._silent = 0

    def is_cut(self, image: Image, faces: Sequence[Box]) -> bool:
        """Whether this frame begins a new scene.

        A frame that says nothing (flat, or in the middle of a flash) belongs to the scene before
        it; the next one that does is compared with what was seen before.

        Args:
            image: The frame.
            faces: Where faces were in the frame before.
        """
        small = _thumbnail(image)
        luma = _luma(small)
        is_flash = (luma >= WHITE).mean() > MAX_WHITE and self._silent < FLASH_FRAMES
        if luma.std() < FLAT or is_flash:
            self._silent += 1
            return False
        before, self._before, self._silent = self._before, small, 0
        if before is None or np.abs(luma - _luma(before)).mean() < STILL:
            return False
        return _differ(before, small, _ground(faces, image))


def _thumbnail(image: Image) -> Small:
    grid = (SAMPLES * COLUMNS, SAMPLES * ROWS)
    sampled = cv2.resize(image, grid, interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(sampled, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _luma(small: Small) -> Floats:
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def _ground(faces: Sequence[Box], image: Image) -> Floats:
    """1 where the thumbnail shows no face that is followed, else 0."""
    ground = np.ones((ROWS, COLUMNS), np.float32)
    across, down = COLUMNS / image.shape[1], ROWS / image.shape[0]
    for box in faces:
        wide, high = HEAD * box.width, HEAD * box.height
        left, right = (box.left - wide) * across, (box.right + wide) * across
        top, bottom = (box.top - high) * down, (box.bottom + high) * down
        rows = slice(max(0, int(top)), max(0, int(np.ceil(bottom))))
        ground[rows, max(0, int(left)) : max(0, int(np.ceil(right)))] = 0
    return ground if ground.mean() >= MIN_GROUND else np.ones_like(ground)


def _differ(before: Small, now: Small, ground: Floats) -> bool:
    likeness = _structure(before, now, ground)
    if likeness > SAME_STRUCTURE:
        return False
    return likeness + _colours(before, now, ground) < SAME_SCENE


def _structure(before: Small, now: Small, ground: Floats) -> float:
    """Correlation of two thumbnails, all colours together, at the best shift, -1 to 1."""
    middle = slice(SHIFT, -SHIFT)
    template = np.ascontiguousarray(_evened(now, ground)[middle, middle])
    mask = np.ascontiguousarray(ground[middle, middle])
    wide = np.pad(_evened(before, ground), ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    answers = cv2.matchTemplate(wide, template, cv2.TM_CCOEFF_NORMED, mask=mask)
    return float(np.nan_to_num(answers, nan=0.0, posinf=0.0, neginf=0.0).max())


def _evened(small: Small, ground: Floats) -> Floats:
    """Brightness of every colour relative to the surroundings, in units of their contrast."""
    mask = ground[..., None]
    weight = cv2.blur(ground, NEIGHBOURHOOD)[..., None] + 1e-3
    away = small - cv2.blur(small * mask, NEIGHBOURHOOD) / weight
    contrast = np.sqrt(cv2.blur(away**2 * mask, NEIGHBOURHOOD) / weight)
    return np.asarray(mask * away / (contrast + 3.0), np.float32)


def _colours(before: Small, now: Small, ground: Floats) -> float:
    """Share of pixels of the same colour, wherever they are, 0 to 1."""
    mask = (255 * ground).astype(np.uint8)
    counts = [
        cv2.calcHist([small], [0, 1, 2], mask, [4, 4, 4], [0, 256] * 3).ravel()
        for small in (before, now)
    ]
    return float(np.minimum(*counts).sum() / ground.sum())
