"""Where the labels of a picture go: rectangles only, no pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mien.results import Box

IntArray: TypeAlias = npt.NDArray[np.int64]
Size: TypeAlias = tuple[int, int]
Sizes: TypeAlias = Callable[[int, int], Sequence[Size]]
"""Number of a face and step (0 is the largest type) to the sizes its label may have there."""


SHARED = 3
FEW = 0.05
"""From the third step of type on, all labels become smaller only for more than this share.

A single tight corner must not make everything else small.
"""

NEAREST = 60
"""Faces and labels around a face between which room for its label is looked for.

With fewer of them in the picture, no room is overlooked; with hundreds, it would take seconds.
"""


class Rect(NamedTuple):
    """Whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, box: Box, picture: Size, *, margin: int = 0) -> Rect:
        """The pixels of a picture (width, height) that a box and a margin around it touch."""
        width, height = picture
        return cls(
            max(0, min(width, math.floor(box.left) - margin)),
            max(0, min(height, math.floor(box.top) - margin)),
            max(0, min(width, math.ceil(box.right) + margin)),
            max(0, min(height, math.ceil(box.bottom) + margin)),
        )

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self.right <= self.left or self.bottom <= self.top

    def distance(self, other: Rect) -> float:
        """Pixels between the two; 0 when they touch or meet."""
        across = max(self.left - other.right, other.left - self.right, 0)
        down = max(self.top - other.bottom, other.top - self.bottom, 0)
        return math.hypot(across, down)

    def bridge(self, other: Rect) -> tuple[tuple[int, int], tuple[int, int]]:
        """The shortest line between the two: where it starts here, and where it ends there."""
        ends = []
        for low, high, other_low, other_high in (
            (self.left, self.right, other.left, other.right),
            (self.top, self.bottom, other.top, other.bottom),
        ):
            if other_low >= high:
                ends.append((high, other_low))
            elif other_high <= low:
                ends.append((low, other_high))
            else:
                middle = (max(low, other_low) + min(high, other_high)) // 2
                ends.append((middle, middle))
        (x, other_x), (y, other_y) = ends
        return (x, y), (other_x, other_y)


class Place(NamedTuple):
    """Where one label goes.

    Attributes:
        step: Which step of type size; 0 is the largest.
        choice: Which of the sizes offered at that step.
        rect: Its pixels.
        clear: Whether it covers neither a face nor another label.
    """

    step: int
    choice: int
    rect: Rect
    clear: bool


class Scene(NamedTuple):
    """What is in the picture already.

    Attributes:
        picture: Width and height in pixels.
        faces: All faces with the lines around them, within the picture.
        labels: Labels that have their place.
        gap: Pixels between a face and a label beside it.
    """

    picture: Size
    faces: Sequence[Rect]
    labels: Sequence[Rect] = ()
    gap: int = 0

    def blocks(self) -> IntArray:
        """Faces, then labels, shape ``(n, 4)``."""
        return np.array([*self.faces, *self.labels], np.int64).reshape(-1, 4)


def place_labels(
    scene: Scene, wanted: Sequence[int], sizes: Sizes, steps: int
) -> list[Place | None]:
    """Find a place for the label of every wanted face.

    All labels share one step of type, the largest at which they are clear beside their faces, or,
    from the step `SHARED` on, all but a `FEW`. What is left then goes, in smaller type if need be,
    to the nearest clear place, which is found whenever there is one (see `NEAREST`), or else to
    where it covers least, the middle of a face last.

    Args:
        scene: The picture.
        wanted: Numbers of the faces in `scene.faces` that have a label, most important first.
        sizes: Sizes a label may have at a step, best first.
        steps: How many steps there are.

    Returns:
        One entry for each of `wanted`; ``None`` when its label does not fit into the picture.
    """
    best: list[Place | None] = []
    least, first = len(wanted) + 1, 0
    for step in range(steps):
        places = _beside_all(scene, wanted, sizes, step)
        missing = places.count(None)
        if missing < least:
            best, least, first = places, missing, step
        if least <= (0 if step + 1 < SHARED else FEW * len(wanted)):
            break
    labels = [*scene.labels, *(place.rect for place in best if place is not None)]
    for k, face in enumerate(wanted):
        if best[k] is None:
            place = place_freely(scene._replace(labels=labels), face, sizes, range(first, steps))
            best[k] = place
            labels += [place.rect] if place else []
    return best


