"""Following people through a clip: the same steps as for pictures, and one steady answer each."""

import threading

import numpy as np
import pytest
from clips import Actor, Bar, between, evenly, frames, line, still, write_clip

from mien import Analyzer, VideoConfig
from mien.detect import YuNet
from mien.interfaces import Frame
from mien.pipeline.video import FRAMES_AHEAD, GROUP, Follower

SIZE = (480, 270)
CROSSING = (
    Actor(line((90, 130, 70), (390, 130, 70), 1.0), mirror=True, gain=(1.0, 0.9, 0.8)),
    Actor(line((390, 140, 90), (90, 140, 90), 1.0)),
)


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer(model="mien-s-int8", threads=1)


def clip(scene=CROSSING, seconds=1.0, fps=15, size=SIZE):
    """Frames of a scene as a source gives them."""
    times = evenly(seconds, fps)
    pictures = frames(scene, times, size=size)
    return [
        Frame(source="clip", index=k, time_s=time_s, image=image)
        for k, (time_s, (image, _)) in enumerate(zip(times, pictures, strict=True))
    ]


def follow(analyzer, given, *, live=False, keep_images=True, **settings):
    follower = Follower(analyzer, VideoConfig(**settings), live=live)
    return list(follower.run(given, keep_images=keep_images))


def answers(face):
    return face.age, face.gender, face.emotion


def test_everybody_keeps_a_number_and_gets_raw_and_smoothed_answers(analyzer):
    found = follow(analyzer, clip())
    assert [frame.index for frame, _ in found] == list(range(15))
    assert [result.time_s for _, result in found] == evenly(1.0, 15)
    ids = {face.track_id for _, result in found for face in result.faces}
    assert len(ids) == 2
    for _, result in found:
        for face in result.faces:
            assert face.smoothed is not None
            assert None not in answers(face)
            assert None not in (face.smoothed.age, face.smoothed.gender, face.smoothed.emotion)
    # The first frame of a person is all there is to say about them.
    for face in found[0][1].faces:
        assert face.smoothed.age.years == pytest.approx(face.age.years, abs=1e-6)


def test_raw_answers_are_those_for_the_frame_alone(analyzer):
    given = clip()[:3]
    for frame, result in follow(analyzer, given, detect_every=1):
        [alone] = analyzer.analyze(frame.image)
        # The tracker steadies a box with where the flow has led: by less than a pixel or two.
        same = frame.index == 0
        for face, other in zip(result.faces, alone.faces, strict=True):
            assert face.box == pytest.approx(other.box, abs=0 if same else 2)
            assert face.emotion.best == other.emotion.best
            assert face.age.years == pytest.approx(other.age.years, abs=0.01 if same else 4)


def test_smoothing_takes_the_jumps_out_of_the_age(analyzer):
    scene = [Actor(line((120, 130, 60), (360, 140, 80), 2.0))]
    faces = [result.faces[0] for _, result in follow(analyzer, clip(scene, 2.0))]
    raw = np.array([face.age.years for face in faces])
    smoothed = np.array([face.smoothed.age.years for face in faces])
    assert np.abs(np.diff(smoothed)).mean() < 0.5 * np.abs(np.diff(raw)).mean()
    assert smoothed[-1] == pytest.approx(raw.mean(), abs=1.0)


def test_live_and_file_answer_alike(analyzer):
    given = clip()
    file, live = follow(analyzer, given), follow(analyzer, given, live=True)
    for (_, a), (_, b) in zip(file, live, strict=True):
        assert [face.track_id for face in a.faces] == [face.track_id for face in b.faces]
        for one, other in zip(a.faces, b.faces, strict=True):
            assert one.smoothed.age.years == pytest.approx(other.smoothed.age.years, abs=1e-3)


def test_symmetric_smoothing_changes_the_smoothed_answers_alone(analyzer):
    given = clip(seconds=2.0)
    given[20] = Frame(source="clip", index=20, time_s=given[20].time_s, error="damaged")
    plain, symmetric = follow(analyzer, given), follow(analyzer, given, symmetric=True)
    assert [frame.index for frame, _ in symmetric] == list(range(30))
    for (_, a), (_, b) in zip(plain, symmetric, strict=True):
        assert a.error == b.error
        for one, other in zip(a.faces, b.faces, strict=True):
            assert (one.track_id, *answers(one)) == (other.track_id, *answers(other))
    first, last = (found[k][1].faces[0].smoothed for found, k in ((symmetric, 0), (plain, -1)))
    # The age at the start has seen a second of the future.
    assert first.age.years != plain[0][1].faces[0].smoothed.age.years
    assert abs(first.age.years - last.age.years) < 2


