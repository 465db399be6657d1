"""FER2013 as class folders: no validation part, and two test parts in one."""

from collections import Counter

import pytest

from mien.datasets import EMOTIONS, Fer2013Folders, open_dataset
from mien.errors import ConfigError, InputError
from mien.images import decode

OURS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}
PARTS = {"train": "Training", "test": "PrivateTest"}


@pytest.fixture
def files(picture):
    return {
        f"{folder}/{name}/{prefix}_{code}.jpg": picture(10 * code + 5, 48, "JPEG")
        for folder, prefix in PARTS.items()
        for code, name in enumerate(OURS)
    }


def test_every_layout_gives_the_same_records(lay_out, files):
    files["readme.txt"] = b""
    files["samples/grid.png"] = b""
    files["train/loose.jpg"] = b""
    files["__MACOSX/train/angry/._Training_0.jpg"] = b""
    data = Fer2013Folders(lay_out("fer2013", files), validation=0)
    found = {r.name.removeprefix("fer2013/"): (r.split, r.expression) for r in data.records()}
    assert found == {
        f"{folder}/{name}/{prefix}_{code}.jpg": (folder, OURS[name])
        for folder, prefix in PARTS.items()
        for code, name in enumerate(OURS)
    }
    assert {expression for _, expression in found.values()} == set(EMOTIONS) - {"contempt"}
    assert data.dropped == {"picture outside the class folders": 2}
    for record in data.records():
        code = list(OURS.values()).index(record.expression)
        assert abs(int(decode(data.read(record.name))[0, 0, 0]) - (10 * code + 5)) <= 2


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
def test_a_share_of_train_is_held_out_by_name(lay_out, files):
    files |= {f"train/happy/Training_{number:08d}.jpg": b"" for number in range(2000)}
    path = lay_out("fer2013", files)
    split = {
        r.name.removeprefix("fer2013/"): r.split
        for r in open_dataset("fer2013-folders", path).records()
    }
    count = Counter(split.values())
    assert count["test"] == 7  # nothing of it ever moves
    assert 150 < count["val"] < 250
    assert sum(count.values()) == 2014
    more = Fer2013Folders(path, validation=0.5)
    held_out = {r.name.removeprefix("fer2013/") for r in more.records() if r.split == "val"}
    assert {name for name, part in split.items() if part == "val"} < held_out


@pytest.mark.parametrize("lay_out", ["folder", "folder inside"], indirect=True)
def test_two_names_by_hand(lay_out, files):
    # CRC-32 of "train/sad/a.jpg" is 2 346 893 002, 0.546 of 2**32; of "train/sad/g.jpg" 77 745 002,
    # 0.018. Only the second lies in the first tenth.
    path = lay_out("fer2013", files | {"train/sad/a.jpg": b"", "train/sad/g.jpg": b""})
    split = {r.name: r.split for r in Fer2013Folders(path).records()}
    assert (split["train/sad/a.jpg"], split["train/sad/g.jpg"]) == ("train", "val")


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_our_own_names_are_understood(lay_out, files):
    renamed = {name.replace("/happy/", "/Happiness/"): data for name, data in files.items()}
    data = Fer2013Folders(lay_out("fer2013", renamed), validation=0)
    assert Counter(r.expression for r in data.records())["happiness"] == 2


@pytest.mark.parametrize("lay_out", ["folder", "parts"], indirect=True)
@pytest.mark.parametrize(
    ("gone", "problem"),
    [
        ("test/", "folder test is missing or has no picture"),
        ("train/", "folder train is missing or has no picture"),
        ("train/disgust/", "folder train/disgust is missing or has no picture"),
        ("test/angry/", "folder test/angry is missing or has no picture"),
    ],
)
def test_a_missing_folder_is_named(lay_out, files, gone, problem):
    left = {name: data for name, data in files.items() if not name.startswith(gone)}
    with pytest.raises(InputError, match=problem) as caught:
        Fer2013Folders(lay_out("fer2013", left))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_an_unknown_class_is_named(lay_out, files):
    files["test/hapy/x.jpg"] = b""
    with pytest.raises(
        InputError, match=r"test/hapy is no class of FER2013\. Did you mean 'happy'"
    ):
        Fer2013Folders(lay_out("fer2013", files))


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_contempt_is_no_class_of_this_set(lay_out, files):
    files["train/contempt/x.jpg"] = b""
    with pytest.raises(InputError, match="train/contempt is no class of FER2013"):
        Fer2013Folders(lay_out("fer2013", files))


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan"), "0.1", True, None])
def test_a_wrong_share_is_refused(tmp_path, share):
    with pytest.raises(ConfigError, match=r"validation (must be|is a share)"):
        Fer2013Folders(tmp_path, validation=share)
