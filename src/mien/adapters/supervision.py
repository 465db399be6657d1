"""Results as `supervision.Detections`, for its annotators, zones, filters and trackers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from mien.errors import MissingExtraError
from mien.results import Face, FrameResult

if TYPE_CHECKING:
    import supervision

T = TypeVar("T")
V = TypeVar("V")
Column: TypeAlias = npt.NDArray[np.generic] | list[Any]


def to_supervision(result: FrameResult) -> supervision.Detections:
    """Turn one result into `supervision.Detections`.

    Every detection has ``class_id`` 0 and the class name ``"face"``, so that annotators choose
    their colours without further settings. What mien answers lies in ``data``, one entry a
    face, so it follows when detections are filtered or merged:

    - ``age_years``, ``age_low``, ``age_high``: ``float32``, NaN when unknown.
    - ``age_group``, ``gender``, ``emotion``: the label, ``None`` when unknown.
    - ``gender_probability``, ``emotion_probability``: ``float32``, NaN when unknown.
    - ``landmarks``: ``float32``, shape ``(n, 5, 2)``, NaN for a face without them.
    - ``skipped``: why a face has no attributes, or ``None``.

    ``tracker_id`` is set when every face has a track. ``metadata`` says which image it was:
    ``source``, ``index``, ``time_s``, ``width``, ``height`` and ``error``.

    Needs ``pip install 'mien[supervision]'``. That asks for supervision 0.30 or later: versions
    0.23 to 0.29 bring ``opencv-python``, which overwrites the files of the headless build that
    mien needs.

    >>> import supervision as sv                                      # doctest: +SKIP
    >>> faces = to_supervision(result)                                # doctest: +SKIP
    >>> adults = faces[faces["age_low"] >= 18]                        # doctest: +SKIP
    >>> sv.BoxAnnotator().annotate(image, adults)                     # doctest: +SKIP

    Args:
        result: One image or frame.

    Returns:
        Boxes as ``float32`` of shape ``(n, 4)`` (left, top, right, bottom), in the order of the
        result. An image without faces, or one that could not be read, gives no detections.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise MissingExtraError("mien.adapters.to_supervision", "supervision") from error

    faces = result.faces
    tracks = [face.track_id for face in faces if face.track_id is not None]
    return supervision.Detections(
        xyxy=np.array([face.box for face in faces], np.float32).reshape(-1, 4),
        confidence=np.array([face.score for face in faces], np.float32),
        class_id=np.zeros(len(faces), int),
        tracker_id=np.array(tracks, int) if faces and len(tracks) == len(faces) else None,
        data=_data(faces),
        metadata={
            name: getattr(result, name)
            for name in ("source", "index", "time_s", "width", "height", "error")
        },
    )


def _data(faces: tuple[Face, ...]) -> dict[str, Column]:
    ages = [face.age for face in faces]
    marks = [face.landmarks or [(np.nan, np.nan)] * 5 for face in faces]
    data: dict[str, Column] = {
        # An empty array without a type would be float64 and refuse to merge with names.
        "class_name": np.array(["face"] * len(faces), dtype=str),
        "age_years": _numbers(_each(ages, lambda age: age.years)),
        "age_low": _numbers(_each(ages, lambda age: age.low)),
        "age_high": _numbers(_each(ages, lambda age: age.high)),
        "age_group": _labels(_each(ages, lambda age: age.group)),
    }
    for name, given in (
        ("gender", [face.gender for face in faces]),
        ("emotion", [face.emotion for face in faces]),
    ):
        data[name] = _labels(_each(given, lambda answer: answer.best))
        data[f"{name}_probability"] = _numbers(_each(given, lambda answer: answer.probability))
    data["landmarks"] = np.array(marks, np.float32).reshape(-1, 5, 2)
    data["skipped"] = _labels(face.skipped for face in faces)
    return data


def _each(things: Iterable[T | None], get: Callable[[T], V]) -> list[V | None]:
    return [None if thing is None else get(thing) for thing in things]


def _numbers(values: Iterable[float | None]) -> npt.NDArray[np.float32]:
    return np.array([np.nan if value is None else value for value in values], np.float32)


def _labels(values: Iterable[str | None]) -> npt.NDArray[np.object_]:
    # Objects, because an array of str would turn None into the word "None".
    return np.array(list(values), dtype=object)