def test_people_who_left_are_forgotten(analyzer):
    scene = [Actor(between(still(240, 130, 90), k, k + 0.3)) for k in range(4)]
    follower = Follower(analyzer, VideoConfig(lost_s=0.2))
    found = list(follower.run(clip(scene, 4.0)))
    assert len({face.track_id for _, result in found for face in result.faces}) == 4
    assert len(follower._seen_s) <= 1
    assert len(follower._known) <= 1


def test_a_broken_frame_is_handed_on_and_nobody_is_lost(analyzer):
    given = clip([Actor(still(240, 130, 90))])
    given[6] = Frame(source="clip", index=6, time_s=given[6].time_s, error="damaged")
    found = follow(analyzer, given)
    assert [result.error for _, result in found if result.error] == ["damaged"]
    assert {face.track_id for _, result in found for face in result.faces} == {
        found[0][1].faces[0].track_id
    }
    assert sum(len(result.faces) for _, result in found) == 14


def test_frames_without_faces_are_not_searched_on(analyzer, monkeypatch):
    looks = []
    search = YuNet._search_on
    monkeypatch.setattr(
        YuNet, "_search_on", lambda *given: looks.append(1) or search(*given), raising=True
    )
    empty = clip([], seconds=0.6)
    follow(analyzer, empty)
    assert not looks
    follow(analyzer, empty[:2], every_s=0.5)
    assert looks


def test_who_becomes_too_small_keeps_the_last_steady_answer(analyzer):
    scene = [Actor(line((240, 130, 60), (240, 130, 20), 1.5))]
    found = [face for _, result in follow(analyzer, clip(scene, 1.5)) for face in result.faces]
    small = [face for face in found if face.skipped]
    assert small
    before = next(face for face in reversed(found) if not face.skipped)
    assert all(face.age is None and face.smoothed == before.smoothed for face in small)


def test_only_the_largest_face(tmp_path):
    largest = Analyzer(model="mien-s-int8", threads=1, faces="largest")
    given = clip([Actor(still(100, 130, 60)), Actor(still(350, 140, 100))], 0.4)
    for _, result in follow(largest, given):
        [face] = result.faces
        assert face.box.left > 240


def test_pixels_are_kept_only_when_they_are_wanted(analyzer):
    given = clip(seconds=0.4)
    assert all(frame.image is None for frame, _ in follow(analyzer, given, keep_images=False))
    assert all(frame.image is not None for frame, _ in follow(analyzer, given))


def test_few_frames_are_under_way_and_stopping_early_ends_all_threads(analyzer):
    read = []

    def source():
        for frame in clip(seconds=3.0):
            read.append(frame.index)
            yield frame

    stream = Follower(analyzer, VideoConfig()).run(source())
    for _ in range(3):
        next(stream)
    stream.close()
    assert len(read) <= 2 * GROUP + FRAMES_AHEAD + 3
    assert not [t for t in threading.enumerate() if t.name.startswith("mien-ahead")]


def test_a_clip_through_the_front_door(analyzer, tmp_path):
    pytest.importorskip("av", reason="reading video needs the extra [video]")
    path = tmp_path / "clip.mp4"
    truth = write_clip(path, [Actor(still(240, 130, 90)), Bar(lambda _: None)], evenly(0.5, 30))
    found = analyzer.analyze(path, video=VideoConfig(every_s=0.1))
    assert [result.source for result in found] == [str(path)] * 5
    assert [result.index for result in found] == [0, 3, 6, 9, 12]
    assert [result.time_s for result in found] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    for result in found:
        [face] = result.faces
        assert face.box.left == pytest.approx(truth[0][0][0], abs=10)
        assert face.box.bottom == pytest.approx(truth[0][0][3], abs=14)


def test_photos_and_clips_in_one_call(analyzer, tmp_path, photo_path):
    pytest.importorskip("av", reason="reading video needs the extra [video]")
    path = tmp_path / "clip.mp4"
    write_clip(path, [Actor(still(240, 130, 90))], evenly(0.2, 30), size=SIZE)
    found = analyzer.analyze([photo_path, path])
    assert [result.time_s is None for result in found] == [True] + [False] * 6
    assert found[0].faces[0].smoothed is None
