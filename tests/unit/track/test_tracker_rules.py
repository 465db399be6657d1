"""Rules of the tracker, with detections given by hand on plain noise."""

import numpy as np
import pytest

from mien.align import POINTS_IN_BOX
from mien.config import VideoConfig
from mien.interfaces import Detection
from mien.results import Box, Landmarks, Point
from mien.track import FaceTracker

NOISE = np.random.default_rng(0).integers(0, 255, (120, 200, 3)).astype(np.uint8)


def face(x, y=60, width=30, score=0.9):
    box = Box(x - width / 2, y - 0.6 * width, x + width / 2, y + 0.6 * width)
    points = POINTS_IN_BOX * (box.width, box.height) + box[:2]
    return Detection(box=box, score=score, landmarks=Landmarks(*(Point(*p) for p in points)))


def follow(looks, times, image=NOISE, **settings):
    """What a tracker answers when the detector finds `looks[k]` in frame k, and how often asked."""
    asked = []
    now = [0]

    def detect(_):
        asked.append(now[0])
        return looks[now[0]]

    tracker = FaceTracker(detect, VideoConfig(**settings))
    answers = []
    for k, time_s in enumerate(times):
        now[0] = k
        answers.append([one.track_id for one in tracker.follow(image, time_s)])
    return answers, asked, tracker


def even(n, step=1 / 30):
    return [k * step for k in range(n)]


@pytest.mark.parametrize("score", [0.61, 0.9])
def test_a_face_in_the_first_frame_is_told_in_the_first_frame(score):
    answers, _, _ = follow([[face(50, score=score)]], [0.0])
    assert answers == [[1]]


def test_a_weak_ghost_of_one_frame_gets_no_number():
    looks = [[face(50)], [face(50), face(150, score=0.65)], [face(50)], [face(50)]]
    answers, _, _ = follow(looks, even(4), detect_every=1)
    assert answers == [[1]] * 4


def test_a_weak_newcomer_is_looked_at_again_at_once():
    looks = [[face(50)]] + [[face(50), face(150, score=0.65)]] * 5
    answers, asked, _ = follow(looks, even(6), detect_every=3)
    assert asked[:3] == [0, 3, 4]
    assert answers == [[1]] * 4 + [[1, 2]] * 2


def test_strong_faces_choose_first():
    # The weak face is nearer to where the person was, but the strong one is a face.
    looks = [[face(50)], [face(52, score=0.62), face(56, score=0.93)]]
    tracker = FaceTracker(lambda _: looks.pop(0), VideoConfig(detect_every=1))
    tracker.follow(NOISE, 0.0)
    [answer] = tracker.follow(NOISE, 1 / 30)
    assert answer.detection.score == 0.93


def test_the_detector_rests_while_nothing_moves():
    _, asked, _ = follow([[face(50)]] * 9, even(9), detect_every=4)
    assert asked == [0, 4, 8]


def test_an_empty_scene_is_looked_at_every_nth_frame():
    _, asked, _ = follow([[]] * 9, even(9), detect_every=4)
    assert asked == [0, 4, 8]


def test_large_steps_are_always_looked_at():
    _, asked, _ = follow([[face(50)]] * 5, even(5, 0.5), detect_every=4, every_s=0.5)
    assert asked == [0, 1, 2, 3, 4]


def test_somebody_who_has_just_been_lost_is_searched():
    looks = [[face(50)]] + [[]] * 20
    images = [
        NOISE,
        *np.random.default_rng(1).integers(0, 255, (20, *NOISE.shape)).astype(np.uint8),
    ]
    now = [0]
    asked = []

    def detect(_):
        asked.append(now[0])
        return looks[now[0]]

    tracker = FaceTracker(detect, VideoConfig(detect_every=6))
    for k, image in enumerate(images):
        now[0] = k
        # Other noise where the face was, the same everywhere else: not a new scene.
        mixed = NOISE.copy()
        mixed[40:80, 30:70] = image[40:80, 30:70]
        tracker.follow(mixed, k / 30)
    assert asked[:5] == [0, 1, 2, 3, 4]
    assert asked[5:] == [10, 16]


