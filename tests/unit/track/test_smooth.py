"""What the frames of one person say together: constant things, changing things, memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mien.attributes.age import median_age
from mien.config import VideoConfig
from mien.results import Quality
from mien.track.smooth import Smoother
from mien.track.weight import frame_weight

AGES = np.arange(101)
CALM = np.array([0.93, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
SMILE = np.array([0.01, 0.93, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])


def aged(years, spread=6.0):
    p = np.exp(-0.5 * ((AGES - years) / spread) ** 2)
    return p / p.sum()


def smooth(head, times, frames, weights=None, **settings):
    """All answers of one head, shape ``(n, k)``."""
    smoother = Smoother(VideoConfig(**settings))
    weights = np.ones(len(times)) if weights is None else weights
    return np.array(
        [
            smoother.update(1, t, {head: p}, w)[head]
            for t, p, w in zip(times, frames, weights, strict=True)
        ]
    )


def noisy(p, count, amount, seed=0):
    """Frames of a constant expression with noise on the logits."""
    logits = np.log(p) + np.random.default_rng(seed).normal(0, amount, (count, len(p)))
    frames = np.exp(logits)
    return frames / frames.sum(axis=1, keepdims=True)


def unrest(frames):
    """Mean total variation from one frame to the next."""
    return 0.5 * np.abs(np.diff(frames, axis=0)).sum(axis=1).mean()


def confidence(p, first, second):
    """Probability `p` for `first`, most of the rest for `second`."""
    frame = np.full(8, 0.3 * (1 - p) / 6)
    frame[first], frame[second] = p, 0.7 * (1 - p)
    return frame


def distributions(classes):
    return arrays.arrays(
        np.float64, st.tuples(st.integers(1, 12), st.just(classes)), elements=st.floats(1e-6, 1)
    ).map(lambda a: a / a.sum(axis=1, keepdims=True))


# --- what any answer is -----------------------------------------------------------------------


@given(distributions(8), st.sampled_from(["age", "gender", "emotion"]), st.data())
def test_answers_are_distributions(frames, head, data):
    gaps = data.draw(st.lists(st.floats(0, 5), min_size=len(frames), max_size=len(frames)))
    weights = data.draw(st.lists(st.floats(0, 1), min_size=len(frames), max_size=len(frames)))
    answers = smooth(head, np.cumsum(gaps), frames, weights)
    assert (answers >= 0).all()
    assert answers.sum(axis=1) == pytest.approx(1)
    # Nothing that no frame says.
    assert (answers <= frames.max(axis=0) + 1e-9).all()
    assert (answers >= frames.min(axis=0) - 1e-9).all()


@pytest.mark.parametrize("head", ["age", "gender", "emotion"])
def test_a_constant_stays_as_it_is(head):
    frames = np.tile(CALM, (200, 1))
    weights = np.random.default_rng(1).uniform(0.001, 1, 200)
    assert smooth(head, np.arange(200) / 30, frames, weights) == pytest.approx(frames)


@pytest.mark.parametrize("head", ["age", "emotion"])
def test_the_first_frame_is_handed_on_and_not_shared(head):
    smoother, first = Smoother(VideoConfig()), CALM.copy()
    answer = smoother.update(1, 0.0, {head: first}, 0.3)[head]
    assert answer == pytest.approx(CALM)
    answer[:] = 0
    first[:] = 0
    assert smoother.update(1, 0.1, {head: CALM}, 0.3)[head] == pytest.approx(CALM)


def test_people_do_not_mix():
    smoother = Smoother(VideoConfig())
    for k in range(20):
        one = smoother.update(1, k / 30, {"age": aged(20), "emotion": CALM}, 1.0)
        two = smoother.update(2, k / 30, {"age": aged(70), "emotion": SMILE}, 1.0)
    assert one["age"] == pytest.approx(aged(20))
    assert one["emotion"] == pytest.approx(CALM)
    assert two["age"] == pytest.approx(aged(70))
    assert two["emotion"] == pytest.approx(SMILE)


def test_heads_that_are_missing_are_left_out():
    smoother = Smoother(VideoConfig())
    assert smoother.update(1, 0.0, {}, 1.0) == {}
    assert set(smoother.update(1, 0.1, {"gender": np.array([0.2, 0.8])}, 1.0)) == {"gender"}


# --- age and gender ---------------------------------------------------------------------------


def test_the_age_settles_without_bias():
    years = 40 + np.random.default_rng(2).normal(0, 4, 300)
    frames = np.array([aged(y) for y in years])
    pooled = smooth("age", np.arange(300) / 30, frames)
    answers, raw = median_age(pooled), median_age(frames)
    assert pooled[-1] @ AGES == pytest.approx((frames @ AGES).mean())
    assert answers[-1] == pytest.approx(raw.mean(), abs=0.05)
    assert np.abs(np.diff(answers[30:])).mean() < 0.02 * np.abs(np.diff(raw)).mean()


def test_the_interval_does_not_close_because_frames_repeat():
    answer = smooth("age", np.arange(1000) / 30, np.tile(aged(40), (1000, 1)))[-1]
    spread = np.sqrt(answer @ AGES**2 - (answer @ AGES) ** 2)
    assert spread == pytest.approx(6, abs=0.1)


def test_one_blurred_frame_moves_nothing():
    sharp = Quality(size_px=90, sharpness=120, yaw_deg=5, pitch_deg=5, roll_deg=0)
    blurred = Quality(size_px=90, sharpness=8, yaw_deg=5, pitch_deg=5, roll_deg=0)
    frames = np.array([aged(35)] * 15 + [aged(60)] + [aged(35)] * 15)
    weights = [frame_weight(blurred if k == 15 else sharp, 0.94) for k in range(31)]
    answers = median_age(smooth("age", np.arange(31) / 30, frames, weights))
    assert np.abs(np.diff(answers)).max() < 0.1
    assert np.abs(answers - answers[0]).max() < 0.1


def test_a_good_frame_outweighs_a_bad_beginning():
    answers = median_age(smooth("age", [0, 0.1], [aged(70), aged(30)], [0.001, 0.7]))
    assert answers[0] == pytest.approx(70, abs=0.1)
    assert answers[1] == pytest.approx(30, abs=0.2)


def test_a_clip_of_bad_frames_is_answered_as_a_good_one():
    frames = np.array([aged(y) for y in (30, 34, 38, 42)])
    good = smooth("age", range(4), frames, [0.8] * 4)
    assert smooth("age", range(4), frames, [0.002] * 4) == pytest.approx(good)


def test_no_single_frame_vetoes_an_age():
    certain = np.zeros(101)
    certain[20] = 1
    answer = smooth("age", range(4), [aged(40)] * 3 + [certain])[-1]
    assert answer[35:46].sum() > 0.4


# --- expression: onset ------------------------------------------------------------------------


def crossing_s(times, answers, label):
    """When `label` has won for good."""
    losing = np.flatnonzero(answers.argmax(axis=1) != label)
    return times[losing[-1] + 1]


@pytest.mark.parametrize("fps", [15, 24, 25, 29.97, 30, 60, 120])
@pytest.mark.parametrize("sure", [0.99, 0.9, 0.8])
def test_a_confident_change_wins_within_150_ms(fps, sure):
    times = np.arange(round(4 * fps)) / fps
    start = round(2 * fps)
    frames = np.where(
        np.arange(len(times))[:, None] < start, confidence(sure, 0, 1), confidence(sure, 1, 0)
    )
    delay_s = crossing_s(times, smooth("emotion", times, frames), 1) - times[start]
    assert 0 <= delay_s <= 0.15


def test_a_plain_average_would_be_too_late():
    times = np.arange(120) / 30
    frames = np.where(np.arange(120)[:, None] < 60, CALM, SMILE)
    plain, answers = CALM, []
    for frame in frames:
        plain = plain + (frame - plain) * (1 - np.exp(-1 / 30 / 0.4))
        answers.append(plain)
    assert crossing_s(times, np.array(answers), 1) - times[60] > 0.25


def test_the_time_constant_scales_the_delay():
    times = np.arange(1200) / 300
    frames = np.where(np.arange(1200)[:, None] < 600, CALM, SMILE)
    delays = [
        crossing_s(times, smooth("emotion", times, frames, smoothing_s=tau), 1) - times[600]
        for tau in (0.2, 0.4, 0.8)
    ]
    assert delays[1] == pytest.approx(2 * delays[0], rel=0.15)
    assert delays[2] == pytest.approx(2 * delays[1], rel=0.15)


def test_zero_hands_every_frame_through():
    frames = noisy(CALM, 50, 1.0)
    assert (smooth("emotion", np.arange(50) / 30, frames, smoothing_s=0) == frames).all()


def test_the_new_level_is_reached():
    times = np.arange(120) / 30
    frames = np.where(np.arange(120)[:, None] < 60, CALM, SMILE)
    assert smooth("emotion", times, frames)[60 + 45] == pytest.approx(SMILE, abs=0.01)


# --- expression: noise ------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("sure", [0.5, 0.7, 0.9])
def test_jitter_is_reduced_as_by_a_plain_average(sure, amount):
    frames = noisy(confidence(sure, 3, 0), 900, amount)
    answers = smooth("emotion", np.arange(900) / 30, frames)[30:]
    plain = 1 - np.exp(-1 / 30 / 0.4)  # this share of every change reaches a plain average
    assert unrest(answers) < 1.2 * plain * unrest(frames)
    assert answers.mean(axis=0) == pytest.approx(frames.mean(axis=0), abs=0.01)


@pytest.mark.parametrize("glitch", [1, 2])
def test_a_glitch_of_two_frames_does_not_win(glitch):
    frames = np.tile(CALM, (90, 1))
    frames[45 : 45 + glitch] = SMILE
    assert (smooth("emotion", np.arange(90) / 30, frames).argmax(axis=1) == 0).all()


def blurred_from(start, end):
    """A smile on blurred frames only, and their weights."""
    blurred = (np.arange(90) >= start) & (np.arange(90) < end)
    return np.where(blurred[:, None], SMILE, CALM), np.where(blurred, 0.005, 0.7)


@pytest.mark.parametrize(("count", "most"), [(1, 0.01), (3, 0.04), (6, 0.3)])
def test_a_moment_of_blur_does_not_change_the_expression(count, most):
    frames, weights = blurred_from(40, 40 + count)
    answers = smooth("emotion", np.arange(90) / 30, frames, weights)
    assert np.abs(answers - CALM).max() < most


def test_a_face_that_stays_blurred_is_believed_within_half_a_second():
    times = np.arange(90) / 30
    frames, weights = blurred_from(40, 90)
    assert crossing_s(times, smooth("emotion", times, frames, weights), 1) - times[40] < 0.5


def test_the_rate_hardly_matters():
    """The same noise-free ramp seen at three rates, one of them irregular."""
    rng = np.random.default_rng(4)
    levels = []
    for times in (
        np.arange(0, 3, 1 / 30),
        np.arange(0, 3, 1 / 60),
        np.sort(rng.uniform(0, 3, 120)),
    ):
        share = np.clip(times - 1, 0, 1)[:, None]
        answers = smooth("emotion", times, (1 - share) * CALM + share * SMILE)
        levels.append(np.interp([0.9, 1.5, 2.0, 2.9], times, answers[:, 1]))
    assert levels[1] == pytest.approx(levels[0], abs=0.03)
    assert levels[2] == pytest.approx(levels[0], abs=0.05)


def test_after_a_gap_the_present_counts():
    times = [*np.arange(30) / 30, 3.0, 3.033]
    frames = [*[CALM] * 30, SMILE, SMILE]
    answers = smooth("emotion", times, frames)
    assert answers[30].argmax() == 1
    assert answers[31] == pytest.approx(SMILE, abs=0.05)


def test_a_clock_that_is_set_back_is_survived():
    times = [0.0, 0.1, 0.1, 0.05, 0.2]
    answers = smooth("emotion", times, [CALM, CALM, SMILE, SMILE, SMILE])
    assert np.isfinite(answers).all()
    assert answers.sum(axis=1) == pytest.approx(1)


# --- memory -----------------------------------------------------------------------------------


def test_who_is_forgotten_begins_anew():
    smoother = Smoother(VideoConfig())
    for track_id in (1, 2):
        smoother.update(track_id, 0.0, {"age": aged(20)}, 1.0)
    smoother.forget(keep=[2])
    anew = smoother.update(1, 0.1, {"age": aged(60)}, 1.0)["age"]
    kept = smoother.update(2, 0.1, {"age": aged(60)}, 1.0)["age"]
    assert median_age(anew[None])[0] == pytest.approx(60, abs=0.1)
    assert median_age(kept[None])[0] == pytest.approx(40, abs=0.1)


def test_memory_does_not_grow_with_the_clip():
    smoother = Smoother(VideoConfig())
    answer = {"age": aged(30), "gender": np.array([0.5, 0.5]), "emotion": CALM}

    def people(first, count):
        for track_id in range(first, first + count):
            for k in range(5):
                smoother.update(track_id, track_id + k / 30, answer, 1.0)
            smoother.forget(keep=[track_id])

    people(0, 20)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        people(20, 300)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 10_000  # one person takes about 3 kB
