"""The counting itself: a tracker is judged by it, so it must be right."""

import pytest
from clip_truth import Judge, face_box, hidden_shares, iou
from clips import Actor, Bar, background, between, render, still

LEFT, RIGHT = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0)


def score(*frames):
    judge = Judge()
    for truth, answers in frames:
        judge.frame(truth, answers)
    return judge.score


def test_overlap_by_hand():
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0


def test_steady_numbers_are_no_switch():
    got = score(*[({0: LEFT, 1: RIGHT}, {7: LEFT, 9: RIGHT})] * 3)
    assert (got.switches, got.numbers) == (0, {0: [7], 1: [9]})
    assert (got.visible, got.found, got.strangers) == (6, 6, 0)


def test_exchanged_numbers_are_two_switches():
    got = score(
        ({0: LEFT, 1: RIGHT}, {7: LEFT, 9: RIGHT}), ({0: LEFT, 1: RIGHT}, {9: LEFT, 7: RIGHT})
    )
    assert got.switches == 2


def test_a_new_number_after_an_absence_is_a_switch():
    got = score(({0: LEFT}, {7: LEFT}), ({}, {}), ({0: LEFT}, {8: LEFT}))
    assert (got.switches, got.numbers) == (1, {0: [7, 8]})


def test_a_number_that_wanders_to_somebody_else_is_a_switch_for_them():
    got = score(({0: LEFT, 1: RIGHT}, {7: LEFT, 9: RIGHT}), ({0: LEFT, 1: RIGHT}, {7: RIGHT}))
    assert got.switches == 1
    assert (got.visible, got.found) == (4, 3)


def test_a_box_between_two_people_is_left_to_the_one_who_had_it():
    one, other, between_them = (0, 0, 10, 10), (2, 0, 12, 10), (2, 0, 12, 10)
    got = score(({0: one, 1: RIGHT}, {7: one, 9: RIGHT}), ({0: one, 1: other}, {7: between_them}))
    assert got.switches == 0


def test_missing_and_extra_answers_are_counted():
    got = score(({0: LEFT, 1: RIGHT}, {7: (0, 0, 10, 8), 3: (200, 0, 210, 10)}))
    assert (got.visible, got.found, got.strangers) == (2, 1, 1)
    assert got.share_above(0.7) == 0.5
    assert got.share_above(0.9) == 0


def test_whoever_need_not_be_found_still_keeps_the_number():
    judge = Judge()
    judge.frame({0: LEFT}, {7: LEFT}, clear=[])
    judge.frame({0: LEFT}, {8: LEFT}, clear=[0])
    assert (judge.score.visible, judge.score.switches) == (1, 1)


def test_what_hides_a_face():
    size = (200, 100)
    scene = [
        Actor(still(50, 50, 40)),
        Actor(still(60, 50, 40)),  # in front of the first, 10 px to the right
        Bar(lambda _: (70, 0, 90, 100)),
        Actor(still(200, 50, 40)),  # half outside
        Actor(between(still(20, 50, 40), 1.0, 2.0)),
    ]
    hidden = hidden_shares(scene, 0.0, size)
    assert hidden[:3] == pytest.approx([0.75, 0.25, 0.5], abs=0.03)
    assert hidden[3] is None
    assert hidden_shares(scene, 1.5, size)[3] == 0


def test_the_face_stands_where_it_is_drawn():
    actor = Actor(still(100.25, 60.5, 40))
    _, boxes = render([actor], 0.0, background((200, 120)))
    assert face_box(actor, 0.0) == pytest.approx(boxes[0])
