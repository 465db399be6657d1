"""Adience: five folds of photo albums, with ages in bins and a few odd ones."""

import itertools

import pytest

from mien.datasets import Adience, open_dataset
from mien.errors import ConfigError, InputError
from mien.images import decode

HEADER = (
    "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang"
    "\tfiducial_yaw_angle\tfiducial_score\n"
)
# fold: user, photo, face, age, gender
FOLDS = {
    0: [
        ("30601258@N03", "10399646885_67c7d20df9_o.jpg", 1, "(25, 32)", "f"),
        ("30601258@N03", "10424815813_e94629b1ec_o.jpg", 2, "(8, 12)", "m"),
    ],
    1: [("114841417@N06", "12059865506_f2f29a1c7d_o.jpg", 12, "(60, 100)", "u")],
    2: [
        ("64504106@N06", "11831304783_cb93e0fe5a_o.jpg", 1740, "35", ""),
        ("64504106@N06", "11837758534_a2fa8e9c9b_o.jpg", 1740, "None", "m"),
        ("64504106@N06", "11837758534_a2fa8e9c9b_o.jpg", 1741, "None", "u"),
        ("64504106@N06", "not_there_o.jpg", 1740, "(0, 2)", "m"),
    ],
    3: [("101515718@N03", "10587826073_6663f5b654_o.jpg", 1281, "(38, 43)", "f")],
    4: [("113445054@N07", "11763777465_11d01c34ce_o.jpg", 1322, "(38, 48)", "m")],
}


def table(rows):
    numbers = "\t0\t414\t1086\t1383\t-115\t30\t17\n"
    return (HEADER + "".join("\t".join(map(str, row)) + numbers for row in rows)).encode()


def image_name(kind, row):
    user, photo, face, *_ = row
    return f"{kind}/{user}/" + {
        "faces": f"coarse_tilt_aligned_face.{face}.{photo}",
        "aligned": f"landmark_aligned_face.{face}.{photo}",
    }.get(kind)


@pytest.fixture
def files(picture):
    """Function: fold files and images of some kinds."""

    def tree(*kinds, folds=FOLDS):
        files = {f"fold_{fold}_data.txt": table(rows) for fold, rows in folds.items()}
        for shift, kind in enumerate(kinds):
            for k, row in enumerate(itertools.chain.from_iterable(folds.values())):
                if "not_there" not in row[1]:
                    files[image_name(kind, row)] = picture(10 * k + shift, 16, "PNG")
        return files

    return tree


@pytest.mark.parametrize("kind", ["faces", "aligned"])
def test_every_layout_gives_the_same_records(lay_out, files, kind):
    data = Adience(lay_out("adience", files(kind)))
    records = list(data.records())
    found = [(r.split, r.age_years, r.age_range, r.gender, r.person) for r in records]
    assert found == [
        ("test", None, (38, 48), "male", "113445054@N07"),
        ("val", None, (38, 43), "female", "101515718@N03"),
        ("train", None, (25, 32), "female", "30601258@N03"),
        ("train", None, (8, 12), "male", "30601258@N03"),
        ("train", None, (60, 100), None, "114841417@N06"),
        ("train", 35.0, None, None, "64504106@N06"),
        ("train", None, None, "male", "64504106@N06"),
    ]
    assert [decode(data.read(r.name))[0, 0, 0] for r in records] == [80, 70, 0, 10, 20, 30, 40]
    assert data.dropped == {"neither age nor gender known": 1, "row without an image": 1}
    assert list(data.records()) == records
    assert data.dropped == {"neither age nor gender known": 1, "row without an image": 1}


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
@pytest.mark.parametrize(("images", "shift"), [("any", 0), ("faces", 0), ("aligned", 1)])
def test_which_of_both_kinds(lay_out, files, images, shift):
    data = open_dataset("adience", lay_out("x", files("faces", "aligned")), {"images": images})
    assert {decode(data.read(r.name))[0, 0, 0] % 10 for r in data.records()} == {shift}


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_other_folds(lay_out, files):
    data = open_dataset("adience", lay_out("x", files("faces")), {"test_fold": 0, "val_fold": 4})
    splits = {}
    for record in data.records():
        splits.setdefault(record.split, set()).add(record.person)
    assert splits["test"] == {"30601258@N03"}
    assert splits["val"] == {"113445054@N07"}
    assert splits["train"] == {"114841417@N06", "64504106@N06", "101515718@N03"}


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
@pytest.mark.parametrize(("test", "val"), [*itertools.permutations(range(5), 2)])
def test_nobody_is_in_two_splits(lay_out, files, test, val):
    # As if somebody had mixed the folds up: every album is in two of them.
    users = "abcde"
    folds = {
        fold: [(users[(fold + k) % 5], f"{fold}_{k}_o.jpg", 1, "(0, 2)", "f") for k in range(2)]
        for fold in range(5)
    }
    data = Adience(lay_out("x", files("faces", folds=folds)), test_fold=test, val_fold=val)
    splits = {}
    for record in data.records():
        splits.setdefault(record.person, set()).add(record.split)
    assert all(len(where) == 1 for where in splits.values())
    assert set(splits) == set(users)
    assert data.dropped["person is in another split"] >= 2
    assert len([r for r in data.records() if r.split == "test"]) == 2  # the test loses nobody


@pytest.mark.parametrize("options", [{"test_fold": 5}, {"val_fold": -1}, {"val_fold": 4}])
def test_wrong_folds(tmp_path, options):
    with pytest.raises(ConfigError, match="must be two of the folds 0 to 4, got"):
        Adience(tmp_path, **options)


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
def test_a_missing_fold_is_named(lay_out, files):
    tree = files("faces")
    del tree["fold_2_data.txt"]
    with pytest.raises(InputError, match=r"fold_2_data\.txt is missing"):
        Adience(lay_out("adience", tree))


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (HEADER.replace("\t", ",").encode(), ".*column 'user_id' is missing"),
        (
            table([("u", "p.jpg", 1, "(0, 2)", "x")]),
            ", row 2: gender must be f, m, u or empty, got 'x'",
        ),
        (table([("u", "p.jpg", 1, "adult", "f")]), ", row 2: expected an age .* got 'adult'"),
        (table([("u", "p.jpg", 1, "(32, 25)", "f")]), ", row 2: expected an age .* got '32-25'"),
        (HEADER.encode() + b"u\tp.jpg\n", ", row 2: expected 12 cells, got 2"),
    ],
)
def test_a_wrong_fold_names_file_and_row(lay_out, files, data, problem):
    tree = files("faces") | {
        "fold_1_data.txt": data,
        "faces/u/coarse_tilt_aligned_face.1.p.jpg": b"",
    }
    with pytest.raises(InputError, match=rf"^fold_1_data\.txt{problem}") as caught:
        list(Adience(lay_out("x", tree)).records())
    assert "\n" not in str(caught.value)
