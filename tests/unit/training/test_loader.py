"""Packed folders as parts, and which faces make up a batch: a function of the step."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.datasets import Record
from mien.errors import ConfigError, InputError
from mien.images import InputSpec, to_grey
from mien.training import loader
from mien.training.labels import encode_labels
from mien.training.loader import Mixer, Part, check_parts, load_part, stream_seed
from mien.training.tables import DataTable, HeadTable

GREY = InputSpec(size=32, colour="grey", mean=(0.5,), std=(0.25,))
RGB = InputSpec(size=32, colour="RGB", mean=(0.5,) * 3, std=(0.25,) * 3)
HEADS = {"age": HeadTable(), "gender": HeadTable(), "emotion": HeadTable()}


def record(split="train", **labels):
    return Record(name="face", split=split, **labels)


def part_of(records, heads=HEADS, **settings):
    chips = torch.zeros(len(records), 1, 36, 36, dtype=torch.uint8)
    table = DataTable(**{"path": "p", "per_batch": 1, **settings})
    return Part("p", chips, encode_labels(records, heads, table.filter), records, table)


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
    part = load_part(table, "train", RGB, HEADS)
    # Row 1 is another split, 2 and 6 have no label, 5 no face.
    assert (part.chips.numpy() == np.moveaxis(chips[[0, 3, 4]], 3, 1)).all()
    assert part.chips.dtype == torch.uint8
    assert part.chips.is_contiguous()
    assert [r.gender for r in part.records] == [None, "male", None]
    assert part.labels.gender.tolist() == [[0, 0], [0, 1], [0, 0]]
    assert part.name == "mixed"
    assert len(load_part(table, "val", RGB, HEADS).records) == 1


def test_a_grey_network_gets_luma(mixed):
    table, chips = mixed
    part = load_part(table, "train", GREY, HEADS)
    assert (part.chips.numpy()[:, 0] == to_grey(chips[[0, 3, 4]])[..., 0]).all()


def test_a_colour_network_gets_grey_chips_three_times(packed_faces):
    table = DataTable(path=str(packed_faces / "faces"), per_batch=2)
    part = load_part(table, "train", RGB, HEADS)
    assert part.chips.shape == (64, 3, 36, 36)
    assert (part.chips == load_part(table, "train", GREY, HEADS).chips).all()


def test_chips_of_another_size(mixed):
    with pytest.raises(InputError, match="chips are 32 px, the recipe wants 48 px"):
        load_part(mixed[0], "train", replace(GREY, size=48), HEADS)


def test_an_empty_split(mixed):
    with pytest.raises(InputError, match="the split 'test' is empty"):
        load_part(mixed[0], "test", GREY, HEADS)


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="not a folder written by `mien prepare`"):
        load_part(DataTable(path=str(tmp_path), per_batch=1), "train", GREY, HEADS)


def test_faces_that_answer_another_head_alone_are_left_out(mixed):
    table, _ = mixed
    part = load_part(table, "train", GREY, {"gender": HeadTable()})
    assert [r.gender for r in part.records] == ["male"]
    assert part.labels.gender.tolist() == [[0, 1]]
    assert len(part.chips) == 1


def test_every_face_answers_a_head_that_has_a_teacher(mixed):
    table, chips = mixed
    heads = {"gender": HeadTable(objective="distillation")}
    part = load_part(table, "train", RGB, heads)
    # Rows 2 and 6 without a label, too; not 1, of another split, and not 5, without a face.
    assert (part.chips.numpy() == np.moveaxis(chips[[0, 2, 3, 4, 6]], 3, 1)).all()
    assert part.labels.gender.sum() == 1


def test_a_split_without_a_label_for_the_heads(mixed):
    with pytest.raises(InputError, match="no face of the split 'val' has a label for age, gender"):
        load_part(mixed[0], "val", GREY, {"age": HeadTable(), "gender": HeadTable()})


def test_the_filter_of_the_table_is_used(mixed):
    table = replace(mixed[0], filter="shares")
    part = load_part(table, "train", GREY, {"emotion": HeadTable()})
    # Row 2, one vote for everything, says something now: an eighth for each expression.
    assert part.labels.emotion.tolist() == [[0, 1, 0, 0, 0, 0, 0, 0], [0.125] * 8]


# --- data that cannot be learnt -----------------------------------------------------------------


def refused(parts, heads):
    with pytest.raises(ConfigError) as caught:
        check_parts(parts, heads)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_can_be_learnt_passes():
    heads = {
        "age": HeadTable(groups=("0-12", "13+"), objective="cross-entropy"),
        "gender": HeadTable(objective="focal"),
        "emotion": HeadTable(labels=("happiness", "grin"), objective="cross-entropy"),
    }
    parts = [
        part_of([record(age_years=12.4), record(age_range=(10, 19), gender="male")], heads),
        part_of([record(expression="grin"), record(expression="happiness")], heads, mixup=0.2),
        part_of([record(gender="female")], heads),
    ]
    check_parts(parts, heads)  # every class somewhere


def test_a_head_without_labels():
    parts = [part_of([record(gender="male"), record(gender="female")], path="faces")]
    heads = {name: HeadTable(objective="cross-entropy") for name in ("gender", "emotion")}
    expected = "[heads.emotion]: no training face has a label for it in faces"
    assert refused(parts, heads) == expected


def test_a_class_without_a_face():
    heads = {"emotion": HeadTable(labels=("happiness", "grin"), objective="cross-entropy")}
    parts = [part_of([record(expression="happiness")], heads, path=p) for p in ("a", "b")]
    assert refused(parts, heads) == "[heads.emotion]: no training face is labelled 'grin' in a, b"
    heads = {"gender": HeadTable(objective="cross-entropy")}
    parts = [part_of([record(gender="male")])]
    assert refused(parts, heads) == "[heads.gender]: no training face is labelled 'female' in p"


def test_an_age_group_without_a_face():
    heads = {"age": HeadTable(groups=("0-12", "13-59", "60+"), objective="cross-entropy")}
    records = [record(age_years=12.4), record(age_range=(0, 2)), record(age_years=59.5)]
    # 12.4 years are 12, and 59.5 are 60.
    expected = "[heads.age]: no training face is labelled '13-59' in p"
    assert refused([part_of(records, heads)], heads) == expected


def test_a_teacher_labels_every_class():
    heads = {"emotion": HeadTable(objective={"cross-entropy": 1, "distillation": 1})}
    check_parts([part_of([record(expression="happiness")], heads)], heads)


@pytest.mark.parametrize(
    ("labels", "objective", "there"),
    [
        ({"age_range": (0, 9)}, {"l1": 1}, "bins, from which l1 cannot learn"),
        (
            {"age_range": (0, 9)},
            {"label-distribution": 1, "expectation": 1},
            "bins, from which label-distribution, expectation cannot learn",
        ),
        ({"age_years": 3.0}, {"bin-likelihood": 1}, "years, from which bin-likelihood cannot"),
        ({"age_range": (0, 9)}, {"smoothness": 1}, "bins, from which smoothness cannot learn"),
    ],
)
def test_ages_of_a_kind_that_the_objective_cannot_use(labels, objective, there):
    heads = {"age": HeadTable(objective=objective)}
    message = refused([part_of([record(**labels)], heads)], heads)
    assert message.startswith(f"[heads.age]: p has ages as {there}")


@pytest.mark.parametrize(
    ("labels", "objective"),
    [
        ({"age_range": (0, 9)}, {"l1": 1, "bin-likelihood": 1}),
        ({"age_range": (0, 9)}, {"cross-entropy": 1}),
        ({"age_years": 3.0}, {"coral": 1}),
    ],
)
def test_ages_of_a_kind_that_the_objective_can_use(labels, objective):
    heads = {"age": HeadTable(objective=objective)}
    check_parts([part_of([record(**labels)], heads)], heads)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_ages_are_not_blended(kind):
    heads = {"age": HeadTable(objective="l1")}
    parts = [part_of([record(age_years=3.0)], heads, path="ages", **{kind: 0.2})]
    assert refused(parts, heads) == (
        "ages: mixup and cutmix blend class shares; p has ages. Set both to 0."
    )
    heads = {"gender": HeadTable(objective="cross-entropy")}
    both = [record(age_years=3.0, gender=gender) for gender in ("male", "female")]
    check_parts([part_of(both, heads, **{kind: 0.2})], heads)  # no head asks for the ages


# --- batches ----------------------------------------------------------------------------------


def part(size, per_batch):
    return part_of([record(age_years=1.0)] * size, per_batch=per_batch)


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


@pytest.mark.parametrize(("size", "count"), [(10, 3), (7, 4), (3, 8)])
def test_two_processes_share_one_larger_batch(monkeypatch, size, count):
    whole = Mixer([part(size, 2 * count), part(5, 2)], seed=5)
    expected = [[rows.tolist() for rows in whole.rows(step)] for step in range(12)]
    monkeypatch.setattr(loader, "world", lambda: 2)
    shares = []
    for number in range(2):
        monkeypatch.setattr(loader, "rank", lambda number=number: number)
        mixer = Mixer([part(size, count), part(5, 1)], seed=5)
        shares.append([[rows.tolist() for rows in mixer.rows(step)] for step in range(12)])
    joined = [
        [a + b for a, b in zip(first, second, strict=True)]
        for first, second in zip(*shares, strict=True)
    ]
    assert joined == expected


def test_old_rounds_are_forgotten():
    mixer = Mixer([part(4, 4)], seed=1)
    for step in range(50):
        mixer.rows(step)
    assert len(mixer._rounds) <= 3


def test_streams_of_randomness_differ():
    seeds = [stream_seed(7, stream, number) for stream in range(5) for number in range(2000)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
