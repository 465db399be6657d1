"""The shipped file through the shipped pipeline, over labelled images."""

import json

import pytest

from mien.datasets import Record
from mien.errors import InputError
from mien.evaluation.findings import Part
from mien.evaluation.plan import plan
from mien.evaluation.run import evaluate, open_analyzer
from mien.pipeline import Analyzer


class Faces:
    """A data set of six images, one of which is broken."""

    name = "faces"

    def __init__(self, photo):
        self.photo = photo
        self.dropped = {}

    def records(self):
        for k in range(6):
            split = "val" if k == 5 else "test"
            gender = ("female", "male")[k % 2]
            votes = (10,) + (0,) * 9
            yield Record(name=str(k), split=split, age_years=40.0, gender=gender, votes=votes)

    def read(self, name):
        return b"broken" if name == "2" else self.photo


@pytest.fixture(scope="module")
def analyzer(tiny_model):
    return Analyzer(
        model=str(tiny_model), detector="whole", faces="largest", threads=1, min_face_px=1
    )


@pytest.fixture
def faces(photo_path):
    return Faces(photo_path.read_bytes())


def test_a_split_is_measured(analyzer, faces):
    seen = []
    report = evaluate(analyzer, faces, progress=lambda done, total: seen.append((done, total)))
    assert (report.images, report.answered, report.unreadable) == (5, 4, 1)
    assert (report.model, report.dataset, report.split) == ("tiny", "faces", "test")
    assert report.detector == "whole"
    assert report.sha256 == analyzer.model.sha256
    assert seen == [(k, 5) for k in range(1, 6)]


def test_numbers_are_those_of_the_pipeline(analyzer, faces):
    """The same photo five times: every error is the error of that one answer."""
    [face] = analyzer.analyze(faces.photo)[0].faces
    found = evaluate(analyzer, faces).part(Part.EXPRESSION, Part.AGE, Part.GENDER)
    rows = {row.metric: row.estimate for row in found}
    assert rows["age MAE, years"].value == pytest.approx(abs(face.age.years - 40))
    assert rows["age MAE, years"].n == 4
    said = face.gender.best
    # Records 0 and 4 say female, 1 and 3 male.
    assert rows["gender accuracy"].value == 0.5
    assert rows[f"gender accuracy, labelled {said}"].value == 1
    assert rows["expression accuracy"].value == float(face.emotion.best == "neutral")


def test_the_confusion_counts_the_answers(analyzer, faces):
    [confusion] = evaluate(analyzer, faces).findings.confusions
    assert len(confusion.counts) == 8
    assert sum(confusion.counts[0]) == confusion.n == 4


def test_a_report_is_json_as_it_is(analyzer, faces):
    table = evaluate(analyzer, faces).to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_a_plan_is_followed(analyzer, faces):
    made = plan(faces, analyzer.model.spec.heads, "val")
    report = evaluate(analyzer, made)
    assert (report.split, report.images, report.notes) == ("val", 1, made.notes)
    assert report.notes[0].startswith("faces val: no image is labelled happiness, surprise")


@pytest.mark.parametrize(
    ("head", "metrics"),
    [("gender", {"gender"}), ("age", {"age", "80"}), ("emotion", {"expression"})],
)
def test_a_model_with_one_head(make_model, faces, tmp_path, head, metrics):
    labels = {
        "gender": ("softmax", ["female", "male"]),
        "age": ("age-distribution", [str(age) for age in range(101)]),
        "emotion": ("emotion", ["sadness", "neutral", "smirk"]),
    }
    decoder, names = labels[head]
    path = make_model(tmp_path / "one.onnx", {head: {"decoder": decoder, "labels": names}})
    analyzer = open_analyzer(str(path), detector="whole", threads=1)
    report = evaluate(analyzer, faces)
    found = {row.metric.split()[0] for row in report.part()}
    assert found == metrics
    assert report.answered == 4


def test_a_model_that_answers_something_else(make_model, tmp_path):
    heads = {"beauty": {"decoder": "softmax", "labels": ["a", "b"]}}
    path = make_model(tmp_path / "other.onnx", heads)
    with pytest.raises(InputError, match="answers beauty, but only age, gender, emotion can be"):
        open_analyzer(str(path))


def test_every_face_counts_for_evaluation(tiny_model):
    analyzer = open_analyzer(str(tiny_model), detector="whole", threads=1)
    assert (analyzer.config.min_face_px, analyzer.config.faces) == (1, "largest")
    assert analyzer.config.attributes == ("age", "gender", "emotion")


def test_skipped_faces_are_no_answers(tiny_model, faces):
    strict = Analyzer(model=str(tiny_model), detector="whole", threads=1, min_face_px=10_000)
    with pytest.raises(InputError, match="faces: no face in any image of 'test' got an answer"):
        evaluate(strict, faces)


def test_an_empty_split(analyzer, faces):
    with pytest.raises(InputError, match="faces: the split 'train' is empty"):
        evaluate(analyzer, faces, split="train")