def test_flow_carries_a_face_that_the_detector_misses():
    looks = [[face(50)]] * 6 + [[]] * 2 + [[face(50)]] * 2
    answers, _, _ = follow(looks, even(10), detect_every=1)
    assert answers == [[1]] * 10


def test_flow_does_not_carry_a_ghost_for_long():
    # Seen once and never again: the pixels have not changed, so the flow would go on for ever.
    answers, _, _ = follow([[face(50)]] + [[]] * 9, even(10), detect_every=1)
    assert answers[0] == [1]
    assert answers[5:] == [[]] * 5


def test_what_is_left_of_a_hidden_face_is_nobody_new():
    # The face slides behind something; at last a sliver of it is seen, too small to be the face.
    slivers = [[face(50, width=60)]] * 4 + [[face(40, width=20)], [], []]
    answers, _, tracker = follow(slivers, even(7), detect_every=1)
    assert all(set(numbers) <= {1} for numbers in answers)
    assert tracker.alive == {1}


def test_a_number_ends_once_and_is_never_given_again():
    # Somebody is there for one frame in eight; after 0.2 s nobody waits for them any more.
    looks = [[face(50)] if k % 8 == 0 else [] for k in range(81)]
    ended, most = [], 0
    tracker = FaceTracker(lambda _: looks[now], VideoConfig(detect_every=1, lost_s=0.2))
    for now in range(81):
        tracker.follow(NOISE, 0.1 * now)
        ended += tracker.ended
        most = max(most, len(tracker.alive))
    assert most == 1
    assert ended == list(range(1, 11))
    assert tracker.alive == {11}


def test_time_that_runs_back_begins_a_new_scene():
    answers, _, tracker = follow([[face(50)]] * 3, [1.0, 1.03, 0.0])
    assert answers == [[1], [1], [2]]
    assert tracker.cut
    assert tracker.ended == (1,)


def test_another_size_begins_a_new_scene():
    tracker = FaceTracker(lambda _: [face(50)], VideoConfig())
    tracker.follow(NOISE, 0.0)
    assert not tracker.cut
    [answer] = tracker.follow(NOISE[:100], 0.03)
    assert tracker.cut
    assert answer.track_id == 2


def test_a_gap_longer_than_patience_ends_everybody():
    answers, _, tracker = follow([[face(50)]] * 2, [0.0, 5.0], lost_s=1.0)
    assert answers == [[1], [2]]
    assert not tracker.cut


def test_rare_frames_do_not_end_anybody():
    answers, _, _ = follow([[face(50)]] * 3, [0.0, 5.0, 10.0], lost_s=1.0, every_s=5.0)
    assert answers == [[1]] * 3


def test_the_same_time_twice_is_no_reason_to_fail():
    answers, _, _ = follow([[face(50)]] * 3, [0.0, 0.0, 0.0], detect_every=1)
    assert answers == [[1]] * 3


def test_a_detector_without_landmarks():
    bare = [Detection(box=face(50).box, score=0.9)]
    tracker = FaceTracker(lambda _: bare, VideoConfig(detect_every=2))
    assert [tracker.follow(NOISE, k / 30)[0].detection.landmarks for k in range(4)] == [None] * 4


@pytest.mark.parametrize(
    "box",
    [Box(-40, -40, -10, -5), Box(90, 50, 90, 50), Box(-30, -30, 400, 300), Box(190, 100, 215, 130)],
)
def test_odd_boxes_do_no_harm(box):
    tracker = FaceTracker(lambda _: [Detection(box=box, score=0.9)], VideoConfig(detect_every=2))
    for k in range(5):
        assert len(tracker.follow(NOISE, k / 30)) <= 1