def _beside_all(scene: Scene, wanted: Sequence[int], sizes: Sizes, step: int) -> list[Place | None]:
    """Put every label beside its face, at one step of type; ``None`` where that covers things."""
    blocks = scene.blocks()
    places: list[Place | None] = []
    for face in wanted:
        place = place_beside(scene, face, sizes(face, step), step, blocks)
        places.append(place)
        if place is not None:
            blocks = np.concatenate([blocks, [place.rect]])
    return places


def place_beside(
    scene: Scene, face: int, sizes: Sequence[Size], step: int, blocks: IntArray
) -> Place | None:
    """The first of `sizes` that is clear below, above, right or left of its face."""
    for choice, size in enumerate(sizes):
        rects = list(slots(scene, scene.faces[face], size).values())
        if not rects:
            continue
        clear = are_clear(rects, blocks)
        if clear.any():
            return Place(step, choice, rects[int(clear.argmax())], clear=True)
    return None


def are_clear(rects: Sequence[Rect], blocks: IntArray) -> npt.NDArray[np.bool_]:
    """Which of the rectangles share no pixel with any of `blocks`, shape ``(n, 4)``."""
    corners = np.array(rects, np.int64)
    meets = (corners[:, None, :2] < blocks[None, :, 2:]) & (
        blocks[None, :, :2] < corners[:, None, 2:]
    )
    return np.asarray(np.logical_not(np.any(np.all(meets, axis=2), axis=1)))


