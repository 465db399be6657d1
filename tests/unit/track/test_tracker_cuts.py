import cv2
import numpy as np
import pytest
from clips import Actor, background, evenly, frames, line, still

from mien.results import Box
from mien.track.cuts import CutFinder

SIZE = (640, 360)


def found(images, faces=()):
    """Numbers of the frames that begin a scene."""
    finder = CutFinder()
    return [k for k, image in enumerate(images) if finder.is_cut(image, faces)]


def scene(seed):
    return background(SIZE, seed)


def moved(image, x, y):
    matrix = np.array([[1.0, 0, x], [0, 1.0, y]])
    return cv2.warpAffine(image, matrix, SIZE, borderMode=cv2.BORDER_REFLECT_101)


def brighter(image, gain, lift):
    return np.clip(image.astype(float) * gain + lift, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [7, 1, 2, 5])
def test_another_scene(seed):
    assert found([scene(0)] * 3 + [scene(seed)] * 3) == [3]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("width", [60, 100])
def test_the_same_people_in_the_same_place_do_not_hide_a_cut(width, number):
    actors = [Actor(still(150 + 300 * k, 180, width)) for k in range(number)]
    shots = list(frames(actors, evenly(0.2, 20), cut_s=0.1))
    boxes = [Box(*box) for box in shots[0][1]]
    assert found([image for image, _ in shots], boxes) == [2]


def test_no_cut_at_the_first_frame():
    assert found([scene(0)]) == []


@pytest.mark.parametrize("step", [4, 20, 45])
def test_a_pan_is_no_cut(step):
    wide = cv2.resize(scene(0), (1920, 1080))
    images = [wide[200:560, step * k : step * k + 640] for k in range(20)]
    assert found(images) == []


def test_a_shaking_camera_is_no_cut():
    shifts = np.random.default_rng(0).uniform(-30, 30, (20, 2))
    assert found([moved(scene(0), *shift) for shift in shifts]) == []


def test_somebody_who_runs_through_the_picture_is_no_cut():
    runner = [Actor(line((-120, 180, 260), (760, 180, 260), 0.5))]
    finder = CutFinder()
    cuts, boxes = [], []
    for image, truth in frames(runner, evenly(0.5)):
        cuts.append(finder.is_cut(image, boxes))
        boxes = [Box(*box) for box in truth]
    assert not any(cuts)


@pytest.mark.parametrize(("gain", "lift"), [(1.5, 60), (2.5, 100), (1.0, 200), (0.3, 0), (0.6, 90)])
def test_a_flash_is_no_cut(gain, lift):
    flash = brighter(scene(0), gain, lift)
    assert found([scene(0), scene(0), flash, brighter(scene(0), 1.2, 30), scene(0)]) == []


def test_fading_to_another_picture_is_no_cut():
    images = [
        cv2.addWeighted(scene(0), 1 - share, scene(7), share, 0) for share in np.linspace(0, 1, 25)
    ]
    assert found(images) == []


def test_a_scene_after_black_is_compared_with_the_one_before():
    black = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    assert found([scene(0), black, black, scene(0)]) == []
    assert found([scene(0), black, black, scene(7)]) == [3]


def test_long_bright_scenes_are_scenes():
    # More white than a flash may have, but it stays: the cut is found, a few frames late.
    bright = scene(7)
    bright[:, :400] = 255
    [late] = found([scene(0)] * 3 + [bright] * 8)
    assert 3 <= late <= 6


def test_noise_in_the_dark_is_no_cut():
    rng = np.random.default_rng(0)
    dark = scene(0) // 20
    images = [
        np.clip(dark + rng.normal(0, 4, dark.shape), 0, 255).astype(np.uint8) for _ in range(6)
    ]
    assert found(images) == []
