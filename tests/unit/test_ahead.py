"""A step in its own thread: order, bounds, errors, and nothing left behind."""

import threading
import time

import pytest

from mien.pipeline.ahead import ahead


def wait_until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("mien-ahead")]


def test_items_come_in_order_from_another_thread():
    names = []

    def items():
        for k in range(20):
            names.append(threading.current_thread().name)
            yield k

    assert list(ahead(items(), 3)) == list(range(20))
    assert all(name.startswith("mien-ahead") for name in names)
    assert not threads()


def test_no_more_is_made_than_there_is_room_for():
    made = []

    def items():
        for k in range(100):
            made.append(k)
            yield k

    stream = ahead(items(), 4)
    assert next(stream) == 0
    assert wait_until(lambda: len(made) == 5)
    time.sleep(0.05)
    assert len(made) == 5
    stream.close()
    assert not threads()


def test_an_error_comes_in_its_turn():
    def items():
        yield 1
        raise OSError("no more")

    stream = ahead(items(), 5)
    assert next(stream) == 1
    with pytest.raises(OSError, match="no more"):
        next(stream)
    assert not threads()


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closing_early_closes_the_source(taken):
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    stream = ahead(items(), 2)
    for _ in range(taken):
        next(stream)
    stream.close()
    assert closed == ([True] if taken else [])  # a generator that never ran has nothing to close
    assert not threads()


def test_nothing_at_all():
    assert list(ahead([], 2)) == []


def test_steps_may_be_chained_and_closed_in_order():
    stopped = []

    def read():
        try:
            for k in range(1000):
                time.sleep(0.001)
                yield k
        finally:
            stopped.append("read")

    first = ahead(read(), 2)
    second = ahead((k * k for k in first), 2)
    assert [next(second), next(second)] == [0, 1]
    second.close()
    first.close()
    assert stopped == ["read"]
    assert not threads()
