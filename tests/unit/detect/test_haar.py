import cv2
import numpy as np
import pytest

from mien.align import POINTS_IN_BOX, landmark_points
from mien.detect import DetectorSettings, Haar
from mien.detect.haar import FACE_IN_WINDOW, _score
from mien.errors import ModelError


@pytest.fixture(scope="module")
def haar():
    return Haar(DetectorSettings(min_score=0.5))


def test_typical_points_lie_on_the_eyes(haar, photo):
    [face] = haar.detect([photo])[0]
    assert face.landmarks is None
    # The astronaut's eyes stand 42 px apart.
    assert landmark_points(face)[:2] == pytest.approx(np.array([[202, 104], [244, 104]]), abs=8)


def test_the_box_is_that_of_the_other_detectors():
    # Where the cascade's own window has the eyes, measured: 0.315 and 0.697 across, 0.384 down.
    left, top, right, bottom = FACE_IN_WINDOW
    points = POINTS_IN_BOX * (right - left, bottom - top) + (left, top)
    assert points[:2] == pytest.approx(np.array([[0.315, 0.384], [0.697, 0.384]]), abs=0.005)


def test_score_grows_with_the_weight_of_the_last_stage():
    assert _score(55.0) == pytest.approx(0.5)
    assert _score(53.0) < 0.05 < 0.95 < _score(57.0)


def test_min_score_is_respected(photo):
    assert Haar(DetectorSettings(min_score=0.9)).detect([photo])[0]
    assert Haar(DetectorSettings(min_score=0.999)).detect([photo]) == [[]]


def test_a_tight_48_px_chip(haar, photo):
    chip = cv2.resize(photo[63:174, 174:274], (48, 48), interpolation=cv2.INTER_AREA)
    [face] = haar.detect([chip])[0]
    assert face.box.left < 24 < face.box.right


def test_a_portrait_of_4000_px(haar, photo):
    portrait = cv2.resize(photo[10:230, 114:334], (4000, 4000))
    [face] = haar.detect([portrait])[0]
    assert face.box.width == pytest.approx(90 * 4000 / 220, rel=0.15)


def test_a_missing_cascade_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(ModelError, match=r"alt2\.xml: cannot be read; reinstall opencv"):
        Haar(DetectorSettings(min_score=0.5))
