"""The same photo in two splits is found however it was saved, and other faces are not."""

import csv

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.align import AlignSpec
from mien.datasets import FerPlus, Record
from mien.training import duplicates as module
from mien.training.duplicates import (
    Duplicate,
    find_duplicates,
    fine_correlation,
    hash_bits,
    write_duplicates,
)
from mien.training.packing import FINDERS, cut_face

SIZE = 128
ALIGN = AlignSpec(size=112, border=1 / 14)


def texture(seed, size=SIZE):
    """A smooth random picture with fine structure, grey, ``(size, size, 1)``."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.normal(size=(8, 8)), (size, size), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(rng.normal(size=(size, size)), (0, 0), 2.0)
    image = 128 + 30 * coarse + 150 * fine
    return image.clip(0, 255).astype(np.uint8)[..., None]


def search(chips, splits, usable=None, **options):
    usable = np.ones(len(splits), bool) if usable is None else np.array(usable)
    return find_duplicates(np.stack(chips), splits, usable, **options)


def saved_again(chip):
    """Other brightness, contrast and compression, and two pixels further."""
    image = np.roll(chip[..., 0], 2, axis=1).astype(float) * 0.8 + 20
    _, data = cv2.imencode(".jpg", image.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 40])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)[..., None]


# --- one chip, two chips ----------------------------------------------------------------------


def test_hash_by_hand():
    # One cosine along the columns and a grey level: of the 64 coefficients two are not zero, both
    # above the median, which is zero but for rounding of the others.
    x = np.arange(32)
    wave = 128 + 100 * np.cos(np.pi * (2 * x + 1) * 3 / 64)
    bits = hash_bits(np.repeat(np.rint(wave)[None], 32, axis=0).astype(np.uint8)[..., None])
    assert bits.shape == (64,)
    grid = bits.reshape(8, 8)
    assert grid[0, 0]
    assert grid[0, 3]
    inverted = hash_bits(np.repeat(np.rint(256 - wave)[None], 32, 0).astype(np.uint8)[..., None])
    assert inverted.reshape(8, 8)[0, 0]
    assert not inverted.reshape(8, 8)[0, 3]


def test_half_of_the_bits_are_set():
    assert hash_bits(texture(1)).sum() == 32


def test_a_coloured_chip_has_the_hash_of_its_luma():
    assert (hash_bits(np.repeat(texture(1), 3, axis=2)) == hash_bits(texture(1))).all()


def test_a_chip_is_like_itself():
    assert fine_correlation(texture(1), texture(1)) == pytest.approx(1.0, abs=1e-5)


def test_brightness_and_compression_change_little():
    assert fine_correlation(texture(1), saved_again(texture(1))) > 0.85


def test_other_pictures_are_not_alike():
    assert fine_correlation(texture(1), texture(2)) < 0.3


def test_a_negative_is_not_alike():
    assert fine_correlation(texture(1), 255 - texture(1)) < 0.3


def test_flat_chips_have_no_structure_to_compare():
    flat = np.full((SIZE, SIZE, 1), 90, np.uint8)
    assert fine_correlation(flat, flat) == 0.0
    assert fine_correlation(flat, texture(1)) == 0.0


@pytest.mark.parametrize("size", [24, 32, 48, 64, 200])
def test_any_size_of_chips(size):
    chips = [texture(1, size), texture(2, size), texture(1, size)]
    found = search(chips, ["train", "train", "test"])
    assert [(pair.kept, pair.copy) for pair in found] == [(2, 0)]


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_likeness_is_a_correlation(one, other):
    rng = np.random.default_rng([one, other])
    a, b = rng.integers(0, 256, (2, 40, 40, 1), np.uint8)
    assert -1.0 <= fine_correlation(a, b) <= 1.0 + 1e-5


# --- many -------------------------------------------------------------------------------------


def test_copies_are_found_among_others():
    chips = [texture(seed) for seed in range(30)] + [saved_again(texture(4)), texture(7)]
    splits = ["train"] * 20 + ["val"] * 10 + ["test", "val"]
    found = search(chips, splits, threads=2)
    assert [(pair.kept, pair.copy) for pair in found] == [(30, 4), (31, 7)]
    assert found[1].distance == 0
    assert found[1].correlation == pytest.approx(1.0, abs=1e-5)
    assert 0 <= found[0].distance <= 10
    assert 0.7 <= found[0].correlation < 1


def test_copies_within_one_split_are_nobodys_business():
    assert search([texture(1), texture(1)], ["train", "train"]) == []
    assert search([texture(1), texture(1)], ["test", "test"]) == []


@pytest.mark.parametrize(
    ("splits", "kept"),
    [(("train", "val"), 1), (("val", "train"), 0), (("test", "val"), 0), (("train", "test"), 1)],
)
def test_the_copy_that_tests_is_kept(splits, kept):
    [pair] = search([texture(1), texture(1)], list(splits))
    assert (pair.kept, pair.copy) == (kept, 1 - kept)


def test_three_copies_in_three_splits_are_three_pairs():
    found = search([texture(1)] * 3, ["train", "val", "test"])
    assert [(pair.kept, pair.copy) for pair in found] == [(1, 0), (2, 0), (2, 1)]
    assert {pair.copy for pair in found} == {0, 1}  # what --drop-duplicates leaves out


def test_faces_that_are_not_used_do_not_count():
    assert search([texture(1)] * 2, ["train", "test"], [True, False]) == []


def test_empty_chips_are_no_copies_of_each_other():
    assert search([np.zeros((SIZE, SIZE, 1), np.uint8)] * 2, ["train", "test"]) == []


def test_equal_hashes_alone_are_not_enough(monkeypatch):
    monkeypatch.setattr(module, "hash_bits", lambda chip: np.arange(64) < 32)
    assert search([texture(1), texture(2)], ["train", "test"]) == []
    assert len(search([texture(1), texture(1)], ["train", "test"])) == 1


@pytest.mark.parametrize(("differing", "found"), [(0, 1), (4, 1), (10, 1), (12, 0)])
def test_the_distance_is_a_limit(monkeypatch, differing, found):
    hashes = iter([np.arange(64) < 32, np.arange(64) < 32])
    flipped = np.zeros(64, bool)
    flipped[:differing] = True
    monkeypatch.setattr(
        module, "hash_bits", lambda chip: next(hashes) ^ (flipped if chip[0, 0, 0] else False)
    )
    one, other = texture(1), texture(1)
    one[0, 0], other[0, 0] = 0, 1
    pairs = search([one, other], ["train", "test"])
    assert len(pairs) == found
    assert [pair.distance for pair in pairs] == [differing] * found


def test_blocks_do_not_change_what_is_found(monkeypatch):
    chips = [texture(seed % 6) for seed in range(18)]
    splits = ["train"] * 9 + ["val"] * 4 + ["test"] * 5
    whole = search(chips, splits)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 40)
    seen = []
    assert search(chips, splits, progress=lambda *done: seen.append(done)) == whole
    assert len(whole) > 10
    assert len(seen) == 5  # nine queries, two a block of 40 pairs with 18 chips
    assert seen[-1] == (18, 18)


def test_no_chips_at_all():
    empty = np.zeros((0, 8, 8, 1), np.uint8)
    assert find_duplicates(empty, [], np.zeros(0, bool)) == []


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Test/fer0032326", "Train/fer0000077", True),
        ("Test/fer0032420", "Train/fer0000257", True),
        ("Test/fer0032326", "Train/fer0000257", False),
    ],
)
def test_known_leaks_of_fer2013(shared_data, one, other, alike):
    # One test file copies a training file; another is a training photo cut in another way, which
    # only alignment makes equal.
    data = FerPlus(shared_data)
    find = FINDERS["crop"]()
    chips = [
        cut_face(data, Record(name=f"ferplus/FER2013{name}.png", split=""), find, ALIGN, 1)[1]
        for name in (one, other)
    ]
    assert len(search(chips, ["test", "train"])) == alike


@pytest.mark.parametrize(("size", "least"), [(128, 0.7), (64, 0.7), (54, 0.75), (16, 0.75)])
def test_small_chips_must_be_more_alike(monkeypatch, size, least):
    chips = [texture(1, size)] * 2
    monkeypatch.setattr(module, "fine_correlation", lambda one, other: least - 0.001)
    assert search(chips, ["train", "test"]) == []
    monkeypatch.setattr(module, "fine_correlation", lambda one, other: least)
    assert len(search(chips, ["train", "test"])) == 1


# --- the table --------------------------------------------------------------------------------


def test_the_table(tmp_path):
    records = [
        Record(name="a, b.png", split="test", gender="male"),
        Record(name="c", split="train", gender="male"),
        Record(name="d", split="val", gender="female"),
        Record(name="e", split="val"),
    ]
    pairs = [Duplicate(0, 1, 2, 0.98765), Duplicate(0, 2, 10, 0.7), Duplicate(0, 3, 0, 1.0)]
    write_duplicates(tmp_path, pairs, records)
    with (tmp_path / "duplicates.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["name_a", "split_a", "name_b", "split_b", "distance", "correlation", "labels_agree"],
            ["a, b.png", "test", "c", "train", "2", "0.988", "yes"],
            ["a, b.png", "test", "d", "val", "10", "0.700", "no"],
            ["a, b.png", "test", "e", "val", "0", "1.000", ""],
        ]


def test_no_copies_are_a_table_too(tmp_path):
    write_duplicates(tmp_path, [], [])
    assert (tmp_path / "duplicates.csv").read_text().startswith("name_a,split_a")
