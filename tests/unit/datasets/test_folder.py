"""A user's own class folders, with and without splits."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets import Folder, open_dataset
from mien.datasets.records import SPLITS
from mien.errors import ConfigError, InputError
from mien.images import decode

ONLY_TREES = pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
ONLY_FOLDER = pytest.mark.parametrize("lay_out", ["folder"], indirect=True)


def names(*files):
    return dict.fromkeys(files, b"")


def labels(data):
    """Split and label of every image by file name."""
    return {
        r.name.rpartition("/")[2]: (
            r.split,
            r.expression or r.gender or r.age_years or r.age_range,
        )
        for r in data.records()
    }


@ONLY_TREES
def test_split_folders(lay_out, picture):
    files = {
        "train/happy/1.jpg": picture(10, 16, "JPEG"),
        "Train/Sad/deeper/2.PNG": picture(20, 16, "PNG"),
        "valid/happy/3.webp": picture(30, 16, "WEBP"),
        "dev/sad/4.bmp": picture(40, 16, "BMP"),
        "test/bored/5.tif": picture(50, 16, "TIFF"),
        "train/happy/.ipynb_checkpoints/1.jpg": b"",
        "train/notes.txt": b"",
        "readme.md": b"",
    }
    data = Folder(lay_out("mine", files))
    assert labels(data) == {
        "1.jpg": ("train", "happiness"),
        "2.PNG": ("train", "sadness"),
        "3.webp": ("val", "happiness"),
        "4.bmp": ("val", "sadness"),
        "5.tif": ("test", "bored"),
    }
    greys = {r.name.rpartition("/")[2][0]: decode(data.read(r.name)) for r in data.records()}
    assert {k: grey[0, 0, 0] for k, grey in greys.items()} == {str(k): 10 * k for k in range(1, 6)}
    assert data.dropped == {}


@ONLY_TREES
def test_class_folders_alone_are_split_by_a_hash(lay_out):
    files = names(*(f"{c}/{k}.png" for c in ("happy", "sad") for k in range(500)))
    records = list(Folder(lay_out("mine", files)).records())
    count = Counter(r.split for r in records)
    assert sum(count.values()) == 1000
    assert 60 < count["val"] < 140
    assert 60 < count["test"] < 140
    splits = {r.name.removeprefix("mine/"): r.split for r in records}
    # CRC-32 of "happy/0.png", "happy/3.png" and "happy/4.png", by gzip: 4 057 555 848,
    # 3 061 389 656 and 72 992 072. A last digit of 8 is val.
    assert [splits[f"happy/{k}.png"] for k in (0, 3, 4)] == ["val", "train", "train"]


@ONLY_FOLDER
@pytest.mark.parametrize("around", ["", "data/", "data/faces/"])
def test_folders_around_all_others_do_not_matter(lay_out, around):
    files = names(f"{around}happy/1.png", f"{around}sad/2.png", f"{around}sad/3.png")
    plain = labels(Folder(lay_out("x", files)))
    assert {name: label for name, (_, label) in plain.items()} == {
        "1.png": "happiness",
        "2.png": "sadness",
        "3.png": "sadness",
    }


@ONLY_FOLDER
def test_without_a_val_folder_a_share_of_train_is_taken(lay_out):
    files = names(*(f"train/happy/{k}.png" for k in range(1000)), "test/happy/x.png")
    path = lay_out("x", files)
    count = Counter(r.split for r in Folder(path).records())
    assert count["test"] == 1
    assert 60 < count["val"] < 140
    assert count["train"] == 1000 - count["val"]
    none = open_dataset("folder", path, {"validation": 0})
    assert Counter(r.split for r in none.records()) == {"train": 1000, "test": 1}


@ONLY_FOLDER
def test_with_a_val_folder_train_stays_whole(lay_out):
    files = names(*(f"train/happy/{k}.png" for k in range(200)), "val/happy/x.png")
    assert Counter(r.split for r in Folder(lay_out("x", files)).records()) == {
        "train": 200,
        "val": 1,
    }


@ONLY_FOLDER
def test_renamed_and_left_out_classes(lay_out):
    files = names("train/smile/1.png", "train/1/2.png", "train/junk/3.png", "val/junk/4.png")
    rename = {"smile": "Happy", "1": "thoughtful", "junk": ""}
    data = open_dataset("folder", lay_out("x", files), {"rename": rename, "validation": 0.0})
    assert labels(data) == {"1.png": ("train", "happiness"), "2.png": ("train", "thoughtful")}
    assert data.dropped == {"class 'junk' left out": 2}
    assert labels(data)
    assert data.dropped == {"class 'junk' left out": 2}


@ONLY_FOLDER
def test_genders(lay_out):
    files = names("train/woman/1.png", "train/M/2.png", "val/female/3.png")
    data = Folder(lay_out("x", files), classes="gender")
    assert labels(data) == {
        "1.png": ("train", "female"),
        "2.png": ("train", "male"),
        "3.png": ("val", "female"),
    }


@ONLY_FOLDER
def test_ages(lay_out):
    files = names("train/025/1.png", "train/20-29/2.png", "val/60+/3.png", "val/old/4.png")
    data = Folder(lay_out("x", files), classes="age", rename={"old": "70+"})
    assert labels(data) == {
        "1.png": ("train", 25.0),
        "2.png": ("train", (20, 29)),
        "3.png": ("val", (60, 100)),
        "4.png": ("val", (70, 100)),
    }


# --- people ------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(
    images=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["happy", "sad"]))),
    split=st.sampled_from(["", "train/"]),
)
def test_nobody_is_in_two_splits(tmp_path_factory, images, split):
    root = tmp_path_factory.mktemp("people")
    images = [(50, "happy"), (50, "sad"), *images]
    for number, (person, name) in enumerate(images):
        file = root / f"{split}{name}" / f"p{person:02}_{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    splits = {}
    for record in Folder(root, person=r"^p(\d+)_", validation=0.5).records():
        assert record.split in SPLITS
        splits.setdefault(record.person, set()).add(record.split)
    assert len(splits) == len({person for person, _ in images})
    assert all(len(where) == 1 for where in splits.values())


@ONLY_FOLDER
def test_a_person_in_two_split_folders(lay_out):
    files = names("train/happy/ann_1.png", "test/happy/ann_2.png", "train/happy/bob_1.png")
    data = Folder(lay_out("x", files), person="^(.+)_", validation=0)
    with pytest.raises(InputError, match=r"^train/happy/ann_1\.png: this person is in the split"):
        list(data.records())


@ONLY_FOLDER
def test_a_file_without_a_person_is_named(lay_out):
    data = Folder(lay_out("x", names("happy/ann_1.png", "sad/2.png")), person="^(.+)_")
    with pytest.raises(InputError, match=r"sad/2\.png: the pattern '\^\(\.\+\)_' finds no person"):
        list(data.records())


@pytest.mark.parametrize(
    ("person", "problem"),
    [("(", "'\\(' is no regular expression"), ("^.+_", "needs a group in brackets")],
)
def test_a_wrong_pattern(tmp_path, person, problem):
    with pytest.raises(ConfigError, match=f"^person: .*{problem}"):
        Folder(tmp_path, person=person)


# --- what cannot be read -----------------------------------------------------------------------


@ONLY_TREES
@pytest.mark.parametrize(
    ("files", "options", "problem"),
    [
        (("readme.txt",), {}, "holds no images"),
        (("1.png", "happy/2.png", "sad/3.png"), {}, "1.png lies outside|one class folder only"),
        (("happy/1.png", "happy/more/2.png"), {}, "one class folder only, '(happy|mine)'"),
        (("train/1.png", "train/happy/2.png"), {}, r"train/1\.png lies outside the class folders"),
        (("val/happy/1.png",), {}, "has the folder 'val' but no 'train'"),
        (
            ("train/happy/1.png", "more/happy/2.png"),
            {},
            "folder 'more' lies beside 'train': expected either split folders or class folders",
        ),
        (
            ("happy/1.png", "sad/2.png"),
            {"classes": "gender"},
            "class folder 'happy': expected a gender",
        ),
        (
            ("20/1.png", "young/2.png"),
            {"classes": "age"},
            "class folder 'young': expected an age like 25, 20-29 or 60",
        ),
    ],
)
def test_a_wrong_tree_is_one_line_that_names_the_folder(lay_out, files, options, problem):
    with pytest.raises(InputError, match=problem) as caught:
        Folder(lay_out("mine", names(*files)), **options)
    assert "\n" not in str(caught.value)


@ONLY_FOLDER
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"classes": "emotions"},
            "classes must be one of emotion, gender, age; got 'emotions'. Did",
        ),
        ({"rename": {"hapy": "joy"}}, "no class folder 'hapy'. Did you mean 'happy'. Known: happy"),
        ({"validation": 1}, "validation must be at least 0 and below 1, got 1"),
        ({"rename": {"happy": 1}}, "option 'rename' must be a table of text, got"),
        ({"rename": "joy"}, "option 'rename' must be a table of text, got 'joy'"),
        ({"person": 3}, "option 'person' must be text, got 3"),
        ({"validation": "most"}, "option 'validation' must be a number, got 'most'"),
        ({"klasses": "age"}, "no option 'klasses'. Did you mean 'classes'"),
    ],
)
def test_a_wrong_option(lay_out, options, problem):
    with pytest.raises(ConfigError, match=problem.replace("?", r"\?")):
        open_dataset("folder", lay_out("x", names("happy/1.png", "sad/2.png")), options)
