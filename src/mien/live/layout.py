"""Where everything goes in a window of any size."""

from __future__ import annotations

from dataclasses import dataclass

from mien.sinks.layout import Rect

SMALLEST_UNIT, LARGEST_UNIT = 12, 30
"""Size of the type in pixels."""

WIDE = 1.45
"""From this ratio of the sides on, the people stand beside the picture, not below it."""

SIDE = 20
BAND = 11.2
STRIP = 9.5
STATUS = 2.0
"""Width of the people beside the picture, height of the band and the timeline below it, and of the
status line, in units."""

BARE = (360, 270)
"""In a smaller window there is room for the picture only."""

MOST_SHOWN = 3
PERSON = 11
"""People with bars at most, and the height that one needs, in units."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Parts of the window, in pixels; an empty `Rect` where there is no room.

    Attributes:
        unit: Size of the type; everything else follows it.
        picture: Room for the picture.
        people: Bars of the people.
        timeline: Their last seconds.
        status: The line at the bottom.
        count: How many people have bars.
    """

    unit: int
    picture: Rect
    people: Rect
    timeline: Rect
    status: Rect
    count: int

    @classmethod
    def of(cls, size: tuple[int, int], aspect: float = 16 / 9) -> Layout:
        """Divide a window.

        Args:
            size: Width and height in pixels.
            aspect: Width by height of the picture.
        """
        width, height = size
        unit = max(SMALLEST_UNIT, min(LARGEST_UNIT, round(min(width / 80, height / 45))))
        if width < BARE[0] or height < BARE[1]:
            empty = Rect(0, height, 0, height)
            return cls(unit, Rect(0, 0, width, height), empty, empty, empty, 0)
        status = Rect(0, height - round(STATUS * unit), width, height)
        if width >= WIDE * height and width >= 56 * unit:
            return cls._wide(unit, status)
        return cls._stacked(unit, status, aspect)

    @classmethod
    def _wide(cls, unit: int, status: Rect) -> Layout:
        """The picture with the timeline below it, and the people beside both."""
        gap, foot = round(0.8 * unit), status.top
        left = status.right - gap - SIDE * unit
        top = foot - round(STRIP * unit)
        people = Rect(left, gap, status.right - gap, foot)
        return cls(
            unit,
            picture=Rect(gap, gap, left - 2 * gap, top - gap),
            people=people,
            timeline=Rect(gap, top, left - 2 * gap, foot),
            status=status,
            count=_count(people, unit),
        )

    @classmethod
    def _stacked(cls, unit: int, status: Rect, aspect: float) -> Layout:
        """The picture above, people and timeline side by side below it."""
        gap, foot, width = round(0.6 * unit), status.top, status.right
        most = MOST_SHOWN * (PERSON + 2) * unit
        band = max(round(BAND * unit), min(most, foot - round(width / aspect) - gap))
        top = foot - band
        middle = gap + min(round(17.5 * unit), width // 2 - gap)
        people = Rect(gap, top, middle, foot)
        return cls(
            unit,
            picture=Rect(0, 0, width, top - gap),
            people=people,
            timeline=Rect(middle + 2 * gap, top, width - gap, foot),
            status=status,
            count=_count(people, unit),
        )


def fitted(room: Rect, size: tuple[int, int]) -> Rect:
    """The largest place of a picture of `size` in the middle of `room`, in its proportions."""
    width, height = room.right - room.left, room.bottom - room.top
    scale = min(width / size[0], height / size[1])
    w, h = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
    left, top = room.left + (width - w) // 2, room.top + (height - h) // 2
    return Rect(left, top, left + w, top + h)


def _count(people: Rect, unit: int) -> int:
    return max(1, min(MOST_SHOWN, int((people.bottom - people.top) / (PERSON * unit))))
