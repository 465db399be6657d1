"""The shipped file through the shipped pipeline, over labelled images."""

import json

import pytest

from mien.datasets import Record
from mien.errors import InputError
from mien.evaluation.run import evaluate
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
    rows = {row.metric: row.estimate for row in evaluate(analyzer, faces).rows}
    assert rows["age MAE, years"].value == pytest.approx(abs(face.age.years - 40))
    assert rows["age MAE, years"].n == 4
    said = face.gender.best
    # Records 0 and 4 say female, 1 and 3 male.
    assert rows["gender accuracy"].value == 0.5
    assert rows[f"gender accuracy, labelled {said}"].value == 1
    assert rows["expression accuracy"].value == float(face.emotion.best == "neutral")


def test_the_confusion_counts_the_answers(analyzer, faces):
    report = evaluate(analyzer, faces)
    assert len(report.confusion) == 8
    assert sum(report.confusion[0]) == 4
    assert sum(map(sum, report.confusion)) == 4


def test_a_report_is_json(analyzer, faces):
    table = evaluate(analyzer, faces).to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_skipped_faces_are_no_answers(tiny_model, faces):
    strict = Analyzer(model=str(tiny_model), detector="whole", threads=1, min_face_px=10_000)
    with pytest.raises(InputError, match="faces: no face in any image of 'test' got an answer"):
        evaluate(strict, faces)


def test_an_empty_split(analyzer, faces):
    with pytest.raises(InputError, match="faces: the split 'train' is empty"):
        evaluate(analyzer, faces, split="train")
