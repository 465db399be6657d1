"""The mirror: pixels and places agree, and mirroring twice changes nothing."""

import cv2
import numpy as np
import pytest

from mien.live.mirror import mirrored
from mien.pipeline import Analyzer


@pytest.fixture(scope="module")
def portrait(photo, tiny_model, make_shot):
    """The photo, tilted by 15 degrees."""
    turn = cv2.getRotationMatrix2D((220, 120), -15, 1)
    tilted = cv2.warpAffine(photo, turn, photo.shape[1::-1])
    [result] = Analyzer(model=str(tiny_model)).analyze(tilted)
    assert result.faces[0].quality.roll_deg == pytest.approx(15, abs=5)
    return make_shot(*result.faces, image=tilted)


def test_twice_is_as_before(portrait):
    frame, result = mirrored(*mirrored(portrait.frame, portrait.result))
    assert np.array_equal(frame.image, portrait.frame.image)
    [face], [before] = result.faces, portrait.result.faces
    assert face.box == pytest.approx(before.box)
    assert np.array(face.landmarks) == pytest.approx(np.array(before.landmarks))
    assert (face.score, face.quality, face.age) == (before.score, before.quality, before.age)


def test_places_are_those_that_the_detector_finds_in_the_mirror(portrait, tiny_model):
    frame, result = mirrored(portrait.frame, portrait.result)
    assert np.array_equal(frame.image, portrait.frame.image[:, ::-1])
    [face] = result.faces
    [found] = Analyzer(model=str(tiny_model)).analyze(frame.image)[0].faces
    assert tuple(face.box) == pytest.approx(tuple(found.box), abs=9)
    for mark, other in zip(face.landmarks, found.landmarks, strict=True):
        assert tuple(mark) == pytest.approx(tuple(other), abs=9)  # a tenth of the face
    assert face.quality.yaw_deg == pytest.approx(found.quality.yaw_deg, abs=8)
    assert face.quality.roll_deg == pytest.approx(found.quality.roll_deg, abs=5)


def test_a_frame_without_pixels_stays_as_it_is(make_shot):
    from mien.interfaces import Frame

    frame, result = Frame(source="0", error="gone"), make_shot().result
    assert mirrored(frame, result) == (frame, result)