def slots(scene: Scene, face: Rect, size: Size) -> dict[int, Rect]:
    """Places that touch the face, slid along it to stay inside, by their number.

    0 to 2 are below the face, 3 to 5 above, 6 to 8 right and 9 to 11 left of it; places that do
    not fit into the picture are left out.
    """
    (width, height), gap = scene.picture, scene.gap
    w, h = size

    def slid(low: int, limit: int, length: int) -> int:
        inset = min(gap, (limit - length) // 2)
        return max(inset, min(low, limit - length - inset))

    rows = (face.bottom + gap, face.top - gap - h)
    columns = (face.right + gap, face.left - gap - w)
    starts_x = (face.left, (face.left + face.right - w) // 2, face.right - w)
    starts_y = (face.top, (face.top + face.bottom - h) // 2, face.bottom - h)
    corners = [(slid(x, width, w), y) for y in rows for x in starts_x]
    corners += [(x, slid(y, height, h)) for x in columns for y in starts_y]
    return {
        slot: Rect(x, y, x + w, y + h)
        for slot, (x, y) in enumerate(corners)
        if 0 <= x <= width - w and 0 <= y <= height - h
    }


def place_freely(scene: Scene, face: int, sizes: Sizes, steps: Sequence[int]) -> Place | None:
    """The nearest clear place in the picture, or else the one that covers least.

    Smaller type is taken when it lets the label come near its face.
    """
    own = scene.faces[face]
    obstacles = Obstacles.of(scene, own)
    covering: list[tuple[bool, float, Place]] = []
    clear: list[Place] = []
    for step in _some(steps):
        for choice, size in enumerate(sizes(face, step)):
            if size[0] > scene.picture[0] or size[1] > scene.picture[1]:
                continue
            rect, covered, harm = _search(scene, face, size, obstacles)
            place = Place(step, choice, rect, clear=covered == 0)
            if not place.clear:
                covering.append((harm > 0, harm, place))
            elif rect.distance(own) <= 2 * size[1]:
                return place
            else:
                clear.append(place)
    if clear:
        return min(clear, key=lambda place: place.rect.distance(own))
    # The largest type that leaves eyes, mouths and other labels alone.
    return min(covering, key=lambda option: option[:2])[2] if covering else None


def _some(steps: Sequence[int]) -> list[int]:
    """At most five of the steps, the first and the last among them."""
    count = min(5, len(steps))
    return [steps[k * (len(steps) - 1) // max(1, count - 1)] for k in range(count)]


class Obstacles(NamedTuple):
    """What a label should not cover, each of shape ``(n, 4)``.

    Attributes:
        blocks: Faces and labels.
        cores: What matters most of them: the middle of a face, with eyes and mouth, and all of a
            label.
        near: The `NEAREST` blocks around a face.
    """

    blocks: IntArray
    cores: IntArray
    near: IntArray

    @classmethod
    def of(cls, scene: Scene, face: Rect) -> Obstacles:
        """Collect them for the label of one face."""
        blocks = scene.blocks()
        cores = np.array([*map(_middle, scene.faces), *scene.labels], np.int64).reshape(-1, 4)
        centres = blocks[:, :2] + blocks[:, 2:]
        centre = np.array([face.left + face.right, face.top + face.bottom])
        order = np.argsort(np.hypot(*(centres - centre).T), kind="stable")
        return cls(blocks, cores, blocks[order[:NEAREST]])


def _search(scene: Scene, face: int, size: Size, obstacles: Obstacles) -> tuple[Rect, float, float]:
    """The best place anywhere, how much it covers, and how much of that matters.

    A clear place can be pushed left and up until it touches an edge or an obstacle, so trying
    those coordinates finds one whenever there is one; the others are there to be near.
    """
    (width, height), (w, h) = scene.picture, size
    own, near = scene.faces[face], obstacles.near
    xs = np.concatenate([(0, width - w, own.left, own.right - w), near[:, 2], near[:, 0] - w])
    ys = np.concatenate([(0, height - h, own.top, own.bottom - h), near[:, 3], near[:, 1] - h])
    xs = np.unique(xs[(xs >= 0) & (xs <= width - w)])
    ys = np.unique(ys[(ys >= 0) & (ys <= height - h)])[::-1]  # rather over the chin than the brow
    covered = _covered(xs, ys, size, obstacles.blocks)
    harm = _covered(xs, ys, size, obstacles.cores)
    far_x = np.maximum(np.maximum(xs - own.right, own.left - xs - w), 0)
    far_y = np.maximum(np.maximum(ys - own.bottom, own.top - ys - h), 0)
    distance = np.hypot(far_x[None], far_y[:, None])
    least = harm == harm.min()
    least &= covered == covered[least].min()
    rows, columns = np.nonzero(least)
    order = np.argsort(distance[rows, columns], kind="stable")[:16]
    corners = zip(xs[columns[order]].tolist(), ys[rows[order]].tolist(), strict=True)
    rects = [Rect(x, y, x + w, y + h) for x, y in corners]
    cost = float(covered[least][0]), float(harm.min())
    # Of equally good places, the nearest whose line to the face runs over no other face.
    best = next((rect for rect in rects if not _crosses(scene, face, rect)), rects[0])
    return best, *cost


def _crosses(scene: Scene, face: int, label: Rect) -> bool:
    """Whether the line from a face to its label runs over another face."""
    start, end = scene.faces[face].bridge(label)
    return any(
        cv2.clipLine((*other[:2], other.right - other.left, other.bottom - other.top), start, end)[
            0
        ]
        for number, other in enumerate(scene.faces)
        if number != face
    )


def _covered(xs: IntArray, ys: IntArray, size: Size, blocks: IntArray) -> npt.NDArray[np.float64]:
    """Pixels of `blocks` under a label at every ``(y, x)``, shape ``(len(ys), len(xs))``."""
    across = _shared(xs, size[0], blocks[:, 0], blocks[:, 2])
    down = _shared(ys, size[1], blocks[:, 1], blocks[:, 3])
    return down @ across.T


def _shared(
    starts: IntArray, length: int, low: IntArray, high: IntArray
) -> npt.NDArray[np.float64]:
    """Pixels that every ``start .. start + length`` shares with every ``low .. high``."""
    ends = np.minimum(starts[:, None] + length, high[None])
    shared = np.maximum(ends - np.maximum(starts[:, None], low[None]), 0)
    return np.asarray(shared, np.float64)  # NumPy multiplies matrices of floats with BLAS


def _middle(face: Rect) -> Rect:
    inset_x, inset_y = (face.right - face.left) // 5, (face.bottom - face.top) // 5
    return Rect(
        face.left + inset_x, face.top + inset_y, face.right - inset_x, face.bottom - inset_y
    )
