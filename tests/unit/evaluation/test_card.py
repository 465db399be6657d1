"""The model card: what the figures force us to say, and what it must never leave out."""

import json
from dataclasses import replace

import pytest

from mien.attributes import OnnxAttributeModel
from mien.config import EMOTIONS
from mien.evaluation.card import cost, known_faults, write_card
from mien.evaluation.curve_tables import curve_section
from mien.evaluation.findings import Findings, Part
from mien.evaluation.report import (
    class_tables,
    confusion_table,
    headline_rows,
    table,
    wide_table,
)
from mien.evaluation.run import open_analyzer
from mien.models.registry import COST_KEY
from mien.pipeline import Analyzer

HEADS = {
    "age": {"decoder": "age-distribution", "labels": [str(age) for age in range(101)]},
    "gender": {"decoder": "softmax", "labels": ["female", "male"]},
    "emotion": {"decoder": "emotion", "labels": ["happiness", "sadness"]},
}


def test_faults_by_hand(report):
    assert known_faults([report]) == [
        # 5 of 20; the three contempt faces are too few to be named.
        "25 % of the 20 faces labelled neutral are called sadness.",
        # Not the decade with three faces, not the group.
        "Apparent age is worst for age 80-89: off by 9.2 years on average (n = 40).",
        "Largest gap between groups, gender accuracy, on utkface test: 4.2 points; age and chance "
        "alone make 4.5 points on average and up to 6.2 points.",
        "Largest gap between groups, age MAE, on utkface test: 2.3 years; age and chance alone "
        "make 1.5 years on average and up to 2.2 years.",
    ]


def with_counts(report, make_confusion, counts, labels=EMOTIONS):
    found = Findings(confusions=(make_confusion(counts, labels),))
    return replace(report, findings=found)


def test_a_perfect_model_has_no_invented_faults(report, make_confusion):
    perfect = [[20 * (row == column) for column in range(8)] for row in range(8)]
    assert known_faults([with_counts(report, make_confusion, perfect)]) == []


def test_three_confusions_at_most(report, make_confusion):
    spread = [[10 + row + column for column in range(8)] for row in range(8)]
    # The first row sums to 10 + ... + 17 = 108, and 17 of these are contempt.
    faults = known_faults([with_counts(report, make_confusion, spread)])
    assert len(faults) == 3
    assert faults[0].startswith("16 % of the 108 faces labelled neutral are called contempt")


def test_confusions_in_a_models_own_words(report, make_confusion):
    faults = known_faults([with_counts(report, make_confusion, [[9, 7], [0, 30]], ("no", "yes"))])
    assert faults == ["44 % of the 16 faces labelled no are called yes."]


def test_faults_without_expressions(report):
    faults = known_faults([replace(report, findings=replace(report.findings, confusions=()))])
    assert len(faults) == 3
    assert not [fault for fault in faults if "labelled" in fault]


def test_cost_is_per_face(tiny_model):
    model = OnnxAttributeModel(str(tiny_model), threads=1)
    calls = []

    class Counted:
        input = model.input

        def predict(self, chips):
            calls.append(chips.shape)
            return model.predict(chips)

    assert 0 < cost(Counted(), 8, repeat=5) < 1000
    assert calls == [(8, 112, 112, 3)] * 8  # three more to warm up


@pytest.fixture(scope="module")
def analyzer(tiny_model):
    return Analyzer(model=str(tiny_model), detector="whole", threads=1)


def test_the_card_holds_everything(analyzer, report):
    text = write_card(analyzer, [report])
    for part in (
        "# tiny\n",
        analyzer.model.sha256,
        "MIT",
        "112 px, grey",
        "age (101 classes), gender (2 classes), emotion (8 classes)",
        table(headline_rows([report])),
        class_tables(report),
        confusion_table(report.findings.confusions[0]),
        "| largest gap between groups, gender accuracy | 4.2 points | 2379 |",
        "| largest gap that age and chance alone make, gender accuracy "
        "| 4.5 points (3.1 to 6.2) | 2379 |",
        "- ferplus test: no image is labelled fear.",
        "25 % of the 20 faces",
        "Faces narrower than 24 px",
    ):
        assert part in text


def test_the_card_says_from_where_on_blur_is_no_answer(make_model, tmp_path, report):
    analyzer = open_analyzer(
        str(make_model(tmp_path / "strict.onnx", min_sharpness=4.5)), detector="whole", threads=1
    )
    text = " ".join(write_card(analyzer, [report]).split())
    assert "Faces narrower than 24 px or less sharp than 4.5 get no answer; profiles" in text


def test_the_card_says_what_the_model_is_not_for(analyzer, report):
    text = " ".join(write_card(analyzer, [report]).split())
    for part in (
        "Judging what somebody feels",
        "prohibited in the European Union",
        "Identifying people: the model cannot",
        "not anybody's identity",
        "apparent age",
    ):
        assert part in text


