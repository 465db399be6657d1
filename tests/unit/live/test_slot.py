"""The queue of one: the newest wins, nobody waits for the slow side, and it ends cleanly."""

import threading
import time

from mien.live.slot import Slot


def test_the_newest_wins_and_every_item_comes_once():
    slot = Slot()
    for number in range(5):
        slot.put(number)
    assert slot.take(0) == 4
    assert slot.take(0) is None
    assert slot.dropped == 4


def test_an_item_may_be_false_or_empty():
    slot = Slot()
    slot.put(0)
    assert slot.wait(0)
    assert slot.take() == 0


def test_taking_waits_for_what_comes():
    slot = Slot()
    timer = threading.Timer(0.05, slot.put, ["late"])
    timer.start()
    assert slot.take(10) == "late"
    timer.join()


def test_taking_gives_up_in_time():
    start = time.monotonic()
    assert Slot().take(0.05) is None
    assert time.monotonic() - start >= 0.05


def test_what_is_there_when_it_closes_is_not_lost():
    slot = Slot()
    slot.put("last")
    slot.close()
    slot.put("too late")
    assert not slot.is_over
    assert list(slot) == ["last"]
    assert slot.is_over
    assert slot.take() is None


def test_closing_wakes_who_waits():
    slot = Slot()
    threading.Timer(0.05, slot.close).start()
    assert slot.take(10) is None
    assert slot.wait(10)


def test_a_slow_taker_gets_growing_numbers_and_never_an_old_one():
    slot = Slot()
    put = [0]

    def produce():
        for number in range(1, 400):
            put[0] = number
            slot.put(number)
            time.sleep(0.0005)
        slot.close()

    maker = threading.Thread(target=produce)
    maker.start()
    taken, ages = [], []
    for number in slot:
        ages.append(put[0] - number)
        taken.append(number)
        time.sleep(0.01)
    maker.join()
    assert taken == sorted(set(taken))
    assert taken[-1] == 399
    assert len(taken) + slot.dropped == 399
    assert slot.dropped > len(taken)
    assert sorted(ages)[len(ages) // 2] <= 1
