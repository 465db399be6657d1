import sys

import cv2
import numpy as np
import pytest

from mien.align import POINTS_IN_BOX, landmark_points
from mien.detect import DetectorSettings, Hog, create_detector
from mien.detect.hog import FACE_IN_WINDOW, _margin, _score
from mien.errors import MissingExtraError


@pytest.fixture(scope="module")
def hog():
    pytest.importorskip("dlib", reason="the extra 'dlib' is not installed")
    return Hog(DetectorSettings(min_score=0.5))


def test_without_dlib_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtraError, match=r"hog detector .* pip install 'mien\[dlib\]'"):
        create_detector("hog")


def test_typical_points_lie_on_the_eyes(hog, photo):
    [face] = hog.detect([photo])[0]
    assert face.landmarks is None
    assert landmark_points(face)[:2] == pytest.approx(np.array([[202, 104], [244, 104]]), abs=8)


def test_the_box_is_that_of_the_other_detectors():
    # Where dlib's own square has the eyes, measured: 0.303 and 0.707 across, 0.298 down.
    left, top, right, bottom = FACE_IN_WINDOW
    points = POINTS_IN_BOX * (right - left, bottom - top) + (left, top)
    assert points[:2] == pytest.approx(np.array([[0.303, 0.298], [0.707, 0.298]]), abs=0.005)


@pytest.mark.parametrize("margin", [-1.0, 0.0, 0.7, 2.5])
def test_score_and_margin_belong_together(margin):
    assert _margin(_score(margin)) == pytest.approx(margin)


def test_extreme_scores_have_finite_margins():
    assert _score(0.0) == 0.5
    assert -10 < _margin(0.0) < -1 < 1 < _margin(1.0) < 10


def test_min_score_is_respected(hog, photo):
    assert hog.detect([photo])[0]
    assert Hog(DetectorSettings(min_score=0.999)).detect([photo]) == [[]]


def test_small_faces_are_found_at_twice_the_size(hog, photo):
    # The face is 54 px wide at first, less than the detector's window of 80 px.
    image = np.full((480, 640, 3), 120, np.uint8)
    image[100:400, 150:450] = cv2.resize(photo, (300, 300), interpolation=cv2.INTER_AREA)
    [face] = hog.detect([image])[0]
    assert face.box.width == pytest.approx(54, rel=0.2)


def test_a_portrait_of_4000_px(hog, photo):
    portrait = cv2.resize(photo[10:230, 114:334], (4000, 4000))
    [face] = hog.detect([portrait])[0]
    assert face.box.width == pytest.approx(90 * 4000 / 220, rel=0.2)
