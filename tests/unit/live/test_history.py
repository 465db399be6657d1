"""Who was there in the last seconds, with which expressions, and who has a place on the panel."""

import numpy as np
import pytest

from mien.live.history import CELL_S, MOST_PEOPLE, SPAN_S, History


def show(history, make_shot, *faces, now_s):
    history.add(make_shot(*faces).result, now_s)


def test_shares_are_means_of_cells(make_face, make_shot):
    history = History()
    for now_s, happy in ((1.01, 0.2), (1.03, 0.6), (1.15, 0.9)):
        show(history, make_shot, make_face(1, happiness=happy), now_s=now_s)
    [(times, shares)] = history.leading(1)[0].runs()
    assert times == pytest.approx([1.05, 1.15])
    assert shares[:, 1] == pytest.approx([0.4, 0.9])
    assert shares.sum(axis=1) == pytest.approx([1, 1])


def test_what_is_too_long_ago_is_gone(make_face, make_shot):
    history = History()
    for step in range(1000):
        show(history, make_shot, make_face(1, happiness=0.5), now_s=step / 20)
    [(times, _)] = history.leading(1)[0].runs()
    assert times[0] >= history.now_s - SPAN_S - CELL_S
    assert len(times) <= SPAN_S / CELL_S + 2
    show(history, make_shot, now_s=history.now_s + SPAN_S + 0.1)
    assert history.leading(3) == []


def test_memory_is_bounded_in_a_crowd(make_face, make_shot):
    history = History()
    for step in range(300):
        crowd = [make_face(10 * step + k, happiness=0.5) for k in range(10)]
        show(history, make_shot, *crowd, now_s=float(step))
    assert len(history._people) == MOST_PEOPLE
    assert {person.track_id // 10 for person in history.leading(3)} == {299}


def test_an_absence_is_a_gap_but_a_blink_is_none(make_face, make_shot):
    history = History()
    away = [(1.0, 1.2), (2.0, 3.0)]
    for step in range(100):
        now_s = step / 20
        is_away = any(first <= now_s < last for first, last in away)
        people = [] if is_away else [make_face(1, happiness=0.5)]
        show(history, make_shot, *people, now_s=now_s)
    runs = history.leading(1)[0].runs()
    assert [round(float(times[0]), 2) for times, _ in runs] == [0.05, 3.05]


def test_few_frames_a_second_make_no_gaps(make_face, make_shot):
    history = History()
    for step in range(8):
        show(history, make_shot, make_face(1, happiness=0.5), now_s=1.5 * step)
    assert len(history.leading(1)[0].runs()) == 1


def test_the_largest_lead_and_keep_their_places(make_face, make_shot):
    history = History()
    show(history, make_shot, *(make_face(k, width=20 + k) for k in (1, 2, 3, 4)), now_s=0)
    assert {p.track_id for p in history.leading(3)} == {2, 3, 4}
    order = [p.track_id for p in history.leading(3)]
    # Number 1 comes a little nearer: nobody loses the place for that.
    show(history, make_shot, *(make_face(k, width=24) for k in (1, 2, 3, 4)), now_s=0.1)
    assert [p.track_id for p in history.leading(3)] == order
    widths = {1: 60, 2: 24, 3: 24, 4: 24}
    show(history, make_shot, *(make_face(k, width=w) for k, w in widths.items()), now_s=0.2)
    now = [p.track_id for p in history.leading(3)]
    assert 1 in now
    kept = [k for k in order if k in now]
    assert now[: len(kept)] == kept


def test_who_left_makes_room_for_who_is_there(make_face, make_shot):
    history = History()
    show(history, make_shot, make_face(1, width=80, happiness=0.5), now_s=0)
    show(history, make_shot, make_face(2, width=20, happiness=0.5), now_s=2)
    assert [p.track_id for p in history.leading(1)] == [2]
    first, second = (p for p in sorted(history.leading(2), key=lambda p: p.track_id))
    assert not history.is_here(first)
    assert history.is_here(second)


def test_faces_without_answers_have_no_band(make_face, make_shot):
    history = History()
    show(history, make_shot, make_face(1, skipped="too small"), now_s=0)
    assert history.leading(1)[0].runs() == []


def test_a_face_that_is_skipped_now_keeps_its_last_answer(make_face, make_shot):
    history = History()
    show(history, make_shot, make_face(1, skipped="blurred", happiness=0.5), now_s=0)
    [(_, shares)] = history.leading(1)[0].runs()
    assert np.allclose(shares[0, 1], 0.5)


def test_asking_for_fewer_does_not_move_the_others(make_face, make_shot):
    history = History()
    orders = set()
    for step in range(6):
        widths = {1: 50, 2: 30 + step % 2, 3: 30 + (step + 1) % 2}
        show(history, make_shot, *(make_face(k, width=w) for k, w in widths.items()), now_s=step)
        assert [p.track_id for p in history.leading(1)] == [1]
        orders.add(tuple(p.track_id for p in history.leading(3)))
    assert len(orders) == 1
