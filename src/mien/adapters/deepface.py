"""Results in the shape of ``deepface.analyze``, so that code written for it keeps running."""

from __future__ import annotations

from typing import Any

from mien.errors import UnreadableMediaError
from mien.results import Box, Distribution, Face, FrameResult, Point

EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}
"""deepface's seven words in its order, and ours for each."""

GENDERS = {"Woman": "female", "Man": "male"}
"""deepface's two words in its order, and ours for each."""


def to_deepface(result: FrameResult) -> list[dict[str, Any]]:
    """Turn one result into what ``DeepFace.analyze`` returns for one image.

    The keys of a face, as in deepface 0.0.90 and later:

    - ``age``: whole years; ours are rounded to the nearest.
    - ``gender``: percent for ``Woman`` and ``Man``; ``dominant_gender`` names the larger.
    - ``emotion``: percent for angry, disgust, fear, happy, sad, surprise and neutral;
      ``dominant_emotion`` names the largest. deepface has no word for contempt: it is left out
      and the rest renormalised. An expression that was not among the asked-for ones is 0.
    - ``region``: ``x``, ``y``, ``w``, ``h`` in whole pixels, cut at the border of the image, and
      ``left_eye`` and ``right_eye`` as ``(x, y)``, ``None`` when unknown or outside the image.
      Left and right are the person's own, as everywhere in mien.
    - ``face_confidence``: score of the detector, 0 to 1, two decimals.

    An attribute that is ``None`` is absent, as deepface leaves out the actions nobody asked for.
    ``race`` is never there: mien does not estimate it.

    Args:
        result: One image or frame.

    Returns:
        One mapping a face, in the order of the result; an empty list where deepface raises
        because it found no face.

    Raises:
        UnreadableMediaError: The image could not be read; a `ValueError`, as deepface raises.
    """
    if result.error is not None:
        raise UnreadableMediaError(f"{result.source}: {result.error}")
    return [_face(face, result.width, result.height) for face in result.faces]


def _face(face: Face, width: int, height: int) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if face.age is not None:
        answer["age"] = round(face.age.years)
    for name, given, words in (
        ("gender", face.gender, GENDERS),
        ("emotion", face.emotion, EMOTIONS),
    ):
        percent = None if given is None else _percent(given, words)
        if percent is not None:
            answer[name] = percent
            answer[f"dominant_{name}"] = max(percent, key=lambda word: percent[word])
    answer["region"] = _region(face, width, height)
    answer["face_confidence"] = round(face.score, 2)
    return answer


def _percent(given: Distribution, words: dict[str, str]) -> dict[str, float] | None:
    """Percentages under deepface's words; ``None`` when all probability lies on other labels."""
    ours = dict(zip(given.labels, given.probabilities, strict=True))
    kept = {word: ours.get(label, 0.0) for word, label in words.items()}
    total = sum(kept.values())
    return {word: 100.0 * p / total for word, p in kept.items()} if total > 0 else None


def _region(face: Face, width: int, height: int) -> dict[str, Any]:
    box = Box(*map(round, face.box))
    left, right = min(max(box.left, 0), width), min(max(box.right, 0), width)
    top, bottom = min(max(box.top, 0), height), min(max(box.bottom, 0), height)
    marks = face.landmarks
    return {
        "x": left,
        "y": top,
        "w": right - left,
        "h": bottom - top,
        "left_eye": None if marks is None else _pixel(marks.left_eye, width, height),
        "right_eye": None if marks is None else _pixel(marks.right_eye, width, height),
    }


def _pixel(point: Point, width: int, height: int) -> tuple[int, int] | None:
    x, y = round(point.x), round(point.y)
    return (x, y) if 0 <= x < width and 0 <= y < height else None
