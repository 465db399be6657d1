"""The model card: what the figures force us to say, and what it must never leave out."""

from dataclasses import replace

import pytest

from mien.attributes import OnnxAttributeModel
from mien.evaluation.card import cost, known_faults, write_card
from mien.evaluation.report import confusion_table, headline_rows, table
from mien.pipeline import Analyzer


def test_faults_by_hand(report):
    assert known_faults([report]) == [
        # 5 of 20; the three contempt faces are too few to be named.
        "25 % of the 20 faces labelled neutral are called sadness.",
        # Not the decade with three faces, not the group.
        "Apparent age is worst for age 80-89: off by 9.2 years on average (n = 40).",
        "Largest gap between groups, gender accuracy, on utkface test: 4.2 points.",
        "Largest gap between groups, age MAE, on utkface test: 2.3 years.",
    ]


def test_a_perfect_model_has_no_invented_faults(report):
    perfect = [[20 * (row == column) for column in range(8)] for row in range(8)]
    perfect = tuple(map(tuple, perfect))
    assert known_faults([replace(report, confusion=perfect, rows=())]) == []


def test_three_confusions_at_most(report):
    spread = tuple(tuple(10 + row + column for column in range(8)) for row in range(8))
    # The first row sums to 10 + ... + 17 = 108, and 17 of these are contempt.
    faults = known_faults([replace(report, confusion=spread, rows=())])
    assert len(faults) == 3
    assert faults[0].startswith("16 % of the 108 faces labelled neutral are called contempt")


def test_faults_without_expressions(report):
    faults = known_faults([replace(report, confusion=())])
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
        table(report.rows),
        confusion_table(report),
        "25 % of the 20 faces",
        "Faces narrower than 24 px",
    ):
        assert part in text


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
