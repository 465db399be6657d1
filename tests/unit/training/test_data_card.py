"""The data card says what lies in a packed folder, in tables that add up."""

from importlib.util import find_spec

from mien.datasets import Record
from mien.training import data_card as module
from mien.training.data_card import card_text, write_card

META = {
    "dataset": "mixed",
    "align": {"size": 112, "template": "five-points-36", "border": 1 / 14},
    "detector": "crop",
    "options": {},
    "limit": None,
    "total": 6,
    "channels": 3,
    "dropped": {},
    "shared_people": 0,
    "drop_duplicates": False,
    "duplicates": None,
}
RECORDS = [
    Record(name="a", split="train", expression="happiness", gender="female", age_years=31.0),
    Record(name="b", split="train", expression="happiness", gender="male", age_years=4.0),
    Record(name="c", split="test", expression="zest", gender="male", age_years=38.0),
    Record(name="d", split="test", expression="happiness", gender="male"),
    Record(name="e", split="test", gender="male"),
    Record(name="f", split="train", gender="male"),
]
REASONS = ["", "", "", "", "no face found", "unreadable"]
COPIES = {
    "distance": 10,
    "correlation": 0.7,
    "pairs": 1234,
    "splits": {"val, train": 34, "test, train": 1200},
    "touched": {"val": 30, "test": 1000},
    "labels_disagree": 17,
}


def card(records=RECORDS, reasons=REASONS, pictures=(), **changes):
    from mien.datasets.summary import count_labels

    used = [record for record, why in zip(records, reasons, strict=True) if not why]
    return card_text(META | changes, records, reasons, count_labels(used), pictures)


def section(text, title):
    """Lines of one section without empty ones."""
    _, _, rest = text.partition(f"## {title}\n")
    return [line for line in rest.partition("\n## ")[0].splitlines() if line]


def test_images_by_split_add_up():
    assert section(card(), "Images") == [
        "|  | train | test | all |",
        "| --- | ---: | ---: | ---: |",
        "| labelled images | 3 | 3 | 6 |",
        "| no face found, left out | 0 | 1 | 1 |",
        "| unreadable, left out | 1 | 0 | 1 |",
        "| **faces for training and tests** | 2 | 2 | 4 |",
    ]


def test_classes_are_counted_over_the_faces_that_are_used():
    assert section(card(), "Facial expression") == [
        "| expression | train | test | all | share |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| happiness | 2 | 1 | 3 | 75.0 % |",
        "| zest | 0 | 1 | 1 | 25.0 % |",
    ]


def test_ages_by_decade():
    lines = section(card(), "Age")
    assert lines[0] == "Decades of the age in years."
    assert lines[3:] == [
        "| 0–9 | 1 | 0 | 1 | 25.0 % |",
        "| 30–39 | 1 | 1 | 2 | 50.0 % |",
        "| no label | 0 | 1 | 1 | 25.0 % |",
    ]


def test_how_the_chips_were_cut():
    text = card(options={"test_fold": 2}, limit=300, channels=1)
    assert "| Data set | `mixed`, options `test_fold = 2` |" in text
    assert "| Chips | 112 px and a border of 8 px for augmentation |" in text
    assert "| Colour | grey |" in text
    assert "| Alignment | template `five-points-36` |" in text
    assert "| Detector | `crop`: the central face of every image; an image without" in text
    assert "| Limit | a trial: only the first 300 images of every split |" in text
    assert "Limit" not in card()
    assert "| Colour | RGB |" in card()
    assert "| Detector | `whole`: none; every image is taken" in card(detector="whole")


def test_what_the_reader_left_out():
    text = card(dropped={"row without an image": 1200, "age above 116": 3})
    assert "Left out by the reader:\n\n- 3: age above 116\n- 1,200: row without an image" in text
    assert "Left out by the reader" not in card()


def test_a_class_with_a_bar_in_its_name_does_not_break_the_table():
    records = [Record(name="a", split="train", expression="this|that")]
    assert "| this\\|that | 1 | 1 | 100.0 % |" in card(records, [""])


