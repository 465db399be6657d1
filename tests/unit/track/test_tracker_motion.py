import cv2
import numpy as np
import pytest
from clips import Actor, background, render, still

from mien.align import POINTS_IN_BOX
from mien.geometry import apply_transform
from mien.interfaces import Detection
from mien.results import Box, Landmarks, Point
from mien.track.motion import follow_face, moved, patch_around, steadied, thumbnail

SIZE = (640, 360)


def face_at(x, y, width):
    box = Box(x - width / 2, y - 0.635 * width, x + width / 2, y + 0.635 * width)
    points = POINTS_IN_BOX * (box.width, box.height) + box[:2]
    return Detection(box=box, score=0.9, landmarks=Landmarks(*(Point(*p) for p in points)))


def shot(x, y, width, blur=0.0):
    actor = Actor(still(x, y, width), blur_px=lambda _: blur)
    return render([actor], 0.0, background(SIZE))[0]


@pytest.mark.parametrize("width", [24, 60, 120, 250])
@pytest.mark.parametrize(
    ("x", "y", "growth"), [(0.0, 0.0, 1.0), (0.1, -0.05, 1.0), (0.25, 0.1, 1.04)]
)
def test_finds_a_known_motion(width, x, y, growth):
    # The shift is given in face widths: small and large faces are followed alike.
    before, face = shot(320, 180, width), face_at(320, 180, width)
    after = shot(320 + x * width, 180 + y * width, growth * width)
    motion = follow_face(patch_around(before, face.box), face, after, (0.0, 0.0))
    truth = face_at(320 + x * width, 180 + y * width, growth * width)
    assert motion.agreement > 0.6
    got = moved(face, motion.matrix)
    assert np.abs(np.subtract(got.box, truth.box)).max() < max(0.5, 0.025 * width)
    assert np.abs(np.subtract(got.landmarks, truth.landmarks)).max() < max(0.5, 0.025 * width)


def test_a_good_guess_lets_it_find_a_far_jump():
    before, after, face = shot(200, 180, 80), shot(320, 180, 80), face_at(200, 180, 80)
    patch = patch_around(before, face.box)
    motion = follow_face(patch, face, after, (118.0, 3.0))
    assert moved(face, motion.matrix).box.left == pytest.approx(280, abs=1)


def test_turned_face():
    before, face = shot(320, 180, 120), face_at(320, 180, 120)
    turn = cv2.getRotationMatrix2D((320, 180), -8, 1.0)
    motion = follow_face(
        patch_around(before, face.box), face, cv2.warpAffine(before, turn, SIZE), (0, 0)
    )
    expected = apply_transform(turn, np.array(face.landmarks))
    assert np.abs(np.array(moved(face, motion.matrix).landmarks) - expected).max() < 1.5


def test_a_plain_wall_has_no_motion():
    wall = np.full((360, 640, 3), 128, np.uint8)
    face = face_at(320, 180, 80)
    assert follow_face(patch_around(wall, face.box), face, wall, (0.0, 0.0)) is None


def test_another_picture_is_noticed():
    before, face = shot(320, 180, 80), face_at(320, 180, 80)
    patch = patch_around(before, face.box)
    other = np.random.default_rng(0).integers(0, 255, before.shape).astype(np.uint8)
    motion = follow_face(patch, face, other, (0.0, 0.0))
    assert motion is None or motion.agreement < 0.6


def test_beyond_the_border():
    before, after, face = shot(20, 180, 80), shot(16, 180, 80), face_at(20, 180, 80)
    motion = follow_face(patch_around(before, face.box), face, after, (0.0, 0.0))
    assert moved(face, motion.matrix).box.left == pytest.approx(-24, abs=1)


def test_an_old_patch_serves_while_the_face_is_in_its_middle():
    image, face = shot(320, 180, 80), face_at(320, 180, 80)
    old = patch_around(image, face.box)
    assert patch_around(image, face_at(324, 178, 81).box, old) is old
    assert patch_around(image, face_at(345, 180, 80).box, old) is not old
    assert patch_around(image, face_at(320, 180, 100).box, old) is not old


def likeness(one, other):
    face = face_at(320, 180, 80)
    first, second = (thumbnail(patch_around(image, face.box), face.box) for image in (one, other))
    return float(first @ second)


def test_a_face_is_like_itself_in_other_light():
    image = shot(320, 180, 80)
    assert likeness(image, (0.5 * image + 20).astype(np.uint8)) > 0.98
    assert likeness(image, shot(320, 180, 80, blur=3.0)) > 0.9


def test_a_hidden_face_is_not():
    image = shot(320, 180, 80)
    hidden = image.copy()
    hidden[:, 320:] = 96
    assert likeness(image, hidden) < 0.8
    assert likeness(image, np.full_like(image, 96)) == 0


def shifted(face, x):
    box = Box(face.box.left + x, face.box.top, face.box.right + x, face.box.bottom)
    points = (Point(p.x + x, p.y) for p in face.landmarks)
    return Detection(box=box, score=0.8, landmarks=Landmarks(*points))


def test_detector_pulls_gently_when_it_agrees():
    led = face_at(320, 180, 100)
    got = steadied(led, shifted(led, 2.0))  # 1 of 2 coordinates, 0.01 of the width
    assert got.box.left - led.box.left == pytest.approx(0.35 * 2.0)
    assert got.landmarks.nose.x - led.landmarks.nose.x == pytest.approx(0.35 * 2.0)
    assert got.score == 0.8


def test_detector_wins_when_it_does_not():
    led = face_at(320, 180, 100)
    seen = shifted(led, 20.0)
    assert np.abs(np.subtract(steadied(led, seen).box, seen.box)).max() < 1e-9


def test_without_landmarks_only_the_box_counts():
    bare = Detection(box=Box(10, 10, 50, 60), score=0.7)
    assert steadied(bare, bare) == bare
    assert steadied(face_at(30, 35, 40), bare) == bare
    assert moved(bare, np.array([[1.0, 0, 3], [0, 1.0, -2]])).box == Box(13, 8, 53, 58)
