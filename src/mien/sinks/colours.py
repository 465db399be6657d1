"""One colour for each facial expression, in every picture, window and page."""

from __future__ import annotations

from collections.abc import Iterable

Colour = tuple[int, int, int]

EXPRESSIONS: dict[str, Colour] = {
    "neutral": (211, 218, 225),
    "happiness": (245, 201, 44),
    "surprise": (69, 189, 242),
    "sadness": (18, 58, 140),
    "anger": (207, 69, 32),
    "disgust": (47, 143, 107),
    "fear": (168, 100, 168),
    "contempt": (51, 38, 43),
}
"""RGB. Any two lie at least 24 apart in CIELAB for red-, green- and blue-blind eyes, too.

Simulated with the matrices of Machado, Oliveira and Fernandes, "A Physiologically-based Model for
Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, at full severity.
"""

OTHERS: tuple[Colour, ...] = ((122, 92, 46), (0, 95, 115), (230, 140, 170), (120, 120, 120))


def expression_colours(labels: Iterable[str]) -> dict[str, Colour]:
    """A colour for every label; labels that only another model knows get those of `OTHERS`."""
    colours: dict[str, Colour] = {}
    for label in labels:
        strange = sum(name not in EXPRESSIONS for name in colours)
        colours[label] = EXPRESSIONS.get(label, OTHERS[strange % len(OTHERS)])
    return colours
