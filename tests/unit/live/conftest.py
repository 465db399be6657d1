"""People in front of a camera, without one: results as the pipeline gives them."""

import numpy as np
import pytest

from mien.interfaces import Frame
from mien.live.session import Shot
from mien.results import Age, Box, Distribution, Face, FrameResult, Smoothed

EMOTIONS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"
)  # fmt: skip


def emotion(**shares):
    rest = (1 - sum(shares.values())) / (len(EMOTIONS) - len(shares))
    return Distribution(EMOTIONS, tuple(shares.get(name, rest) for name in EMOTIONS))


def face(track_id, left=40.0, width=30.0, *, skipped=None, **shares):
    """Somebody; without shares, somebody of whom nothing is known."""
    smoothed = None
    if shares:
        age = Age(
            years=34, low=27, high=41, group="26-59",
            groups=Distribution(("26-59",), (1.0,)), distribution=(),
        )  # fmt: skip
        gender = Distribution(("female", "male"), (0.75, 0.25))
        smoothed = Smoothed(age=age, gender=gender, emotion=emotion(**shares))
    return Face(
        box=Box(left, 20.0, left + width, 20.0 + 1.2 * width),
        score=0.9,
        track_id=track_id,
        smoothed=smoothed,
        skipped=skipped,
    )


def shot(*faces, time_s=0.0, index=0, size=(320, 180), image=None):
    if image is None:
        image = np.full((size[1], size[0], 3), 90, np.uint8)
    height, width = image.shape[:2]
    frame = Frame(source="0", index=index, time_s=time_s, image=image)
    result = FrameResult(
        source="0", index=index, time_s=time_s, width=width, height=height, faces=tuple(faces)
    )
    return Shot(frame, result, read_s=0.0)


@pytest.fixture(scope="session")
def make_face():
    """The function that makes people, see `face`."""
    return face


@pytest.fixture(scope="session")
def make_shot():
    """The function that makes answered frames, see `shot`."""
    return shot
