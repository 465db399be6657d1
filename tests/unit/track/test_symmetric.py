"""Smoothing forwards and backwards: no delay, bounded look-ahead, everything comes back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.config import VideoConfig
from mien.track.smooth import Smoother
from mien.track.symmetric import Observation, SymmetricSmoother

CALM = np.array([0.93, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
SMILE = np.array([0.01, 0.93, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])


def smooth(head, times, frames, weights=None, **settings):
    smoother = SymmetricSmoother(VideoConfig(**settings))
    weights = np.ones(len(times)) if weights is None else weights
    ready = []
    for k, (t, p, w) in enumerate(zip(times, frames, weights, strict=True)):
        ready += smoother.push(k, t, [Observation(1, {head: p}, w)])
    ready += smoother.flush()
    assert [k for k, _ in ready] == list(range(len(times)))
    return np.array([answer[head] for _, [answer] in ready])


def causal(times, frames):
    smoother = Smoother(VideoConfig())
    return np.array(
        [
            smoother.update(1, t, {"emotion": p}, 1.0)["emotion"]
            for t, p in zip(times, frames, strict=True)
        ]
    )


def noisy(p, count, amount, seed=0):
    logits = np.log(p) + np.random.default_rng(seed).normal(0, amount, (count, len(p)))
    frames = np.exp(logits)
    return frames / frames.sum(axis=1, keepdims=True)


def unrest(frames):
    return 0.5 * np.abs(np.diff(frames, axis=0)).sum(axis=1).mean()


# --- expression -------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [15, 29.97, 60])
@pytest.mark.parametrize("confidence", [0.95, 0.7, 0.5])
def test_a_change_wins_within_one_frame(fps, confidence):
    rest = (1 - confidence) / 7
    before, after = np.full(8, rest), np.full(8, rest)
    before[0] = after[1] = confidence
    times = np.arange(round(6 * fps)) / fps
    start = round(3.05 * fps)
    frames = np.where(np.arange(len(times))[:, None] < start, before, after)
    wins = np.flatnonzero(smooth("emotion", times, frames).argmax(axis=1) == 1)
    assert abs(wins[0] - start) <= 1
    assert len(wins) == len(times) - wins[0]


def test_a_change_stays_in_its_place_when_one_side_is_blurred():
    times = np.arange(180) / 30
    frames = np.where(np.arange(180)[:, None] < 90, CALM, SMILE)
    weights = np.where(np.arange(180) < 90, 0.05, 0.5)
    for shares in (weights, weights[::-1]):
        wins = np.flatnonzero(smooth("emotion", times, frames, shares).argmax(axis=1) == 1)
        assert abs(times[wins[0]] - 3.0) < 0.1


def test_forwards_and_backwards_are_the_same():
    """Run backwards, a clip gives the same answers (but for its ends, which see less)."""
    times = np.arange(240) / 30
    frames = np.concatenate([noisy(CALM, 130, 0.7), noisy(SMILE, 110, 0.7, seed=1)])
    there = smooth("emotion", times, frames)
    back = smooth("emotion", times, frames[::-1])[::-1]
    assert there[60:180] == pytest.approx(back[60:180], abs=0.06)


def test_a_short_expression_is_not_washed_out():
    times = np.arange(180) / 30
    frames = np.tile(CALM, (180, 1))
    frames[90:102] = SMILE  # 0.4 s
    wins = np.flatnonzero(smooth("emotion", times, frames).argmax(axis=1) == 1)
    assert wins[0] == pytest.approx(90, abs=2)
    assert wins[-1] == pytest.approx(101, abs=2)


def test_jitter_is_smaller_than_without_the_future():
    frames = noisy(CALM, 600, 1.0)
    times = np.arange(600) / 30
    assert unrest(smooth("emotion", times, frames)) < 0.8 * unrest(causal(times, frames))


def test_zero_hands_every_frame_through_at_once():
    smoother = SymmetricSmoother(VideoConfig(smoothing_s=0))
    for k, frame in enumerate(noisy(CALM, 20, 1.0)):
        [(item, [answer])] = smoother.push(k, k / 30, [Observation(1, {"emotion": frame}, 0.5)])
        assert item == k
        assert answer["emotion"] == pytest.approx(frame)
    assert smoother.flush() == []


# --- age and gender ---------------------------------------------------------------------------


def test_the_gender_knows_the_future_that_is_held():
    doubt, sure = np.array([0.6, 0.4]), np.array([0.1, 0.9])
    answers = smooth("gender", np.arange(10) / 30, [doubt] + [sure] * 9)
    assert answers == pytest.approx(np.tile(0.1 * doubt + 0.9 * sure, (10, 1)))


# --- the stream -------------------------------------------------------------------------------


def test_frames_wait_for_two_time_constants_and_no_longer_than_needed():
    smoother = SymmetricSmoother(VideoConfig(smoothing_s=0.4))
    most = 0
    released = []
    for k in range(300):
        time_s = k / 30
        for item, _ in smoother.push(k, time_s, [Observation(1, {"emotion": CALM}, 1.0)]):
            assert time_s - item / 30 >= 0.8 - 1e-9
            released.append(item)
        most = max(most, k + 1 - len(released))
    assert most <= 1.0 * 30 + 1
    released += [item for item, _ in smoother.flush()]
    assert released == list(range(300))


def test_faces_come_and_go():
    smoother = SymmetricSmoother(VideoConfig())
    ready = []
    for k in range(90):
        faces = [Observation(1, {"emotion": CALM}, 1.0)] if k < 40 else []
        if 20 <= k < 70:
            faces.append(Observation(2, {"emotion": SMILE}, 1.0))
        if k == 50:
            smoother.forget(keep=[2])  # its frames are still held
        ready += smoother.push(k, k / 30, faces)
    ready += smoother.flush()
    assert len(ready) == 90
    for k, answers in ready:
        expected = [CALM] * (k < 40) + [SMILE] * (20 <= k < 70)
        assert len(answers) == len(expected)
        for answer, p in zip(answers, expected, strict=True):
            assert answer["emotion"] == pytest.approx(p)


def test_a_face_without_answers_stays_without():
    smoother = SymmetricSmoother(VideoConfig())
    smoother.push("a", 0.0, [Observation(1, {}, 1.0), Observation(2, {"emotion": CALM}, 1.0)])
    [(_, [first, second])] = smoother.flush()
    assert first == {}
    assert second["emotion"] == pytest.approx(CALM)


def test_who_is_forgotten_begins_anew():
    smoother = SymmetricSmoother(VideoConfig(smoothing_s=0))
    sure, other = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    smoother.push(0, 0.0, [Observation(1, {"gender": sure}, 1.0)])
    smoother.forget(keep=[])
    [(_, [answer])] = smoother.push(1, 0.1, [Observation(1, {"gender": other}, 1.0)])
    assert answer["gender"] == pytest.approx(other)


@given(
    st.lists(
        st.tuples(st.floats(-0.1, 0.7), st.sampled_from([(), (1,), (2,), (1, 2)])), max_size=40
    ),
    st.sampled_from([0.0, 0.1, 0.4, 2.0]),
)
def test_every_frame_comes_back_once_in_order_with_distributions(steps, smoothing_s):
    smoother = SymmetricSmoother(VideoConfig(smoothing_s=smoothing_s))
    rng = np.random.default_rng(0)
    time_s, ready = 0.0, []
    for k, (step_s, people) in enumerate(steps):
        time_s += step_s
        faces = [
            Observation(
                who,
                {"age": rng.dirichlet(np.ones(5)), "emotion": rng.dirichlet(np.ones(8))},
                rng.random(),
            )
            for who in people
        ]
        ready += smoother.push((k, people), time_s, faces)
    ready += smoother.flush()
    assert [item for item, _ in ready] == [(k, people) for k, (_, people) in enumerate(steps)]
    for (_, people), answers in ready:
        assert len(answers) == len(people)
        for answer in answers:
            assert set(answer) == {"age", "emotion"}
            for p in answer.values():
                assert p.sum() == pytest.approx(1)
                assert (p >= 0).all()
