"""What is known of one person: where the face is and how it moves, nothing about who it is.

The pixels that are kept show whether the flow still follows the same thing from one frame to the
next. They are dropped as soon as the face is out of sight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mien.interfaces import Detection, Image
from mien.results import Box
from mien.track.motion import Floats, Patch, follow_face, moved, patch_around, steadied, thumbnail
from mien.track.path import NOISE, Guess, Path, place_of

MAX_FLOW_STEP_S = 0.12
"""After a longer step the flow is meaningless: every frame is detected."""

MIN_AGREEMENT, MIN_LIKENESS = 0.6, 0.8
"""A flow that fewer points agree on, or that leads to other pixels, is in doubt."""

CARRY_S, CARRY_PER_SIGHTING_S = 0.5, 0.1
"""How long the flow alone may carry a face that the detector misses; a ghost has few sightings."""

CROWDED_CARRY_S = 0.15
"""The same where faces hide each other."""

SEARCH_S = 0.15
"""So long the detector looks at every frame for somebody who has just been lost."""

HIDING_S, MOSTLY = 0.3, 0.6
"""A new face of which this share lies where one was seen so recently is a part of that one."""

CROWDED = 0.05
"""Boxes that overlap this much (of the smaller one) hide each other: flow may follow the wrong."""

CROWDED_NOISE = 0.15
"""Standard deviation of the box of a face that is partly hidden, in face sizes."""

FLOW_DEVIATION = 0.05
"""How far a face may be from where a good flow has led, in face sizes."""


class Person:
    """What is known of one person.

    Args:
        face: Where the detector saw the face first.
        time_s: When.

    Attributes:
        track_id: The number; ``None`` until a weak detection has been seen twice.
        face: Where the face was seen last.
        seen_s: When that was.
        is_seen: Whether that was in the last frame.
        is_crowded: Whether the box overlaps somebody else's; see `mark_crowded`.
    """

    def __init__(self, face: Detection, time_s: float) -> None:
        self.track_id: int | None = None
        self.face = face
        self.seen_s = self._detected_s = time_s
        self.is_seen = True
        self.is_crowded = False
        self._is_missed = False
        self._sightings = 1
        self._path = Path(face.box, time_s)
        self._led: _Led | None = None
        self._patch: Patch | None = None
        self._thumbnail: Floats | None = None

    @property
    def is_detected(self) -> bool:
        """Whether the detector saw the face in the last frame."""
        return self._detected_s == self.seen_s and self.is_seen

    def is_doubtful(self, time_s: float) -> bool:
        """Whether the detector should look now."""
        if not self.is_seen:
            return time_s - self.seen_s < SEARCH_S
        is_person = self.track_id is not None
        return self._led is None or self.is_crowded or self._is_missed or not is_person

    def is_wanted(self, time_s: float, patience_s: float) -> bool:
        """Whether to go on looking for the face, after the detector has looked."""
        is_known = self.track_id is not None
        return self.is_seen or (is_known and time_s - self.seen_s <= patience_s)

    def predicted(self, time_s: float) -> Box:
        """The box where the motion so far leads."""
        guess = self._path.at(time_s)
        box = self.face.box
        scale = guess.size / math.exp(float(place_of(box)[2]))
        wide, high = scale * box.width / 2, scale * box.height / 2
        x, y = guess.centre
        return Box(x - wide, y - high, x + wide, y + high)

    def hides(self, box: Box, time_s: float) -> bool:
        """Whether a box is most likely what is left of this face, which the detector misses."""
        if time_s - self.seen_s > HIDING_S:
            return False
        place = self.predicted(time_s)
        wide = min(place.right, box.right) - max(place.left, box.left)
        high = min(place.bottom, box.bottom) - max(place.top, box.top)
        return max(0.0, wide) * max(0.0, high) > MOSTLY * box.width * box.height

    def flow(self, image: Image, time_s: float) -> None:
        """Let the flow move the face, if it was seen in the frame before.

        Where faces hide each other, the flow counts only while it agrees with the motion so far.
        """
        if self._patch is None or self._thumbnail is None:
            return
        expected = self.predicted(time_s)
        motion = follow_face(self._patch, self.face, image, _away(self.face.box, expected))
        if motion is None or motion.agreement < MIN_AGREEMENT:
            return
        face = moved(self.face, motion.matrix)
        likeness = float(thumbnail(motion.patch, face.box) @ self._thumbnail)
        strays = math.hypot(*_away(expected, face.box)) > CROWDED_NOISE * expected.width
        if likeness >= MIN_LIKENESS and not (self.is_crowded and strays):
            self._led = _Led(face, motion.patch)
            if not self.is_crowded:
                self._path.drift(self.face.box, self.seen_s, face.box, time_s)

    def guess(self, time_s: float) -> Guess:
        """Where the face probably is: where the flow has led, else where the motion leads."""
        if self._led is None:
            return self._path.at(time_s)._replace(hidden=not self.is_seen)
        x, y, log_size = map(float, place_of(self._led.face.box))
        return Guess((x, y), log_size, FLOW_DEVIATION)

    def see(self, face: Detection, time_s: float) -> None:
        """The detector sees the face."""
        noise = CROWDED_NOISE if self.is_crowded else NOISE
        has_flow = time_s - self.seen_s <= MAX_FLOW_STEP_S and self._path.knows_speed
        self._path.see(face.box, time_s, noise=noise, learn=not has_flow)
        led = None if self.is_crowded else self._led
        self.face = face if led is None else steadied(led.face, face)
        self.seen_s = self._detected_s = time_s
        self.is_seen = True
        self._sightings += 1
        self._thumbnail = None
        self._is_missed = False

    def carry(self, time_s: float) -> None:
        """The flow sees the face, or nobody does."""
        if self._led is None:
            self.is_seen = False
            return
        self.face = self._led.face
        self.seen_s = time_s

    def miss(self, time_s: float) -> None:
        """The detector does not see the face; the flow may, for a while."""
        self._is_missed = True
        allowed_s = min(
            CROWDED_CARRY_S if self.is_crowded else CARRY_S,
            CARRY_PER_SIGHTING_S * self._sightings,
        )
        if time_s - self._detected_s > allowed_s or self.track_id is None:
            self._led = None
        self.carry(time_s)

    def keep_pixels(self, image: Image) -> None:
        """Remember the pixels around the face for the flow to the next frame."""
        led, self._led = self._led, None
        if not self.is_seen:
            self._patch = self._thumbnail = None
            self._path.lose()
            return
        self._path.remember(self.face.box)
        self._patch = patch_around(image, self.face.box, None if led is None else led.patch)
        if self._thumbnail is None:
            self._thumbnail = thumbnail(self._patch, self.face.box)


class _Led(NamedTuple):
    """Where the flow has led."""

    face: Detection
    patch: Patch


def _away(one: Box, other: Box) -> tuple[float, float]:
    """From the centre of one box to that of the other, in pixels."""
    x = (other.left + other.right - one.left - one.right) / 2
    return x, (other.top + other.bottom - one.top - one.bottom) / 2


def mark_crowded(people: Sequence[Person], time_s: float) -> None:
    """Find those who hide each other, or soon will."""
    boxes = np.array([one.predicted(time_s) for one in people]).reshape(-1, 4)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=2)
    area = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1.0)
    share = overlap / np.minimum(area[:, None], area[None, :])
    np.fill_diagonal(share, 0)
    for one, shares in zip(people, share, strict=True):
        one.is_crowded = bool((shares > CROWDED).any())
