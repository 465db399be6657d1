import subprocess
import sys

import pytest

from mien.detect import DetectorSettings, YuNet, create_detector, detectors
from mien.detect.base import strongest_first
from mien.errors import ConfigError, DeviceError, UnknownModelError
from mien.interfaces import Detection
from mien.results import Box


def test_the_promised_names_are_registered():
    assert {"yunet", "haar", "hog", "mtcnn", "whole"} <= set(detectors)


def test_without_a_score_the_detector_decides():
    assert create_detector("yunet").settings.min_score == YuNet.DEFAULT_MIN_SCORE == 0.6
    assert create_detector("yunet", min_score=0.0).settings.min_score == 0.0


def test_device_and_threads_arrive():
    assert create_detector("whole", threads=3).settings == DetectorSettings(min_score=0, threads=3)
    with pytest.raises(DeviceError, match="tpu"):
        create_detector("yunet", device="tpu")


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownModelError, match=r"Did you mean 'yunet'.*hog, mtcnn, whole"):
        create_detector("yunnet")


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_scores_lie_between_0_and_1(score):
    with pytest.raises(ConfigError, match="min_score must lie between 0 and 1"):
        DetectorSettings(min_score=score)


def test_threads_are_not_negative():
    with pytest.raises(ConfigError, match="threads must be at least 0, got -1"):
        DetectorSettings(min_score=0.5, threads=-1)


def test_strongest_first_keeps_the_order_of_equals():
    faces = [Detection(box=Box(k, 0, k + 1, 1), score=s) for k, s in enumerate([0.5, 0.9, 0.5, 1])]
    assert [face.box.left for face in strongest_first(faces)] == [3, 1, 0, 2]


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, mien.detect;"
        "heavy = {'onnxruntime', 'onnx', 'dlib', 'mtcnn', 'joblib', 'lz4', 'tensorflow', 'torch'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
