"""What is refused and what is said before a model runs."""

import pytest

from mien.config import EMOTIONS
from mien.errors import InputError
from mien.evaluation.plan import plan, read_copies
from mien.models import HeadSpec

AGE = HeadSpec(decoder="age-distribution", labels=tuple(map(str, range(101))))
GENDER = HeadSpec(decoder="softmax", labels=("female", "male"))


def emotion(*labels):
    return HeadSpec(decoder="emotion", labels=labels)


class Faces:
    """A data set of given records."""

    name = "faces"

    def __init__(self, records, dropped=()):
        self._records = records
        self.dropped = dict(dropped)

    def records(self):
        yield from self._records

    def read(self, name):
        pytest.fail(f"{name} was read before the model runs")


def test_records_of_the_split(record):
    records = [
        record(name="a", split="train", expression="fear"),
        record(name="b", expression="anger"),
        record(name="c", expression="neutral"),
    ]
    found = plan(Faces(records), {"emotion": emotion(*EMOTIONS)})
    assert [r.name for r in found.records] == ["b", "c"]
    assert found.classes == ("neutral", "anger", "fear")  # of all splits
    assert found.split == "test"


def test_classes_that_are_missing_on_one_side_are_named(record):
    records = [
        record(split="train", expression="fear"),
        record(expression="anger"),
        record(expression="smirk"),
        record(expression="smirk"),
        record(expression="neutral"),
    ]
    found = plan(Faces(records), {"emotion": emotion("anger", "fear", "neutral")})
    assert found.notes == (
        "faces test: the model does not know smirk (2 images): these are left out.",
        "faces test: no image is labelled fear.",
    )
    # Without an expression head, nobody asks for expressions.
    records = [record(expression="anger", gender="male")]
    assert plan(Faces(records), {"gender": GENDER}).notes == ()


def test_classes_by_majority(record, votes):
    records = [record(votes=votes(**{name: 10})) for name in (*EMOTIONS[:6], "contempt")]
    found = plan(Faces(records), {"emotion": emotion(*EMOTIONS[:7])})
    assert found.notes == (
        "faces test: the model does not know contempt (1 image): these are left out.",
        "faces test: no image is labelled fear by majority.",
    )


def test_what_the_reader_left_out_is_said(record):
    dropped = {"row without an image": 7, "age above 116": 2}
    found = plan(Faces([record(gender="male")], dropped), {"gender": GENDER})
    assert found.notes == (
        "faces test: 2 entries (all splits) were left out when reading: age above 116.",
        "faces test: 7 entries (all splits) were left out when reading: row without an image.",
    )


def test_copies_in_another_split_are_left_out(record, tmp_path):
    (tmp_path / "duplicates.csv").write_text(
        "name_a,split_a,name_b,split_b,distance,correlation,labels_agree\n"
        "a,test,b,train,2,0.9,1\n"
        "c,test,d,test,2,0.9,1\n"
    )
    copies = read_copies(tmp_path)
    assert copies == {"a", "b"}
    faces = Faces([record(name=name, gender="male") for name in "acd"])
    found = plan(faces, {"gender": GENDER}, copies=copies)
    assert [r.name for r in found.records] == ["c", "d"]
    assert found.where == "faces test, without copies"
    assert found.notes == (
        "faces test, without copies: 1 faces with a copy in another split were left out.",
    )
    assert plan(faces, {"gender": GENDER}).where == "faces test"
    with pytest.raises(InputError, match=r"duplicates\.csv"):
        read_copies(tmp_path / "nowhere")


def test_an_empty_split_names_the_others(record):
    faces = Faces([record(split="train", gender="male"), record(split="val", gender="male")])
    with pytest.raises(InputError, match=r"faces: the split 'test' is empty\. It has: train, val"):
        plan(faces, {"gender": GENDER})
    with pytest.raises(InputError, match="has no labelled image at all"):
        plan(Faces([]), {"gender": GENDER})


def test_an_unknown_split(record):
    with pytest.raises(InputError, match=r"no split is called 'tset'\. Did you mean 'test'\?"):
        plan(Faces([record(gender="male")]), {"gender": GENDER}, "tset")


@pytest.mark.parametrize(
    ("labels", "heads", "message"),
    [
        (
            {"gender": "male", "age_years": 3.0},
            {"emotion": emotion("fear", "anger")},
            "the model answers expression (fear, anger), the data set labels age and gender",
        ),
        (
            {"votes": (10,) + (0,) * 9},
            {"age": AGE, "gender": GENDER},
            "the model answers age and gender, the data set labels expression (neutral, happiness,",
        ),
        (
            {"expression": "awake"},
            {"emotion": emotion("fear", "anger")},
            "the model answers expression (fear, anger), the data set labels expression (awake); "
            "at least two expressions must be known to both",
        ),
        ({}, {"gender": GENDER}, "the data set labels nothing that mien knows"),
    ],
    ids=["other labels", "votes", "other classes", "nothing"],
)
def test_nothing_in_common(record, labels, heads, message):
    with pytest.raises(InputError) as caught:
        plan(Faces([record(**labels)]), heads)
    assert str(caught.value).startswith("faces test: nothing to measure: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "labels",
    [{"age_years": 3.0}, {"real_age": 3.0}, {"age_range": (0, 2)}],
    ids=["age", "real age", "bin"],
)
def test_every_kind_of_age_counts(record, labels):
    assert plan(Faces([record(**labels)]), {"age": AGE, "emotion": emotion("a", "b")}).notes == ()
