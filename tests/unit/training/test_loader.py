"""Labels as tensors, packed folders as parts, and batches as a function of the step."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.datasets import Record
from mien.errors import InputError
from mien.images import InputSpec, to_grey
from mien.training.loader import Labels, Mixer, Part, encode_labels, load_part, stream_seed
from mien.training.recipe import DataTable

GREY = InputSpec(size=32, colour="grey", mean=(0.5,), std=(0.25,))
RGB = InputSpec(size=32, colour="RGB", mean=(0.5,) * 3, std=(0.25,) * 3)


def record(split="train", **labels):
    return Record(name="face", split=split, **labels)


# --- labels -----------------------------------------------------------------------------------


def test_every_label_by_hand():
    labels = encode_labels(
        [
            record(votes=(0, 6, 1, 3, 0, 0, 0, 0, 0, 0)),
            record(age_years=116.0, gender="male"),
            record(age_range=(3, 9), gender="female"),
            record(votes=(1,) * 10),
        ]
    )
    assert labels.emotion.shape == (4, 8)
    assert labels.emotion[0].tolist() == pytest.approx([0, 6 / 9, 0, 3 / 9, 0, 0, 0, 0])
    assert not labels.emotion[1:].any()
    assert labels.gender.tolist() == [[0, 0], [0, 1], [1, 0], [0, 0]]
    assert labels.age_years[1] == 100  # the last age means this old or older
    assert [math.isnan(years) for years in labels.age_years] == [True, False, True, True]
    assert torch.nonzero(labels.age_bin).tolist() == [[2, age] for age in range(3, 10)]


def test_labels_are_chosen_and_joined_together():
    labels = encode_labels([record(age_years=float(k), gender="male") for k in range(5)])
    few = labels[torch.tensor([4, 0])]
    assert few.age_years.tolist() == [4, 0]
    both = Labels.cat([few, labels])
    assert both.age_years.tolist() == [4, 0, 0, 1, 2, 3, 4]
    assert both.gender.shape == (7, 2)
    assert both.to(torch.device("cpu")).age_bin.shape == (7, 101)


# --- parts ------------------------------------------------------------------------------------


@pytest.fixture
def mixed(write_chips, tmp_path):
    """Seven colour chips with labels of every kind, and the pixels."""
    records = [
        record(votes=(0, 9, *(0,) * 8)),
        record("val", votes=(0, 9, *(0,) * 8)),
        record(votes=(1,) * 10),  # nobody agrees
        record(gender="male"),
        record(age_range=(3, 9)),
        record(age_years=3.0),
        record(),
    ]
    chips = np.random.default_rng(0).integers(0, 256, (7, 36, 36, 3), np.uint8)
    found = [True, True, True, True, True, False, True]
    write_chips(tmp_path / "mixed", "mixed", records, chips, found=found)
    return DataTable(path=str(tmp_path / "mixed"), per_batch=2), chips


def test_a_part_holds_the_labelled_faces_of_its_split(mixed):
    table, chips = mixed
    part = load_part(table, "train", RGB)
    # Row 1 is another split, 2 and 6 have no label, 5 no face.
    assert (part.chips.numpy() == np.moveaxis(chips[[0, 3, 4]], 3, 1)).all()
    assert part.chips.dtype == torch.uint8
    assert part.chips.is_contiguous()
    assert [r.gender for r in part.records] == [None, "male", None]
    assert part.labels.gender.tolist() == [[0, 0], [0, 1], [0, 0]]
    assert part.name == "mixed"
    assert len(load_part(table, "val", RGB).records) == 1


def test_a_grey_network_gets_luma(mixed):
    table, chips = mixed
    part = load_part(table, "train", GREY)
    assert (part.chips.numpy()[:, 0] == to_grey(chips[[0, 3, 4]])[..., 0]).all()


def test_a_colour_network_gets_grey_chips_three_times(packed_faces):
    table = DataTable(path=str(packed_faces / "faces"), per_batch=2)
    part = load_part(table, "train", RGB)
    assert part.chips.shape == (64, 3, 36, 36)
    assert (part.chips == load_part(table, "train", GREY).chips).all()


def test_chips_of_another_size(mixed):
    with pytest.raises(InputError, match="chips are 32 px, the recipe wants 48 px"):
        load_part(mixed[0], "train", replace(GREY, size=48))


def test_an_empty_split(mixed):
    with pytest.raises(InputError, match="the split 'test' is empty"):
        load_part(mixed[0], "test", GREY)


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="not a folder written by `mien prepare`"):
        load_part(DataTable(path=str(tmp_path), per_batch=1), "train", GREY)


# --- batches ----------------------------------------------------------------------------------


def part(size, per_batch):
    records = [record(age_years=1.0)] * size
    chips = torch.zeros(size, 1, 36, 36, dtype=torch.uint8)
    table = DataTable(path="", per_batch=per_batch)
    return Part("p", chips, encode_labels(records), records, table)


@pytest.mark.parametrize(("size", "count"), [(10, 5), (10, 4), (7, 3), (5, 12), (1, 3)])
def test_every_round_takes_every_face_once(size, count):
    mixer = Mixer([part(size, count)], seed=1)
    rows = torch.cat([mixer.rows(step)[0] for step in range(6 * size)])
    assert len(rows) == 6 * size * count
    for start in range(0, len(rows) - size + 1, size):
        assert sorted(rows[start : start + size].tolist()) == list(range(size))


def test_rounds_are_shuffled_anew():
    mixer = Mixer([part(32, 32)], seed=1)
    first, second = mixer.rows(0)[0], mixer.rows(1)[0]
    assert first.tolist() != list(range(32))
    assert first.tolist() != second.tolist()


def test_every_data_set_walks_at_its_own_pace():
    mixer = Mixer([part(6, 2), part(4, 3)], seed=1)
    steps = [mixer.rows(step) for step in range(12)]
    assert {tuple(map(len, rows)) for rows in steps} == {(2, 3)}
    counts = [Counter(int(i) for rows in steps for i in rows[k]) for k in range(2)]
    assert set(counts[0].values()) == {4}  # 12 steps of 2 are four rounds of 6
    assert set(counts[1].values()) == {9}  # 12 steps of 3 are nine rounds of 4


def test_a_batch_depends_on_seed_and_step_alone():
    straight = Mixer([part(10, 4), part(7, 3)], seed=5)
    expected = [[rows.tolist() for rows in straight.rows(step)] for step in range(20)]
    for step in (13, 2, 19, 0):  # in any order, from any start
        fresh = Mixer([part(10, 4), part(7, 3)], seed=5)
        assert [rows.tolist() for rows in fresh.rows(step)] == expected[step]
    other = Mixer([part(10, 4), part(7, 3)], seed=6)
    assert [rows.tolist() for rows in other.rows(0)] != expected[0]


def test_old_rounds_are_forgotten():
    mixer = Mixer([part(4, 4)], seed=1)
    for step in range(50):
        mixer.rows(step)
    assert len(mixer._rounds) <= 3


def test_streams_of_randomness_differ():
    seeds = [stream_seed(7, stream, number) for stream in range(5) for number in range(2000)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
