"""Expressions as classes, whatever words model and data set have; worked out by hand."""

import pytest

from mien.config import EMOTIONS
from mien.evaluation.findings import Part
from mien.evaluation.protocols.expression import (
    View,
    class_findings,
    expression_confidences,
    expression_filter,
    expression_hits,
    majority_findings,
)

SEVEN = EMOTIONS[:7]
THREE = ("happiness", "sadness", "neutral")


@pytest.fixture
def expressions(answer, record, votes, side_by_side):
    """Six faces; five pass the filter, three of these are answered right."""
    return side_by_side(
        [
            (record(votes=votes(happiness=10)), answer(shares={"happiness": 1.0})),
            (
                record(votes=votes(happiness=6, neutral=4)),
                answer(shares={"neutral": 0.6, "fear": 0.4}),
            ),
            (
                record(votes=votes(contempt=8, neutral=2)),
                answer(shares={"contempt": 0.5, "anger": 0.3, "neutral": 0.2}),
            ),
            (record(votes=votes(contempt=10)), answer(shares={"neutral": 1.0})),
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


# --- by majority ------------------------------------------------------------------------------


def test_accuracy_by_the_papers_filter(expressions, value):
    found = majority_findings(expressions)
    assert value(found, "expression accuracy") == (0.6, 5)
    assert found.rows[0].protocol == "set test, majority filter without single votes, 8 classes"


def test_macro_f1_by_hand(expressions, value):
    # happiness: p 1, r 1/2, F1 2/3; contempt the same; sadness 1; neutral is no label here.
    f1, n = value(majority_findings(expressions), "expression macro-F1")
    assert f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert n == 5


def test_calibration_by_hand(expressions, value):
    # Bins of 1/15: {1.0, 1.0, 0.9} splits into [14/15, 1]: two faces, one right: |2.0 - 1|;
    # 0.9 alone, right: 0.1; 0.6 wrong: 0.6; 0.5 right: 0.5. Over five faces.
    found = majority_findings(expressions)
    error, _ = value(found, "expression calibration error, 15 bins")
    assert error == pytest.approx((1.0 + 0.1 + 0.6 + 0.5) / 5)
    [calibration] = found.calibrations
    assert calibration.error == pytest.approx(error)
    assert (calibration.what, calibration.n) == ("expression", 5)
    assert calibration.counts[14] == 2
    assert (calibration.confidence[14], calibration.right[14]) == (1.0, 0.5)
    assert (calibration.counts[0], calibration.confidence[0], calibration.right[0]) == (0, 0, 0)


def test_recall_and_precision_of_every_class(expressions, value):
    found = majority_findings(expressions)
    assert value(found, "expression recall, contempt") == (0.5, 2)
    assert value(found, "expression precision, contempt") == (1.0, 1)
    assert value(found, "expression recall, happiness") == (0.5, 2)
    assert value(found, "expression precision, neutral") == (0.0, 2)
    names = [row.metric for row in found.rows if row.part is Part.CLASSES]
    assert "expression recall, neutral" not in names  # nobody is labelled so
    assert not [name for name in names if name.endswith("disgust")]


def test_confusion_by_hand(expressions):
    [confusion] = majority_findings(expressions).confusions
    assert confusion.labels == EMOTIONS
    assert confusion.n == 5
    assert (confusion.counts[1][1], confusion.counts[1][0]) == (1, 1)
    assert (confusion.counts[7][7], confusion.counts[7][0]) == (1, 1)
    assert confusion.counts[3][3] == 1


def test_faces_without_label_or_answer_are_left_out(answer, record, votes, side_by_side):
    pairs = [
        (record(age_years=30.0), answer(shares={"neutral": 1.0})),
        (record(votes=votes(neutral=10)), answer(years=30.0)),
        (record(expression="neutral"), answer(years=30.0)),
    ]
    for measure in (majority_findings, class_findings):
        assert measure(side_by_side(pairs)).rows == ()
    assert len(expression_hits(side_by_side(pairs)).faces) == 0


# --- models with other words ------------------------------------------------------------------


def test_the_order_of_the_models_labels_does_not_matter(expressions, answer, side_by_side):
    def turned(face):
        shares = dict(zip(EMOTIONS, face.emotion.probabilities, strict=True))
        return answer(shares=shares, labels=EMOTIONS[::-1])

    other = side_by_side(
        [
            (label, turned(face))
            for label, face in zip(expressions.records, expressions.faces, strict=True)
        ]
    )
    assert majority_findings(other) == majority_findings(expressions)


def test_a_model_with_three_classes(expressions, answer, record, votes, side_by_side, value):
    """Of the five faces of the filter, the two of contempt are left out."""
    pairs = [
        (label, answer(shares={"happiness": 0.7, "neutral": 0.3}, labels=THREE))
        for label in expressions.records
    ]
    found = majority_findings(side_by_side(pairs))
    assert value(found, "expression accuracy") == (pytest.approx(2 / 3), 3)
    assert found.rows[0].protocol == (
        "set test, majority filter without single votes, 3 classes, "
        "faces of classes that the model does not know left out: 2 contempt"
    )
    # In the order of the data set, not of the model.
    assert found.confusions[0].labels == ("neutral", "happiness", "sadness")


def test_a_model_with_unknown_is_judged_among_the_eight(answer, record, votes, side_by_side):
    labels = (*EMOTIONS, "unknown")
    face = answer(shares={"unknown": 0.6, "fear": 0.3, "anger": 0.1}, labels=labels)
    found = majority_findings(side_by_side([(record(votes=votes(fear=10)), face)]))
    assert found.rows[0].estimate.value == 1
    assert found.rows[0].protocol == (
        "set test, majority filter without single votes, 8 classes, "
        "the model's unknown left out and the rest renormalised"
    )
    # 0.3 of 0.4: the last of the bins up to 0.8.
    assert found.calibrations[0].confidence[11] == pytest.approx(0.75)


def test_a_model_that_knows_none_of_the_classes(answer, record, votes, side_by_side):
    face = answer(shares={"yes": 1.0}, labels=("yes", "no"))
    pairs = [(record(votes=votes(fear=10), expression="fear"), face)]
    assert majority_findings(side_by_side(pairs)).rows == ()
    assert class_findings(side_by_side(pairs)).rows == ()


def test_one_class_in_common_is_no_choice(answer, record, votes, side_by_side):
    face = answer(shares={"fear": 0.1, "other": 0.9}, labels=("fear", "other"))
    assert majority_findings(side_by_side([(record(votes=votes(fear=10)), face)])).rows == ()


# --- classes that the data set names ----------------------------------------------------------


def test_eight_classes_on_seven(answer, record, side_by_side, value):
    """Original FER2013 labels: contempt is left out of the answer."""
    pairs = [
        # contempt is the strongest, but is not asked for: fear 0.3 of 0.5.
        (record(expression="fear"), answer(shares={"contempt": 0.5, "fear": 0.3, "anger": 0.2})),
        (record(expression="anger"), answer(shares={"anger": 0.6, "contempt": 0.4})),
        (record(expression="neutral"), answer(shares={"happiness": 1.0})),
    ]
    found = class_findings(side_by_side(pairs, classes=SEVEN))
    assert value(found, "expression accuracy") == (pytest.approx(2 / 3), 3)
    assert found.rows[0].protocol == (
        "set test, labels of the data set, 7 classes, "
        "the model's contempt left out and the rest renormalised"
    )
    assert found.confusions[0].labels == SEVEN
    # Confidences 0.6, 1.0, 1.0; wrong is one of the last two.
    error, _ = value(found, "expression calibration error, 15 bins")
    assert error == pytest.approx((0.4 + 1.0) / 3)


def test_classes_come_from_the_whole_data_set(answer, record, side_by_side):
    """A split that has no sad face by chance is not easier for it."""
    pairs = [
        (record(expression="happiness"), answer(shares={"sadness": 0.6, "happiness": 0.4})),
        (record(expression="neutral"), answer(shares={"neutral": 1.0})),
    ]
    whole = class_findings(side_by_side(pairs, classes=("neutral", "happiness", "sadness")))
    assert whole.rows[0].estimate.value == 0.5
    split_alone = class_findings(side_by_side(pairs))
    assert split_alone.rows[0].estimate.value == 1


def test_a_users_own_classes(answer, record, side_by_side, value):
    labels = ("awake", "sleepy", "asleep")
    pairs = [
        (record(expression="sleepy"), answer(shares={"sleepy": 0.5, "awake": 0.5}, labels=labels)),
        (record(expression="asleep"), answer(shares={"asleep": 0.8, "awake": 0.2}, labels=labels)),
        (record(expression="smiling"), answer(shares={"awake": 1.0}, labels=labels)),
        (record(expression="awake"), answer(shares={"awake": 1.0}, labels=labels)),
    ]
    found = class_findings(side_by_side(pairs))
    # A tie goes to the class that is first by name here: asleep, awake, sleepy.
    assert value(found, "expression accuracy") == (pytest.approx(2 / 3), 3)
    assert value(found, "expression recall, sleepy") == (0, 1)
    assert found.confusions[0].labels == ("asleep", "awake", "sleepy")
    assert found.rows[0].protocol.endswith(
        "3 classes, faces of classes that the model does not know left out: 1 smiling"
    )


def test_a_face_that_shows_nothing_that_is_asked_for(answer, record, side_by_side):
    face = answer(shares={"contempt": 1.0})
    pairs = [(record(expression="neutral"), face)]
    found = class_findings(side_by_side(pairs, classes=("neutral", "fear")))
    assert found.calibrations[0].confidence[7] == pytest.approx(0.5)  # 0 and 0, so even


def test_hits_face_by_face(expressions, answer, record, side_by_side):
    hits = expression_hits(expressions)
    assert hits.faces.tolist() == [0, 1, 2, 3, 4]
    assert hits.values.tolist() == [1, 0, 1, 0, 1]
    named = side_by_side(
        [
            (record(age_years=3.0), answer(shares={"fear": 1.0})),
            (record(expression="fear"), answer(shares={"fear": 1.0})),
            (record(expression="anger"), answer(shares={"fear": 1.0})),
        ]
    )
    hits = expression_hits(named)
    assert (hits.faces.tolist(), hits.values.tolist()) == ([1, 2], [1, 0])


def test_confidence_face_by_face(expressions, answer, record, side_by_side):
    """On the faces that are judged; on all faces where no expression is labelled."""
    found = expression_confidences(expressions)
    assert found.faces.tolist() == expression_hits(expressions).faces.tolist() == [0, 1, 2, 3, 4]
    assert found.values == pytest.approx([1.0, 0.6, 0.5, 1.0, 0.9])
    unlabelled = [
        (record(age_years=30.0), answer(shares={"fear": 0.75, "anger": 0.25})),
        (record(age_years=30.0), answer(years=30.0)),
    ]
    found = expression_confidences(side_by_side(unlabelled))
    assert (found.faces.tolist(), found.values.tolist()) == ([0], [0.75])


def test_the_filter_in_words(expressions, answer, record, side_by_side):
    assert expression_filter(expressions) == ", majority filter without single votes, 8 classes"
    named = side_by_side(
        [
            (record(expression=name), answer(shares={"fear": 1.0}, labels=("fear", "anger")))
            for name in ("fear", "anger", "smirk")
        ]
    )
    assert expression_filter(named) == (
        ", labels of the data set, 2 classes, faces of classes that the model does not know left "
        "out: 1 smirk"
    )
    assert expression_filter(side_by_side([(record(age_years=3.0), answer(years=3.0))])) == ""


# --- what two sides share ---------------------------------------------------------------------


def test_other_names_of_the_same_class():
    view = View.of(("Happy", "sad", "smirk"), ("neutral", "happiness", "sadness"))
    assert view.classes == ("happiness", "sadness")
    assert view.columns == (0, 1)
    assert view.unasked == ("smirk",)
    assert view.unknown == ("neutral",)


def test_two_words_of_a_model_for_one_class():
    view = View.of(("happy", "joy", "sadness"), ("happiness", "sadness"))
    assert view.classes == ("sadness",)
    assert view.unasked == ("happy", "joy")
