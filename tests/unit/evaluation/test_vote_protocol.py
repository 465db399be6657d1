"""The nine columns of FER+, in total and one by one; worked out by hand."""

import pytest

from mien.config import EMOTIONS
from mien.evaluation.findings import Part
from mien.evaluation.protocols.votes import vote_findings

WHERE = "set test, all faces, votes over 8 expressions and unknown"


@pytest.fixture
def faces(answer, record, votes, side_by_side):
    return side_by_side(
        [
            (record(votes=votes(happiness=10)), answer(shares={"happiness": 1.0})),
            (
                record(votes=votes(happiness=6, neutral=4)),
                answer(shares={"neutral": 0.6, "fear": 0.4}),
            ),
            (
                record(votes=votes(sadness=9, surprise=1)),
                answer(shares={"sadness": 0.9, "surprise": 0.1}),
            ),
            (
                record(votes=votes(neutral=5, unknown=5)),
                answer(shares={"neutral": 0.5, "fear": 0.5}),
            ),
        ]
    )


def test_every_face_counts(faces, value):
    found = vote_findings(faces)
    # Sums of absolute differences over the nine columns, face by face:
    sums = [
        0.0,
        0.6 + 0.2 + 0.4,  # happiness 0.6/0, neutral 0.4/0.6, fear 0/0.4
        0.0,  # single votes count here
        0.0 + 0.5 + 0.5,  # unknown 0.5/0, fear 0/0.5
    ]
    error, n = value(found, "expression MAE over 9 columns", WHERE)
    assert error == pytest.approx(sum(sums) / 9 / 4)
    assert n == 4
    # Highest column: right, wrong, right, right (neutral before unknown).
    assert value(found, "expression top-1 over 9 columns", WHERE) == (0.75, 4)


def test_every_column_has_its_error(faces, value):
    found = vote_findings(faces)
    expected = {"neutral": 0.2, "happiness": 0.6, "fear": 0.4 + 0.5, "unknown": 0.5}
    errors = {}
    for name in (*EMOTIONS, "unknown"):
        errors[name], n = value(found, f"expression MAE, {name}", WHERE)
        assert errors[name] == pytest.approx(expected.get(name, 0) / 4)
        assert n == 4
    total, _ = value(found, "expression MAE over 9 columns")
    assert sum(errors.values()) / 9 == pytest.approx(total)
    assert {row.part for row in found.rows} == {Part.EXPRESSION, Part.CLASSES}


def test_not_a_face_is_no_column(answer, record, votes, side_by_side, value):
    face = answer(shares={"neutral": 1.0})
    pairs = [
        (record(votes=votes(neutral=4, none=6)), face),  # 4 of 4 over the nine columns
        (record(votes=votes(none=10)), face),  # no votes for any of them
        (record(votes=votes(neutral=10)), face),
    ]
    assert value(vote_findings(side_by_side(pairs)), "expression MAE over 9 columns") == (0, 2)


def test_a_model_with_unknown_uses_its_own_column(answer, record, votes, side_by_side, value):
    labels = ("unknown", *EMOTIONS[::-1])
    face = answer(shares={"neutral": 0.5, "unknown": 0.5}, labels=labels)
    pairs = [(record(votes=votes(neutral=5, unknown=5)), face)]
    found = vote_findings(side_by_side(pairs))
    assert value(found, "expression MAE over 9 columns", WHERE) == (0, 1)


def test_columns_that_a_model_lacks_are_0(answer, record, votes, side_by_side, value):
    face = answer(shares={"sadness": 0.5, "smirk": 0.5}, labels=("sadness", "smirk", "neutral"))
    found = vote_findings(side_by_side([(record(votes=votes(sadness=5, fear=5)), face)]))
    assert value(found, "expression MAE, fear") == (0.5, 1)
    assert value(found, "expression MAE, sadness") == (0, 1)
    assert found.rows[0].protocol == (
        f"{WHERE}, columns that the model does not know are 0: "
        "happiness, surprise, anger, disgust, fear, contempt, the model's smirk counts in no column"
    )


def test_nothing_to_compare(answer, record, votes, side_by_side):
    foreign = answer(shares={"yes": 1.0}, labels=("yes", "no"))
    own = answer(shares={"fear": 1.0})
    for pairs in (
        [],
        [(record(votes=votes(fear=10)), foreign)],
        [(record(expression="fear"), own)],
        [(record(votes=votes(fear=10)), answer(years=3.0))],
    ):
        assert vote_findings(side_by_side(pairs)).rows == ()
