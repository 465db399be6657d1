"""Boxes and labels on the frames of a clip: labels that keep still, and quickly drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from mien.interfaces import Image
from mien.results import Face, FrameResult
from mien.sinks.draw import Mark, label_marks, lay_out, paint
from mien.sinks.labels import face_lines
from mien.sinks.layout import Place, Rect, Scene, Size, Sizes, are_clear, place_labels, slots
from mien.sinks.panels import Label, line_ink

REVIEW_FRAMES = 30
"""So often it is tried whether labels can be larger again."""

KEPT_LINES = 512
"""Lines of type that stay in memory, 10 kB each at 1920 x 1080."""


@dataclass(slots=True)
class Memory:
    """How one person was shown in the frame before.

    Attributes:
        mark: Colour and sizes.
        seen: Number of the last frame with this person.
        shown: The numbers on the label.
        widest: Greatest width of the panel so far, by its height.
        place: Where the label was; ``None`` without one.
        slot: Which place beside the face that was, see `mien.sinks.layout.slots`; ``None`` when
            it was not beside the face.
        reach: How far from the face the label may be.
    """

    mark: Mark
    seen: int
    shown: dict[str, int] = field(default_factory=dict)
    widest: dict[int, int] = field(default_factory=dict)
    place: Place | None = None
    slot: int | None = None
    reach: float = 0.0


class Painter:
    """Draws the frames of one clip, one after the other.

    Faces with a ``track_id`` keep their colour, the side on which their label is while there is
    room, the size of its type and figures that are still nearly right. Other faces look as
    `mien.sinks.draw.draw_faces` draws them.

    Example:
        >>> painter = Painter()
        >>> painter.draw(np.zeros((90, 160, 3), np.uint8), FrameResult(source="clip.mp4")).shape
        (90, 160, 3)
    """

    def __init__(self) -> None:
        self._people: dict[int, Memory] = {}
        self._frame = 0
        self._set_line = lru_cache(maxsize=KEPT_LINES)(line_ink)

    def draw(self, image: Image, result: FrameResult) -> Image:
        """Draw the next frame; arguments and answer as those of `draw_faces`."""
        marks, labels = self.arrange(result.faces, (image.shape[1], image.shape[0]))
        return paint(image, marks, labels, self._set_line)

    def arrange(
        self, faces: Sequence[Face], picture: Size
    ) -> tuple[list[Mark], list[Label | None]]:
        """Choose sizes and places for the next frame.

        Args:
            faces: In pixels of the frame.
            picture: Its width and height.

        Returns:
            What to draw for every face, and its label.
        """
        self._frame += 1
        marks = [self._recall(mark) for mark in lay_out(faces, picture)]
        labels = label_marks(picture, marks, say=self._say, place=partial(self._place, marks))
        if self._frame % REVIEW_FRAMES == 0:
            old = self._frame - 10 * REVIEW_FRAMES
            self._people = {k: known for k, known in self._people.items() if known.seen > old}
        return marks, labels

    def _recall(self, mark: Mark) -> Mark:
        """Keep the sizes of the frame before unless the face has grown or shrunk."""
        track_id = mark.face.track_id
        if track_id is None:
            return mark
        known = self._people.setdefault(track_id, Memory(mark, self._frame))
        before = known.mark
        if before.is_skipped == mark.is_skipped:
            if abs(mark.type_px - before.type_px) <= max(1, round(0.12 * before.type_px)):
                mark = replace(mark, type_px=before.type_px)
            if abs(mark.line_px - before.line_px) <= 1:
                mark = replace(mark, line_px=before.line_px)
        known.mark, known.seen = mark, self._frame
        return mark

    def _say(self, face: Face) -> list[str]:
        known = self._known(face)
        return face_lines(face, None if known is None else known.shown)

    def _known(self, face: Face) -> Memory | None:
        return None if face.track_id is None else self._people.get(face.track_id)

    def _place(
        self, marks: Sequence[Mark], scene: Scene, wanted: Sequence[int], sizes: Sizes, steps: int
    ) -> list[Place | None]:
        """Leave labels where they are, and find places for the others; see `place_labels`."""
        people = {k: known for k in wanted if (known := self._known(marks[k].face)) is not None}

        def widened(face: int, step: int) -> list[Size]:
            widest = people[face].widest if face in people else {}
            return [(max(w, widest.get(h, 0)), h) for w, h in sizes(face, step)]

        band = min((mark.line_px for mark in marks), default=1)
        held = _held(scene, people, widened, steps, band)
        places = dict(held)
        missing = [k for k in wanted if k not in places]
        if missing:
            base = min((place.step for place in places.values()), default=0)
            around = scene._replace(labels=[*scene.labels, *(p.rect for p in places.values())])
            rest = place_labels(
                around, missing, lambda face, step: widened(face, base + step), steps - base
            )
            for k, place in zip(missing, rest, strict=True):
                if place is not None:
                    places[k] = place._replace(step=base + place.step)
        is_due = self._frame % REVIEW_FRAMES == 0 or any(
            k in places and not places[k].clear for k in missing
        )
        if is_due and len(missing) < len(wanted) and _cost(places, wanted) > (0, 0, 0):
            fresh = zip(wanted, place_labels(scene, wanted, widened, steps), strict=True)
            anew = {k: place for k, place in fresh if place is not None}
            places = min(places, anew, key=lambda option: _cost(option, wanted))
        for k, known in people.items():
            place = known.place = places.get(k)
            if place is None:
                continue
            known.widest[place.rect.bottom - place.rect.top] = place.rect.right - place.rect.left
            if place is not held.get(k):
                _remember_side(known, place, scene, scene.faces[k])
        return [places.get(k) for k in wanted]


def _held(
    scene: Scene, people: Mapping[int, Memory], sizes: Sizes, steps: int, band: int
) -> dict[int, Place]:
    """The labels that can stay where they were, as far as their faces let them."""
    held: dict[int, Place] = {}
    labels = list(scene.labels)
    for k, known in people.items():
        before = known.place
        if before is None or before.step >= steps:
            continue
        offered = sizes(k, before.step)
        if before.choice >= len(offered):
            continue
        around = scene._replace(labels=labels)
        rect = _stay(around, scene.faces[k], offered[before.choice], known, band)
        if rect is not None:
            held[k] = before._replace(rect=rect)
            labels.append(rect)
    return held


def _stay(scene: Scene, face: Rect, size: Size, known: Memory, band: int) -> Rect | None:
    """Where a label of `size` is next to be near its last place; ``None`` when that is taken."""
    assert known.place is not None
    (width, height), (w, h) = scene.picture, size
    if w > width or h > height:
        return None
    old = known.place.rect
    if known.slot is None:
        x, y = min(old.left, width - w), min(old.top, height - h)
        options = [Rect(x, y, x + w, y + h)]
        if options[0].distance(face) > known.reach:
            return None
        if not known.place.clear:
            return options[0]
    else:
        target = slots(scene, face, size).get(known.slot)
        if target is None:
            return None
        options = [_follow(old, target, known.slot, band), target]
    clear = are_clear(options, scene.blocks())
    inside = [
        r.left >= 0 and r.top >= 0 and r.right <= width and r.bottom <= height for r in options
    ]
    return next((r for r, *good in zip(options, clear, inside, strict=True) if all(good)), None)


def _follow(old: Rect, target: Rect, slot: int, band: int) -> Rect:
    """Move `old` to `target` but for a play of `band` pixels, never towards the face.

    A face that trembles leaves its label alone; one that moves takes it along evenly.
    """
    side = slot // 3  # below, above, right, left
    low_x, high_x = (0 if side == 2 else -band), (0 if side == 3 else band)
    low_y, high_y = (0 if side == 0 else -band), (0 if side == 1 else band)
    x = min(max(old.left, target.left + low_x), target.left + high_x)
    y = min(max(old.top, target.top + low_y), target.top + high_y)
    return Rect(x, y, x + target.right - target.left, y + target.bottom - target.top)


def _cost(places: Mapping[int, Place], wanted: Sequence[int]) -> tuple[int, int, int]:
    """How far from perfect: labels without a place, labels that cover something, small type."""
    unclear = sum(not place.clear for place in places.values())
    return len(wanted) - len(places), unclear, sum(place.step for place in places.values())


def _remember_side(known: Memory, place: Place, scene: Scene, face: Rect) -> None:
    """Keep what a label needs to stay at its new place."""
    left, top, right, bottom = place.rect
    beside = slots(scene, face, (right - left, bottom - top)) if place.clear else {}
    known.slot = next((slot for slot, rect in beside.items() if rect == place.rect), None)
    known.reach = max(2 * (bottom - top), place.rect.distance(face)) + bottom - top
