"""What the label of a face says, and how big: text only, no pixels."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import MutableMapping
from functools import lru_cache
from typing import TYPE_CHECKING

from mien.results import Distribution, Face, Smoothed

if TYPE_CHECKING:
    from PIL import ImageFont

SEPARATOR = " · "
SMALLEST_PX = 9
"""Smaller type cannot be read, so there is none."""

STEP = 0.78
"""From one size of type to the next smaller one."""


CALM_YEARS = 0.8
CALM_PERCENT = 2.0
"""A number that was shown stays until it is off by more, so that figures do not flicker."""

Shown = MutableMapping[str, int]
"""The numbers that the label of a person shows, by what they say."""


def percent(probability: float) -> str:
    """``"97 %"``; a model is never certain, so what rounds to 100 is ``">99 %"``."""
    return _percent(round(100 * probability))


def _percent(whole: int) -> str:
    return f"{whole}\N{NO-BREAK SPACE}%" if whole < 100 else ">99\N{NO-BREAK SPACE}%"


def answers(face: Face) -> Face | Smoothed | None:
    """What is known about a face, at best from all its frames; ``None`` when it was skipped."""
    if face.smoothed is not None:
        return face.smoothed
    return face if face.skipped is None else None


def face_lines(face: Face, shown: Shown | None = None) -> list[str]:
    """What to say about a face, line by line; empty when nothing was asked.

    Args:
        face: In a clip, the answers of all frames of the person are preferred.
        shown: Numbers that were shown in the frame before; they are brought up to date.
    """
    lines = [] if face.track_id is None else [f"#{face.track_id}"]
    known = answers(face)
    if known is None:
        return [*lines, drawable(face.skipped or "")]
    shown = {} if shown is None else shown
    if known.age is not None:
        age = known.age
        for name, value in (("years", age.years), ("low", age.low), ("high", age.high)):
            shown[name] = steady(value, shown.get(name), CALM_YEARS)
        lines.append(f"age {shown['years']} ({shown['low']}-{shown['high']})")
    lines += [
        _best(answer, shown) for answer in (known.gender, known.emotion) if answer is not None
    ]
    return lines


def _best(answer: Distribution, shown: Shown) -> str:
    name = answer.best
    shown[name] = steady(100 * answer.probability, shown.get(name), CALM_PERCENT)
    return f"{drawable(name)} {_percent(shown[name])}"


def steady(value: float, shown: int | None, slack: float) -> int:
    """`value` in whole numbers, or what was `shown` before while that is off by `slack` at most."""
    return round(value) if shown is None or abs(value - shown) > slack else shown


def drawable(text: str) -> str:
    """Keep to the characters that the font has: accents go, the rest becomes a question mark."""
    plain = unicodedata.normalize("NFKD", text.replace("–", "-").replace("—", "-"))
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" else "?" for c in kept)


@lru_cache(maxsize=64)
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """Pillow's own scalable font.

    Raises:
        OSError: This Pillow was built without FreeType; its wheels are built with it.
    """
    from PIL import ImageFont

    found = ImageFont.load_default(size=size_px)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise OSError(
            "Pillow was built without FreeType. Run: pip install --force-reinstall pillow"
        )
    return found


def oversampling(size_px: int) -> int:
    """How many times larger small type is set before it is shrunk to its size.

    FreeType moves the letters of small type to whole pixels, which makes uneven gaps.
    """
    return max(1, min(4, 64 // size_px))


@lru_cache(maxsize=1024)
def text_width(text: str, size_px: int) -> int:
    """Width of one line in pixels."""
    times = oversampling(size_px)
    return math.ceil(font(times * size_px).getlength(text) / times)


def layouts(lines: list[str], size_px: int, max_width: int) -> list[list[str]]:
    """Ways to break a label into lines, best first: stacked, two lines, one line, wrapped.

    Args:
        lines: As `face_lines` gives them.
        size_px: Size of the type.
        max_width: Widest line in pixels.

    Returns:
        Only those that fit into `max_width`; perhaps none.
    """
    options = [lines, [lines[0], SEPARATOR.join(lines[1:])], [SEPARATOR.join(lines)]]
    if len(lines) == 1:
        options = [lines, textwrap.wrap(lines[0], max(8, (len(lines[0]) + 6) // 2))]
    fitting = [
        option
        for option in options
        if all(text_width(line, size_px) <= max_width for line in option)
    ]
    columns = max_width // text_width("n", size_px)
    if not fitting and columns >= 4:
        wrapped = [part for line in lines for part in textwrap.wrap(line, columns)]
        fitting = [w for w in (wrapped,) if all(text_width(x, size_px) <= max_width for x in w)]
    return fitting
