"""The shipped file through the shipped pipeline, over labelled images."""

import io
import json
import weakref
from dataclasses import replace

import pytest
from PIL import Image

from mien.align import AlignSpec, align_faces
from mien.attributes import measure_quality
from mien.attributes.age import median_age
from mien.datasets import Record
from mien.errors import InputError
from mien.evaluation.degrade import kinds, parse_kinds
from mien.evaluation.findings import Part
from mien.evaluation.plan import plan
from mien.evaluation.run import evaluate, open_analyzer
from mien.evaluation.steps import Degradation
from mien.images import decode
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


# --- worse pictures ---------------------------------------------------------------------------


@pytest.fixture
def two_kinds():
    return Degradation(kinds=parse_kinds("size,jpeg"), faces=3)


def test_worse_pictures_are_measured(analyzer, faces, two_kinds):
    seen = []
    plain = evaluate(analyzer, faces)
    report = evaluate(
        analyzer,
        faces,
        degradation=two_kinds,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert report.findings.rows[: len(plain.findings.rows)] == plain.findings.rows
    size, jpeg = (
        {c.metric: c for c in report.findings.curves if c.kind == kind} for kind in ("size", "jpeg")
    )
    assert (
        set(size)
        == set(jpeg)
        == {
            "expression accuracy",
            "expression confidence",
            "age MAE, years",
            "80 % age interval covers",
            "80 % age interval width, years",
            "gender accuracy",
        }
    )
    found = jpeg["age MAE, years"]
    assert [step.level for step in found.levels] == [None, 95, 70, 50, 30, 20, 10, 5]
    assert {step.estimate.n for step in found.levels} == {3}
    # Three of the four answered faces, at 6 widths and 7 qualities; the broken image is not tried.
    assert seen[-1] == (5 + 3 * 13, 5 + 3 * 13)
    assert [done for done, _ in seen] == list(range(1, 5 + 3 * 13 + 1))


def test_a_step_is_what_the_pipeline_says_of_the_worse_picture(analyzer, faces, two_kinds):
    """By hand: shrink or compress, and let the pipeline that serves cut at the moved place."""
    report = evaluate(analyzer, faces, degradation=two_kinds)
    curves = {(c.kind, c.metric): c for c in report.findings.curves}
    image = decode(faces.photo)
    [place] = analyzer.detector.detect([image])[0]
    for name, level in (("size", 24), ("jpeg", 5)):
        worse, moved = kinds[name].apply(image, place, level)
        chip = align_faces(worse, [moved], AlignSpec(size=112))
        [age] = analyzer.model.predict(chip, ["age"])["age"]
        error = abs(median_age(age[None])[0] - 40)
        steps = {step.level: step.estimate for step in curves[name, "age MAE, years"].levels}
        assert steps[level].value == pytest.approx(error, abs=1e-4)
        assert steps[None].value != pytest.approx(error, abs=1e-4)


def test_lines_and_notes_say_what_was_done(analyzer, faces, two_kinds):
    report = evaluate(analyzer, faces, degradation=two_kinds)
    rows = report.part(Part.ROBUSTNESS)
    assert len(rows) == sum(len(curve.levels) for curve in report.findings.curves)
    protocols = [row.protocol for row in rows if row.metric == "gender accuracy"]
    assert protocols[:2] == ["faces test, faces as wide as found", "faces test, faces 96 px wide"]
    assert protocols[-1] == "faces test, JPEG quality 5"
    judged = [row.protocol for row in rows if row.metric == "expression accuracy"]
    assert judged[-1] == (
        "faces test, majority filter without single votes, 8 classes, JPEG quality 5"
    )
    first, proposal = report.notes[-2:]
    assert first == (
        "faces test: face size and JPEG quality varied on 3 of 4 faces, chosen by a hash of their "
        "names; they are located in the pictures as they are, so the model is measured and not the "
        "detector."
    )
    assert proposal.startswith("faces test: proposed min_face_px = ")
    assert ", the model has 24: " in proposal
    table = report.to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert len(table["curves"]) == 12


def test_blur_is_put_in_order_by_sharpness(analyzer, faces):
    """Few faces: the medians are told, bins and a proposal need more pictures."""
    report = evaluate(analyzer, faces, degradation=Degradation(kinds=parse_kinds("blur"), faces=3))
    [note] = [note for note in report.notes if "sharpness" in note]
    image = decode(faces.photo)
    [place] = analyzer.detector.detect([image])[0]
    found = []
    for level in (None, *kinds["blur"].levels):
        worse, moved = (image, place) if level is None else kinds["blur"].apply(image, place, level)
        chip = align_faces(worse, [moved], AlignSpec(size=112))[0]
        found.append(measure_quality(moved, chip).sharpness)
    assert found == sorted(found, reverse=True)
    steps = zip(found[1:], kinds["blur"].levels, strict=True)
    medians = [
        (f"{sharpness:.{0 if sharpness >= 10 else 1}f} ({level:g})") for sharpness, level in steps
    ]
    assert note == (
        f"faces test: median sharpness {found[0]:.0f} as they are; by Gaussian blur, sigma in box "
        f"widths: {', '.join(medians)}."
    )


def test_the_least_sharp_face_is_proposed(analyzer, faces, monkeypatch):
    """With bins of a single picture, the six steps of blur make a curve."""
    monkeypatch.setattr("mien.evaluation.sharpness.MIN_PICTURES", 1)
    report = evaluate(analyzer, faces, degradation=Degradation(kinds=parse_kinds("blur"), faces=3))
    proposal, shares = report.notes[-2:]
    assert ": proposed min_sharpness = " in proposal
    assert ", the model has 0: " in proposal
    assert shares.startswith("faces test: less sharp than ")
    rows = [row for row in report.part(Part.ROBUSTNESS) if ", sharpness " in row.protocol]
    assert rows
    for row, before in zip(rows[::2], rows[1::2], strict=True):
        assert before.protocol == f"{row.protocol}, before"
        assert before.metric == row.metric
    table = report.to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_small_faces_are_not_enlarged(analyzer, faces, photo):
    """A crop of 50 px: its face is some 40 px wide, so that three widths are left."""
    buffer = io.BytesIO()
    Image.fromarray(photo[30:250, 120:340]).resize((50, 50)).save(buffer, "PNG")
    faces.photo = buffer.getvalue()
    report = evaluate(analyzer, faces, degradation=Degradation(kinds=parse_kinds("size")))
    assert {tuple(s.level for s in c.levels) for c in report.findings.curves} == {
        (None, 32, 24, 16)
    }
    assert (
        "faces test: face size: no step of 96, 64, 48 px, for most faces are narrower and none is "
        "enlarged."
    ) in report.notes
    assert any("varied on all 4 faces" in note for note in report.notes)
    Image.fromarray(photo[30:250, 120:340]).resize((16, 16)).save(buffer := io.BytesIO(), "PNG")
    faces.photo = buffer.getvalue()
    report = evaluate(analyzer, faces, degradation=Degradation(kinds=parse_kinds("size")))
    assert (report.findings.curves, report.part(Part.ROBUSTNESS)) == ((), [])


def test_pictures_are_made_one_after_the_other(analyzer, faces, monkeypatch):
    """One image is read a face, and few worse ones are alive at any time."""
    made, alive, read = [], [], []

    def apply(image, face, level):
        worse = image.copy()
        made.append(weakref.ref(worse))
        alive.append(sum(reference() is not None for reference in made))
        return worse, face

    original = faces.read
    monkeypatch.setattr(faces, "read", lambda name: read.append(name) or original(name))
    kind = replace(kinds["jpeg"], levels=tuple(range(40, 0, -1)), apply=apply)
    evaluate(analyzer, faces, degradation=Degradation(kinds=(kind,)))
    assert len(made) == 4 * 40
    assert max(alive) < 10
    assert sorted(read) == sorted([*"01234", *"0134"])


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
    assert analyzer.config.min_sharpness == 0
    assert analyzer.config.attributes == ("age", "gender", "emotion")


def test_skipped_faces_are_no_answers(tiny_model, faces):
    strict = Analyzer(model=str(tiny_model), detector="whole", threads=1, min_face_px=10_000)
    with pytest.raises(InputError, match="faces: no face in any image of 'test' got an answer"):
        evaluate(strict, faces)


def test_an_empty_split(analyzer, faces):
    with pytest.raises(InputError, match="faces: the split 'train' is empty"):
        evaluate(analyzer, faces, split="train")
