"""What a tracker got right: identity switches, frames with the face, places, against the truth.

`clips.render` knows where every actor is; here stands who of them can be seen, and how a tracker's
answers are counted. Kept apart from the tests that use it, because it has tests of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from clips import Actor, Bar

Quad = tuple[float, float, float, float]

MATCH_IOU = 0.4
"""A box that overlaps an actor's by less is not an answer for that actor."""

KEEP_IOU = 0.3
"""The same for the number that the actor has already: nobody is robbed of it while it fits."""


def hidden_shares(
    scene: Sequence[Actor | Bar], time_s: float, size: tuple[int, int]
) -> list[float | None]:
    """Share of the face of every actor that the border or something in front of it hides.

    ``None`` for an actor who is not there.
    """
    shares: list[float | None] = []
    for number, thing in enumerate(scene):
        if isinstance(thing, Bar):
            continue
        box = face_box(thing, time_s)
        if box is None:
            shares.append(None)
            continue
        # Twenty by twenty points of the face, struck out by whatever covers them.
        x, y = np.meshgrid(*(low + (np.arange(20) + 0.5) / 20 * (high - low)
                             for low, high in ((box[0], box[2]), (box[1], box[3]))))  # fmt: skip
        covered = (x < 0) | (y < 0) | (x >= size[0]) | (y >= size[1])
        for other in scene[number + 1 :]:
            front = other.box(time_s) if isinstance(other, Bar) else face_box(other, time_s)
            if front is not None:
                covered |= (x >= front[0]) & (x < front[2]) & (y >= front[1]) & (y < front[3])
        shares.append(float(covered.mean()))
    return shares


def face_box(actor: Actor, time_s: float) -> Quad | None:
    """Where `clips.render` puts the face of an actor."""
    place = actor.path(time_s)
    if place is None:
        return None
    x, y, width = place
    return (x - width / 2, y - 1.27 * width / 2, x + width / 2, y + 1.27 * width / 2)


def iou(one: Quad, other: Quad) -> float:
    """Intersection over union of two boxes."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, wide) * max(0.0, high)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


@dataclass
class Score:
    """Counts over the frames of one clip.

    Attributes:
        switches: How often an actor's number changed.
        numbers: Of every actor, the numbers it had, in order.
        visible: Frames times actors that could be seen.
        found: Those of them that had an answer.
        overlaps: Intersection over union of these answers.
        strangers: Answers that belong to no actor.
    """

    switches: int = 0
    numbers: dict[int, list[int]] = field(default_factory=dict)
    visible: int = 0
    found: int = 0
    overlaps: list[float] = field(default_factory=list)
    strangers: int = 0

    def share_above(self, least: float) -> float:
        """Share of the visible faces that have an answer with at least this overlap."""
        return sum(value >= least for value in self.overlaps) / max(1, self.visible)


class Judge:
    """Counts frame by frame."""

    def __init__(self) -> None:
        self.score = Score()

    def frame(self, truth: Mapping[int, Quad], answers: Mapping[int, Quad],
              clear: Sequence[int] | None = None) -> None:  # fmt: skip
        """Count one frame.

        An actor keeps its number while that number's box fits, so that a box between two actors
        who stand before each other is no switch; otherwise the pair that fits best comes first.

        Args:
            truth: Face box by actor; also of those who are half hidden.
            answers: Box by number.
            clear: Actors who must be found; all when omitted.
        """
        score, free = self.score, dict(answers)
        pairs: dict[int, int] = {}
        for actor, box in truth.items():
            known = score.numbers.get(actor, [])
            if known and known[-1] in free and iou(box, free[known[-1]]) >= KEEP_IOU:
                pairs[actor] = known[-1]
                del free[known[-1]]
        rest = sorted(
            ((iou(truth[a], box), a, n) for a in truth.keys() - pairs for n, box in free.items()),
            reverse=True,
        )
        for overlap, actor, number in rest:
            if overlap >= MATCH_IOU and actor not in pairs and number in free:
                pairs[actor] = number
                del free[number]
        for actor, number in pairs.items():
            known = score.numbers.setdefault(actor, [])
            if not known or known[-1] != number:
                score.switches += bool(known)
                known.append(number)
        for actor in truth if clear is None else clear:
            score.visible += 1
            if actor in pairs:
                score.found += 1
                score.overlaps.append(iou(truth[actor], answers[pairs[actor]]))
        score.strangers += len(free)
