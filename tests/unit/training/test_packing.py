"""What is checked before a folder is filled."""

import numpy as np
import pytest

from mien.align import AlignSpec
from mien.datasets import Record
from mien.errors import InputError, OutputError, UnreadableMediaError
from mien.training import packing
from mien.training.packing import (
    FOUND,
    MISSED,
    UNREADABLE,
    check_folder,
    count_channels,
    cut_face,
    differences,
    open_store,
)

META = {
    "dataset": "x",
    "total": 3,
    "align": {"size": 16, "template": "five-points-36", "border": 0.0},
    "channels": 1,
}


def test_nothing_is_touched_by_the_check(tmp_path):
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(packing.os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(OutputError, match=r"no permission to write in .*Choose another folder"):
        check_folder(tmp_path / "a" / "b")


def test_a_fresh_store_is_all_to_do(tmp_path):
    store = open_store(tmp_path / "p", META)
    assert store.chips.shape == (3, 16, 16, 1)
    assert store.status.tolist() == [0, 0, 0]


def test_what_was_stored_is_there_again(tmp_path):
    store = open_store(tmp_path / "p", META)
    store.chips[1] = 7
    store.status[1] = FOUND
    store.flush()
    again = open_store(tmp_path / "p", META)
    assert again.status.tolist() == [0, FOUND, 0]
    assert (again.chips[1] == 7).all()


def test_arrays_of_another_shape_are_refused(tmp_path):
    open_store(tmp_path / "p", META)
    np.save(tmp_path / "p" / "status.npy", np.zeros(4, np.uint8))
    with pytest.raises(InputError, match=r"missing or damaged\. Remove the folder"):
        open_store(tmp_path / "p", META)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"total": 4}, ["number of images"]),
        ({"dataset": "y", "channels": 3}, ["data set", "colour"]),
        ({"detector": "crop", "options": {}, "limit": None, "names": "abc"}, []),  # version 1
        ({"detector": "whole"}, ["detector"]),
        ({"options": {"fold": 0}}, ["options"]),
    ],
)
def test_differences(change, words):
    assert differences(META, META | change) == words


def test_a_limit_that_is_known_counts():
    assert differences(META | {"limit": 5}, META | {"limit": None}) == ["limit"]
    assert differences(META | {"limit": None}, META | {"limit": 5}) == ["limit"]


# --- one face ---------------------------------------------------------------------------------

ALIGN = AlignSpec(size=16)


class One:
    """A data set of one image in several states."""

    def __init__(self, data):
        self.data = data

    def read(self, name):
        if isinstance(self.data, Exception):
            raise self.data
        return self.data


@pytest.mark.parametrize("data", [b"no picture", UnreadableMediaError("the archive is damaged")])
def test_what_cannot_be_read(data):
    record = Record(name="x", split="train")
    assert cut_face(One(data), record, lambda image: None, ALIGN, 3) == (UNREADABLE, None)


def test_no_face(photo_path):
    record = Record(name="x", split="train")
    data = One(photo_path.read_bytes())
    assert cut_face(data, record, lambda image: None, ALIGN, 3) == (MISSED, None)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_face(photo_path, channels):
    find = packing.FINDERS["whole"]()
    outcome, chip = cut_face(
        One(photo_path.read_bytes()), Record(name="x", split="train"), find, ALIGN, channels
    )
    assert outcome == FOUND
    assert chip.shape == (16, 16, channels)
    assert chip.std() > 5


def test_unreadable_images_say_nothing_about_colour(photo_path):
    record = Record(name="x", split="train")
    assert count_channels(One(b""), [record] * 3) == 1
    assert count_channels(One(photo_path.read_bytes()), [record]) == 3