def test_people():
    records = [
        Record(name="a", split="train", person="p"),
        Record(name="b", split="test", person="p"),
        Record(name="c", split="test", person="q"),
    ]
    text = card(records, [""] * 3, shared_people=1)
    assert "People, by the data set's own keys: 2." in text
    assert "**1 person is in more than one split**" in text
    assert "**2 people are in more" in card(records, [""] * 3, shared_people=2)
    assert "more than one split" not in card(records, [""] * 3)


def test_nobody_looked_for_copies():
    assert section(card(), "Leaks between splits") == [
        "Copies of a photo in several splits were not searched."
    ]


def test_no_copies():
    [line] = section(card(duplicates=COPIES | {"pairs": 0, "splits": {}}), "Leaks between splits")
    assert line.startswith("No photo was found in more than one split (")


def test_copies_that_are_still_in():
    line, rule = section(card(duplicates=COPIES), "Leaks between splits")
    assert line == (
        "**1,234 pairs of faces in different splits are the same photo**: 1,200 between test and "
        "train and 34 between val and train; 1,000 test faces and 30 val faces are affected. The "
        "labels of 17 pairs disagree (ages: by more than 5 years). All are still in: `mien prepare "
        "… --drop-duplicates` leaves out the copies and keeps the face in the test split, or else "
        "the one in val."
    )
    assert "at most 10 of 64 bits" in rule
    assert "at least 0.7" in rule
    assert "`duplicates.csv`" in rule


def test_one_pair():
    one = COPIES | {"pairs": 1, "splits": {"test, val": 1}, "touched": {"test": 1}}
    line, _ = section(card(duplicates=one | {"labels_disagree": 1}), "Leaks between splits")
    assert line.startswith(
        "**1 pair of faces in different splits is the same photo**: 1 between test and val; "
        "1 test face is affected. The labels of 1 pair disagree (ages: by more than 5 years)."
    )


def test_copies_that_are_left_out():
    reasons = [*REASONS[:3], "copy of a photo in another split", *REASONS[4:]]
    text = card(
        reasons=reasons,
        duplicates=COPIES | {"labels_disagree": 0},
        drop_duplicates=True,
    )
    assert "| copy of a photo in another split, left out | 0 | 1 | 1 |" in text
    assert (
        "No labels contradict each other. 1 copy is left out; the face in the test split stays"
        in text
    )


# --- files ------------------------------------------------------------------------------------


def test_pictures_lie_beside_the_card_and_are_named_in_it(tmp_path):
    assert write_card(tmp_path, META, RECORDS, REASONS) == ("classes.png", "ages.png")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"card.md", "classes.png", "ages.png"}
    lines = section((tmp_path / "card.md").read_text("utf-8"), "Facial expression")
    assert lines[0] == "![Facial expression by split](classes.png)"
    text = (tmp_path / "card.md").read_text("utf-8")
    assert text.count("](classes.png)") == 1  # gender is in the same picture
    assert text.count("](ages.png)") == 1


def test_a_picture_stands_under_the_first_label_that_is_there(tmp_path):
    records = [Record(name="a", split="train", gender="male", age_range=(0, 2), group="White")]
    assert set(write_card(tmp_path, META, records, [""])) == {
        "classes.png",
        "ages.png",
        "groups.png",
    }
    text = (tmp_path / "card.md").read_text("utf-8")
    assert "## Gender\n\n![Gender by split](classes.png)" in text
    assert "![Age range by split](ages.png)" in text
    assert "![Group by split](groups.png)" in text


def test_pictures_of_an_earlier_run_go(tmp_path):
    (tmp_path / "groups.png").write_bytes(b"old")
    write_card(tmp_path, META, RECORDS, REASONS)
    assert not (tmp_path / "groups.png").exists()


def test_without_the_library_there_are_no_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "find_spec", lambda name: None if name == "matplotlib" else find_spec(name)
    )
    assert write_card(tmp_path, META, RECORDS, REASONS) == ()
    assert [path.name for path in tmp_path.iterdir()] == ["card.md"]
    assert "](" not in (tmp_path / "card.md").read_text("utf-8")


def test_a_folder_without_any_face_has_a_card(tmp_path):
    records = [Record(name="a", split="train", gender="male")]
    assert write_card(tmp_path, META, records, ["no face found"]) == ()
    text = (tmp_path / "card.md").read_text("utf-8")
    assert "| **faces for training and tests** | 0 | 0 |" in text
    assert "## Gender" not in text
