"""Identity and place on clips whose truth is known, with the real detector."""

from functools import lru_cache

import numpy as np
import pytest
from clip_scenes import SCENES, SIZE
from clip_truth import Judge, hidden_shares, iou
from clips import Actor, between, evenly, frames, line, still

from mien.align import POINTS_IN_BOX
from mien.config import VideoConfig
from mien.detect import DetectorSettings, YuNet
from mien.track import FaceTracker

FPS = 20.0


@pytest.fixture(scope="module")
def yunet():
    # Without the search of empty frames at finer sizes: a walker behind a bar is not there.
    detector = YuNet(
        DetectorSettings(min_score=YuNet.DEFAULT_MIN_SCORE, threads=1), retry_long_side=0
    )

    @lru_cache(maxsize=2000)
    def look(key, image):
        return detector.detect([image.pixels])[0]

    return look


class Picture:
    """An image that can be a key: equal only to itself."""

    def __init__(self, pixels):
        self.pixels = pixels


@lru_cache(maxsize=len(SCENES))
def pictures(name):
    scene, seconds = SCENES[name]
    times = evenly(seconds, FPS)
    return [(t, Picture(im), b) for t, (im, b) in zip(times, frames(scene, times), strict=True)]


def judged(scene, shots, yunet, config, *, miss=0.0, seed=0):
    """Follow the clip and count; the detector overlooks a share `miss` of the faces."""
    rng = np.random.default_rng(seed)
    current = []

    def detect(_):
        return [face for face in yunet(0, current[0]) if rng.random() >= miss]

    tracker, judge = FaceTracker(detect, config), Judge()
    for time_s, picture, boxes in shots:
        current[:] = [picture]
        answers = tracker.follow(picture.pixels, time_s)
        hidden = hidden_shares(scene, time_s, SIZE)
        truth = {k: b for k, b in enumerate(boxes) if b is not None and hidden[k] < 0.7}
        clear = [k for k in truth if hidden[k] < 0.02]
        judge.frame(truth, {one.track_id: one.detection.box for one in answers}, clear)
        for one in answers:
            for actor in clear:
                if iou(truth[actor], one.detection.box) > 0.7:
                    assert_face_shaped(one.detection, truth[actor])
    return judge.score


def assert_face_shaped(face, truth):
    """The landmarks are within a sixth of the face of where faces have them."""
    width, height = truth[2] - truth[0], truth[3] - truth[1]
    shares = (np.array(face.landmarks) - truth[:2]) / (width, height)
    assert np.abs(shares - POINTS_IN_BOX).max() < 1 / 6


@pytest.mark.parametrize("detect_every", [1, 3, 5])
@pytest.mark.parametrize("name", SCENES)
def test_nobody_changes_the_number(name, detect_every, yunet):
    config = VideoConfig(detect_every=detect_every)
    score = judged(SCENES[name][0], pictures(name), yunet, config)
    assert score.switches == 0
    assert len({number for [number] in score.numbers.values()}) == len(score.numbers)
    assert score.share_above(0.6) >= 0.95


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", ["crossing", "camera pans", "four people"])
def test_a_detector_that_misses_every_fourth_face(name, seed, yunet):
    score = judged(SCENES[name][0], pictures(name), yunet, VideoConfig(), miss=0.25, seed=seed)
    assert score.switches == 0
    # A face that was never seen yet cannot be bridged: the very first look may miss it.
    assert score.share_above(0.6) >= 0.85


def test_flow_leads_as_well_as_the_detector(yunet):
    name = "camera pans"
    looks = []

    def detect(_):
        looks.append(current[0])
        return yunet(0, current[0])

    current = [None]
    tracker = FaceTracker(detect, VideoConfig(detect_every=5))
    errors = []
    for time_s, picture, _ in pictures(name):
        current[0] = picture
        for one in tracker.follow(picture.pixels, time_s):
            if not one.detected:
                near = min(
                    yunet(0, picture),
                    key=lambda f, one=one: abs(f.box.left - one.detection.box.left),
                )
                away = np.subtract(one.detection.landmarks, near.landmarks)
                errors.append(np.abs(away).mean() / near.box.width)
    assert len(looks) <= len(pictures(name)) / 5 + 2
    assert len(errors) > 25
    assert np.quantile(errors, 0.95) < 0.04


def test_who_comes_back_too_late_is_somebody_new(yunet):
    path = still(300, 180, 90)
    scene = [Actor(lambda t: None if 0.3 <= t < 1.1 else path(t))]
    times = evenly(1.4, 15)
    shots = [(t, Picture(im), b) for t, (im, b) in zip(times, frames(scene, times), strict=True)]
    short, long = (judged(scene, shots, yunet, VideoConfig(lost_s=lost_s)) for lost_s in (0.5, 1.0))
    assert short.numbers == {0: [1, 2]}
    assert long.numbers == {0: [1]}


def test_a_cut_gives_new_numbers(yunet):
    scene = [
        Actor(still(200, 180, 90)),
        Actor(between(still(450, 160, 80), 0.0, 0.5), mirror=True),
    ]
    tracker = FaceTracker(lambda image: yunet(0, current[0]), VideoConfig())
    cuts, numbers, ended = [], [], []
    times = evenly(0.8, 15)
    for time_s, (image, _) in zip(times, frames(scene, times, cut_s=0.5), strict=True):
        current = [Picture(image)]
        numbers.append({one.track_id for one in tracker.follow(image, time_s)})
        cuts.append(tracker.cut)
        ended.append(tracker.ended)
    first = next(k for k, t in enumerate(times) if t >= 0.5)
    assert [k for k, is_cut in enumerate(cuts) if is_cut] == [first]
    assert all(n == {1, 2} for n in numbers[:first])
    assert all(n == {3} for n in numbers[first:])
    assert ended[first] == (1, 2)


def test_any_frame_rate(yunet):
    rng = np.random.default_rng(3)
    steps = rng.choice([0.01, 0.03, 0.05, 0.1, 0.25], 40, p=[0.2, 0.3, 0.25, 0.15, 0.1])
    times = np.cumsum(steps)[np.cumsum(steps) < 2.0].tolist()
    scene = [
        Actor(line((130, 170, 90), (330, 180, 90), 2.0)),
        Actor(line((520, 200, 80), (420, 190, 90), 2.0), mirror=True),
    ]
    shots = [(t, Picture(im), b) for t, (im, b) in zip(times, frames(scene, times), strict=True)]
    score = judged(scene, shots, yunet, VideoConfig())
    assert score.switches == 0
    assert score.share_above(0.6) >= 0.95


def test_one_look_every_half_second(yunet):
    scene = [
        Actor(line((150, 170, 90), (250, 180, 90), 3.0)),
        Actor(line((500, 200, 80), (420, 190, 90), 3.0), mirror=True),
    ]
    times = [0.5 * k for k in range(7)]
    shots = [(t, Picture(im), b) for t, (im, b) in zip(times, frames(scene, times), strict=True)]
    score = judged(scene, shots, yunet, VideoConfig(every_s=0.5))
    assert score.switches == 0
    assert score.found == score.visible == 14