def test_worse_pictures_are_short_in_results_and_whole_in_details(analyzer, report, degraded):
    text = write_card(analyzer, [degraded])
    results, details = text.split("## Details")
    assert f"{curve_section([degraded])}\n\n## Good for" in results
    assert "| gender accuracy | 80 | 95.0 % | 90.0 % | 75.0 % | utkface test |" in results
    assert "expression confidence" not in results
    whole = wide_table(degraded.part(Part.ROBUSTNESS))
    assert whole in details
    assert "expression confidence" not in details.replace(whole, "")  # not a second time
    assert "Accuracy against" not in write_card(analyzer, [report])


def test_crossed_groups_and_classes_do_not_fill_the_card(analyzer, report):
    text = write_card(analyzer, [report])
    assert "male, age 20-29" not in text
    assert "expression recall, fear" not in text
    assert "| fear | 75.0 % (70.0 to 80.0) | 83 |" in text


def test_an_own_file_is_not_said_to_come_from_our_data(analyzer, report):
    text = write_card(analyzer, [report])
    assert "UTKFace" not in text
    assert "recipes/" not in text
    assert "Whether weights inherit the terms of their training photos is not settled law" in text


@pytest.mark.parametrize(
    ("head", "first", "there", "absent"),
    [
        ("age", "Apparent age from one", "interval only partly", ("xpression", "ender", "Emotion")),
        ("gender", "Gender from one", "two-class label", ("ge from", "xpression", "interval only")),
        ("emotion", "Facial expression from one", "Emotion inference", ("pparent age", "ender is")),
    ],
)
def test_a_card_speaks_of_the_heads_that_there_are(
    make_model, report, tmp_path, head, first, there, absent
):
    path = make_model(tmp_path / "one.onnx", {head: HEADS[head]})
    analyzer = open_analyzer(str(path), detector="whole", threads=1)
    empty = replace(report, findings=Findings())
    text = " ".join(write_card(analyzer, [empty]).split())
    assert first in text
    assert there in text
    for part in absent:
        assert part not in text


def test_what_a_model_answers_in_words(make_model, report, tmp_path):
    path = make_model(tmp_path / "two.onnx", {head: HEADS[head] for head in ("age", "gender")})
    text = write_card(open_analyzer(str(path), detector="whole", threads=1), [report])
    assert "\nApparent age and gender from one aligned 112 px face" in text


def test_a_quantised_file_says_what_it_costs(make_model, report, tmp_path):
    import onnx

    path = make_model(tmp_path / "small.onnx", HEADS)
    cost_of = {
        "method": "Entropy",
        "calibration_faces": 512,
        "faces": 7180,
        "before": {"emotion_accuracy": 0.8412, "age_mae": 4.506, "emotion_mae": 0.05},
        "after": {"emotion_accuracy": 0.8399, "age_mae": 4.551, "emotion_mae": 0.06},
    }
    model = onnx.load(path)
    model.metadata_props.add(key=COST_KEY, value=json.dumps(cost_of))
    onnx.save(model, path)
    text = write_card(open_analyzer(str(path), detector="whole", threads=1), [report])
    assert (
        "| Eight bits | Entropy calibration on 512 training faces; float32 → int8 on 7180 "
        "validation faces: expression accuracy 84.12% → 83.99%, age error 4.51 years → 4.55 years |"
    ) in text


def test_a_model_of_open_data_alone_says_so(report):
    shipped = Analyzer(model="mien-s-open", detector="whole", threads=1)
    text = " ".join(write_card(shipped, [report]).split())
    assert "commercial use is allowed" in text
    assert "offered under CC-BY-4.0" in text
    assert "non-commercial" not in text


@pytest.mark.parametrize("name", ["mien-m", "mien-s", "mien-s-open"])
def test_a_shipped_file_says_what_its_start_and_its_teachers_were(name, report):
    shipped = Analyzer(model=name, detector="whole", threads=1)
    text = " ".join(write_card(shipped, [report]).split())
    source = shipped.model.spec.source
    assert ("public domain (CC0 1.0)" in text) == ("dlib's" in source)
    assert ("without naming its training data" in text) == (" a MobileFaceNet" in source)
    assert ("research that is not for profit" in text) == ("InsightFace's" in source)


def test_a_shipped_file_says_what_its_data_mean_for_it(report):
    shipped = Analyzer(model="mien-m", detector="whole", threads=1)
    text = " ".join(write_card(shipped, [report]).split())
    assert "FER2013 and UTKFace may be used for non-commercial research only" in text
    assert f"offered under {shipped.model.spec.license}" in text
    assert "recipe `recipes/mien-m.toml`" in text
    assert "one thread: " in text
    assert "two threads: " in text
    assert "Eight bits" not in text
