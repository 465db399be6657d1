"""Follow faces through a clip: the same number for the same person, frame after frame.

The detector looks at every n-th frame, and at once when a face is in doubt; in between, optical
flow moves the faces. Who is who follows from place, size and motion alone: nothing here describes
what a person looks like, so nobody is recognised after a cut or a long absence.

Zhang et al., "ByteTrack", ECCV 2022: strong detections choose first, weak ones only continue what
is known. Cao et al., "Observation-Centric SORT", CVPR 2023: what a hidden face did is unknown.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

from mien.config import VideoConfig
from mien.interfaces import Detection, Image
from mien.track.assign import match
from mien.track.cuts import CutFinder
from mien.track.person import MAX_FLOW_STEP_S, Person, mark_crowded

SURE_SCORE = 0.7
"""Weaker detections continue a track; to begin one they need a second look at the next frame."""


class Tracked(NamedTuple):
    """One person in one frame.

    Attributes:
        track_id: Same number for the same person within one clip; never given twice.
        detection: Where the face is. The score is that of the last look of the detector.
        detected: Whether the detector saw it in this very frame; else the flow led here.
    """

    track_id: int
    detection: Detection
    detected: bool


class FaceTracker:
    """Follows the faces of one clip; memory does not grow with its length.

    Args:
        detect: Finds the faces of one image.
        config: `detect_every`, `lost_s` and `every_s` are used.
    """

    def __init__(self, detect: Callable[[Image], list[Detection]], config: VideoConfig) -> None:
        self._detect = detect
        self._detect_every = config.detect_every
        # Who looks at one frame in two seconds does not lose everybody in between.
        self._patience_s = max(config.lost_s, 1.5 * (config.every_s or 0.0))
        self._numbers = itertools.count(1)
        self._cuts = CutFinder()
        self._cut = False
        self._time_s: float | None = None
        self._size: tuple[int, ...] | None = None
        self._undetected = 0
        self._people: list[Person] = []
        self._ended: tuple[int, ...] = ()

    @property
    def cut(self) -> bool:
        """Whether the last frame began a new scene: then all numbers are new."""
        return self._cut

    @property
    def alive(self) -> frozenset[int]:
        """Numbers that are in the picture or may still come back; no other will."""
        return frozenset(p.track_id for p in self._people if p.track_id is not None)

    @property
    def ended(self) -> tuple[int, ...]:
        """Numbers that went out of `alive` with the last frame."""
        return self._ended

    def follow(self, image: Image, time_s: float) -> list[Tracked]:
        """Take the next frame.

        Args:
            image: RGB ``uint8``, shape ``(height, width, 3)``.
            time_s: Its time; steps may differ. A step back begins a new scene.

        Returns:
            Everybody who is seen in this frame, in the order of their numbers. Somebody hidden is
            left out and keeps the number for `lost_s` seconds.
        """
        before = self.alive
        step_s = None if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        self._begin(image, step_s)
        is_new = step_s is None or self._cut
        flows = step_s is not None and step_s <= MAX_FLOW_STEP_S
        mark_crowded(self._people, time_s)
        for one in self._people if flows else ():
            one.flow(image, time_s)
        self._undetected += 1
        is_due = self._undetected >= self._detect_every or not flows or is_new
        if is_due or any(one.is_doubtful(time_s) for one in self._people):
            self._undetected = 0
            self._look(image, time_s, is_new)
        else:
            for one in self._people:
                one.carry(time_s)
        for one in self._people:
            one.keep_pixels(image)
        self._ended = tuple(sorted(before - self.alive))
        return self._seen()

    def _seen(self) -> list[Tracked]:
        return sorted(
            Tracked(one.track_id, one.face, one.is_detected)
            for one in self._people
            if one.is_seen and one.track_id is not None
        )

    def _begin(self, image: Image, step_s: float | None) -> None:
        """Decide whether a new scene begins, and forget whom no frame can show any more."""
        seen = [one.face.box for one in self._people if one.is_seen]
        other_size = self._size not in (None, image.shape[:2])
        backwards = step_s is not None and step_s < 0
        self._cut = self._cuts.is_cut(image, seen) or other_size or backwards
        self._size = image.shape[:2]
        if self._cut or (step_s is not None and step_s > self._patience_s):
            self._people = []

    def _look(self, image: Image, time_s: float, is_new: bool) -> None:
        """Ask the detector and decide who is who."""
        found = self._detect(image)
        strong = [face for face in found if face.score >= SURE_SCORE]
        weak = [face for face in found if face.score < SURE_SCORE]
        missed, new = self._people, []
        for faces in (strong, weak):
            guesses = [one.guess(time_s) for one in missed]
            pairs = match(guesses, [face.box for face in faces])
            for row, column in pairs:
                missed[row].see(faces[column], time_s)
                if missed[row].track_id is None:
                    missed[row].track_id = next(self._numbers)
            rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
            missed = [one for k, one in enumerate(missed) if k not in rows]
            new += [face for k, face in enumerate(faces) if k not in columns]
        for one in missed:
            one.miss(time_s)
        self._people = [p for p in self._people if p.is_wanted(time_s, self._patience_s)]
        for face in new:
            if any(one.hides(face.box, time_s) for one in missed):
                continue
            one = Person(face, time_s)
            if is_new or face.score >= SURE_SCORE:
                one.track_id = next(self._numbers)
            self._people.append(one)
