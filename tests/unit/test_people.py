"""The summary of a person, worked out by hand on a few frames."""

import pytest

from mien.config import EMOTIONS
from mien.people import FrameClock, People, balance
from mien.results import Age, Box, Distribution, Face, FrameResult, Smoothed

BOX = Box(10, 10, 50, 60)


def expression(**shares):
    return Distribution(EMOTIONS, tuple(shares.get(name, 0.0) for name in EMOTIONS))


def age(years):
    ages = tuple(float(year == round(years)) for year in range(101))
    groups = Distribution(("0-25", "26+"), (float(years <= 25), float(years > 25)))
    return Age(
        years=years,
        low=years - 4,
        high=years + 5,
        group=groups.best,
        groups=groups,
        distribution=ages,
    )


def gender(female):
    return Distribution(("female", "male"), (female, 1 - female))


def face(track_id, *, smoothed=None, **answers):
    return Face(box=BOX, score=0.9, track_id=track_id, smoothed=smoothed, **answers)


def frame(time_s, *faces, source="clip.mp4"):
    return FrameResult(source=source, time_s=time_s, width=640, height=360, faces=faces)


def summary(*frames, **options):
    people = People()
    for result in frames:
        people.add(result)
    return people.summary(**options)


# --- how long a frame stands for ---------------------------------------------------------------


def durations(times):
    clock = FrameClock()
    return [*[clock.advance(time_s) for time_s in times][1:], clock.rest()]


def test_a_frame_stands_until_the_next_one():
    assert durations([0.0, 0.04, 0.10, 0.14]) == pytest.approx([0.04, 0.06, 0.04, 0.04])


def test_a_hole_in_the_clip_is_nobodys_screen_time():
    assert durations([0.0, 0.1, 0.2, 9.2, 9.3]) == pytest.approx([0.1, 0.1, 0.5, 0.1, 0.1])


def test_frames_looked_at_every_two_seconds_stand_for_two_seconds():
    assert durations([0, 2, 4, 6]) == [2, 2, 2, 2]


def test_time_that_runs_backwards_counts_nothing():
    assert durations([5.0, 5.1, 0.0, 0.1]) == pytest.approx([0.1, 0.0, 0.1, 0.1])


# --- one person ----------------------------------------------------------------------------------


def test_expressions_are_weighted_with_time():
    happy, sad = face(1, emotion=expression(happiness=1)), face(1, emotion=expression(sadness=1))
    (person,) = summary(frame(0.0, happy), frame(0.3, sad), frame(0.4))
    assert person.emotion["happiness"] == pytest.approx(0.75)
    assert person.emotion["sadness"] == pytest.approx(0.25)
    assert sum(person.emotion.probabilities) == pytest.approx(1)
    assert (person.first_s, person.last_s, person.frames) == (0.0, 0.3, 2)
    assert person.screen_time_s == pytest.approx(0.4)


def test_smoothed_answers_go_before_raw_ones():
    smoothed = Smoothed(age=age(30), gender=gender(0.9), emotion=expression(neutral=1))
    (person,) = summary(
        frame(
            0.0,
            face(
                4, age=age(60), gender=gender(0.1), emotion=expression(anger=1), smoothed=smoothed
            ),
        )
    )
    assert (person.age_years, person.age_low, person.age_high) == (30, 26, 35)
    assert person.age_group == "26+"
    assert person.age_distribution[30] == 1
    assert person.gender["female"] == 0.9
    assert person.emotion["neutral"] == 1


def test_age_and_gender_are_those_of_the_last_answer():
    frames = [
        frame(k / 10, face(1, smoothed=Smoothed(age=age(20 + k), gender=gender(0.6))))
        for k in range(3)
    ]
    (person,) = summary(*frames, frame(0.3, face(1, skipped="face narrower than 24 px")))
    assert person.age_years == 22
    assert person.frames == 4


def test_a_person_without_answers_is_still_seen():
    (person,) = summary(frame(0.0, face(1, skipped="small")), frame(0.1, face(1, skipped="small")))
    assert person.screen_time_s == pytest.approx(0.2)
    assert person.age_years is person.gender is person.emotion is person.balance is None


def test_a_clip_of_one_frame_has_shares():
    (person,) = summary(frame(0.0, face(1, emotion=expression(fear=0.5, anger=0.5))))
    assert person.emotion["fear"] == pytest.approx(0.5)
    assert person.screen_time_s == 0


# --- several -------------------------------------------------------------------------------------


def test_clips_that_come_mixed_stay_apart():
    one, two = [], []
    for k in range(4):
        one.append(frame(k / 10, face(1), source="a.mp4"))
        two.append(frame(k / 5, face(1), face(2), source="b.mp4"))
    people = summary(*[result for pair in zip(one, two, strict=True) for result in pair])
    assert [(p.source, p.track_id) for p in people] == [("a.mp4", 1), ("b.mp4", 1), ("b.mp4", 2)]
    assert [p.screen_time_s for p in people] == pytest.approx([0.4, 0.8, 0.8])


def test_a_damaged_frame_ends_the_one_before():
    broken = FrameResult(source="clip.mp4", time_s=0.1, error="cannot be decoded")
    (person,) = summary(
        frame(0.0, face(1)), broken, frame(0.4, face(1)), frame(0.5), frame(0.6), frame(0.7)
    )
    assert person.screen_time_s == pytest.approx(0.2)


def test_stills_are_counted_but_nobody():
    people = People()
    people.add(FrameResult(source="a.jpg", faces=(face(None), face(None))))
    people.add(frame(0.0, face(None)))
    assert (people.summary(), people.stills) == ([], 3)


# --- balance -------------------------------------------------------------------------------------


def test_balance_by_hand():
    shares = {"happiness": 0.5, "neutral": 0.2, "surprise": 0.1, "anger": 0.15, "contempt": 0.05}
    assert balance(shares) == pytest.approx(0.3)


@pytest.mark.parametrize("name", EMOTIONS)
def test_one_sure_expression_is_minus_one_zero_or_one(name):
    shares = {other: float(other == name) for other in EMOTIONS}
    expected = {"happiness": 1, "neutral": 0, "surprise": 0}.get(name, -1)
    assert balance(shares) == expected


def test_no_balance_without_both_sides():
    assert balance({"happiness": 0.7, "neutral": 0.3}) is None
    assert balance({"sadness": 0.7, "neutral": 0.3}) is None


def test_balance_only_when_asked_for():
    frames = [frame(0.0, face(1, emotion=expression(happiness=0.75, fear=0.25)))]
    assert summary(*frames)[0].balance is None
    assert summary(*frames, with_balance=True)[0].balance == pytest.approx(0.5)
