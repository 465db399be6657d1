"""What is measured on which labels; every number here is worked out by hand."""

import pytest

from mien.datasets import Record
from mien.evaluation.protocols import (
    MIN_GROUP,
    Answers,
    age_bin_rows,
    age_rows,
    all_rows,
    expression_confusion,
    expression_rows,
    gender_rows,
    group_rows,
)


def record(**labels):
    return Record(name="face", split="test", **labels)


def votes(**counts):
    names = [
        "neutral",
        "happiness",
        "surprise",
        "sadness",
        "anger",
        "disgust",
        "fear",
        "contempt",
        "unknown",
        "none",
    ]
    return tuple(counts.get(name, 0) for name in names)


def answers(pairs, where="set test"):
    records, faces = zip(*pairs, strict=True) if pairs else ((), ())
    return Answers(records, faces, where)


def value(rows, metric, protocol=None):
    """Value and n of the one row of this metric (on this protocol)."""
    found = [
        row
        for row in rows
        if row.metric == metric and (protocol is None or row.protocol == protocol)
    ]
    assert len(found) == 1, [(row.metric, row.protocol) for row in rows]
    return found[0].estimate.value, found[0].estimate.n


# --- expressions ------------------------------------------------------------------------------


@pytest.fixture
def expressions(answer):
    """Six faces; five pass the filter, three of these are answered right."""
    return answers(
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


def test_accuracy_by_the_papers_filter(expressions):
    rows = expression_rows(expressions)
    assert value(rows, "expression accuracy") == (0.6, 5)
    assert rows[0].protocol == "set test, majority filter without single votes, 8 classes"


def test_macro_f1_by_hand(expressions):
    # happiness: p 1, r 1/2, F1 2/3; contempt the same; sadness 1; neutral is no label here.
    f1, n = value(expression_rows(expressions), "expression macro-F1")
    assert f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert n == 5


def test_calibration_by_hand(expressions):
    # Bins of 1/15: {1.0, 1.0, 0.9} splits into [14/15, 1]: two faces, one right: |2.0 - 1|;
    # 0.9 alone, right: 0.1; 0.6 wrong: 0.6; 0.5 right: 0.5. Over five faces.
    error, _ = value(expression_rows(expressions), "expression calibration error, 15 bins")
    assert error == pytest.approx((1.0 + 0.1 + 0.6 + 0.5) / 5)


def test_recall_and_precision_of_every_class(expressions):
    rows = expression_rows(expressions)
    assert value(rows, "expression recall, contempt") == (0.5, 2)
    assert value(rows, "expression precision, contempt") == (1.0, 1)
    assert value(rows, "expression recall, happiness") == (0.5, 2)
    assert value(rows, "expression precision, neutral") == (0.0, 2)
    names = [row.metric for row in rows]
    assert "expression recall, neutral" not in names  # nobody is labelled so
    assert not [name for name in names if name.endswith("disgust")]


def test_the_nine_column_protocol_takes_every_face(expressions):
    rows = expression_rows(expressions)
    where = "set test, all faces, votes over 8 expressions and unknown"
    # Sums of absolute differences over the nine columns, face by face:
    sums = [
        0.0,
        0.6 + 0.2 + 0.4,  # happiness 0.6/0, neutral 0.4/0.6, fear 0/0.4
        0.3 + 0.3 + 0.0,  # contempt 0.8/0.5, anger 0/0.3, neutral 0.2/0.2
        2.0,
        0.0,  # single votes count here
        0.0 + 0.5 + 0.5,  # unknown 0.5/0, fear 0/0.5
    ]
    error, n = value(rows, "expression MAE over 9 columns", where)
    assert error == pytest.approx(sum(sums) / 9 / 6)
    assert n == 6
    # Highest column: right, wrong, right, wrong, right, right (neutral before unknown).
    assert value(rows, "expression top-1 over 9 columns", where) == (pytest.approx(4 / 6), 6)


def test_not_a_face_is_no_column(answer):
    face = answer(shares={"neutral": 1.0})
    pairs = [
        (record(votes=votes(neutral=4, none=6)), face),  # 4 of 4 over the nine columns
        (record(votes=votes(none=10)), face),  # no votes for any of them
        (record(votes=votes(neutral=10)), face),
    ]
    rows = expression_rows(answers(pairs))
    assert value(rows, "expression MAE over 9 columns") == (0, 2)
    assert value(rows, "expression accuracy") == (1, 1)


def test_faces_without_votes_or_answer_are_left_out(answer):
    pairs = [
        (record(age_years=30.0), answer(shares={"neutral": 1.0})),
        (record(votes=votes(neutral=10)), answer(years=30.0)),
    ]
    assert expression_rows(answers(pairs)) == []
    assert expression_confusion(answers(pairs)).sum() == 0


def test_confusion_by_hand(expressions):
    confusion = expression_confusion(expressions)
    assert confusion.shape == (8, 8)
    assert confusion.sum() == 5
    assert (confusion[1, 1], confusion[1, 0]) == (1, 1)
    assert (confusion[7, 7], confusion[7, 0]) == (1, 1)
    assert confusion[3, 3] == 1


# --- ages -------------------------------------------------------------------------------------


@pytest.fixture
def ages(answer):
    return answers(
        [
            (record(age_years=20.0), answer(years=23.0)),  # 3 off, inside 18-28
            (record(age_years=29.0), answer(years=35.0)),  # 6 off, outside 30-40
            (record(age_years=30.0), answer(years=35.0)),  # 5 off, on the edge
            (record(age_years=116.0), answer(years=96.0)),  # 20 off; 100 is inside 91-101
            (record(votes=votes(neutral=10)), answer(years=50.0)),
            (record(age_years=40.0), answer(male=0.5)),
        ]
    )


def test_ages_by_hand(ages):
    rows = age_rows(ages)
    assert value(rows, "age MAE, years", "set test, all ages") == ((3 + 6 + 5 + 20) / 4, 4)
    assert value(rows, "age within 5 years", "set test, all ages") == (0.5, 4)
    assert value(rows, "80 % age interval covers", "set test, all ages") == (0.75, 4)


def test_ages_by_decade(ages):
    rows = [row for row in age_rows(ages) if row.metric == "age MAE, years"]
    assert [(row.protocol, row.estimate.value, row.estimate.n) for row in rows[1:]] == [
        ("set test, age 20-29", 4.5, 2),
        ("set test, age 30-39", 5, 1),
        ("set test, age 110-119", 20, 1),
    ]


def test_no_ages(answer):
    assert age_rows(answers([(record(gender="male"), answer(years=3.0))])) == []


def test_bins_by_hand(answer):
    pairs = [
        (record(age_range=(20, 29)), answer(years=29.4)),  # 29
        (record(age_range=(20, 29)), answer(years=29.6)),  # 30
        (record(age_range=(0, 2)), answer(years=0.2)),
        (record(age_range=(70, 100)), answer(years=69.4)),
        (record(age_years=30.0), answer(years=30.0)),
    ]
    assert value(age_bin_rows(answers(pairs)), "expected age in labelled bin") == (0.5, 4)
    assert age_bin_rows(answers(pairs[-1:])) == []


# --- gender -----------------------------------------------------------------------------------


def test_gender_by_hand(answer):
    pairs = [
        (record(gender="male"), answer(male=0.9)),
        (record(gender="male"), answer(male=0.2)),
        (record(gender="female"), answer(male=0.1)),
        (record(gender="female"), answer(male=0.5)),  # a tie goes to the label that is first
        (record(age_years=3.0), answer(male=0.9)),
    ]
    rows = gender_rows(answers(pairs))
    assert value(rows, "gender accuracy") == (0.75, 4)
    assert value(rows, "gender accuracy, labelled male") == (0.5, 2)
    assert value(rows, "gender accuracy, labelled female") == (1.0, 2)
    # 0.9 twice, both right: |1.8 - 2|; 0.8 wrong: 0.8; 0.5 right: 0.5.
    error, _ = value(rows, "gender calibration error, 15 bins")
    assert error == pytest.approx((0.2 + 0.8 + 0.5) / 4)


# --- groups -----------------------------------------------------------------------------------


def group(name, right, count, answer):
    return [
        (record(gender="male", age_years=30.0, group=name), answer(male=male, years=30.0 + off))
        for male, off in [(0.9, 1.0)] * right + [(0.1, 4.0)] * (count - right)
    ]


def test_gaps_between_groups_of_enough_faces(answer):
    pairs = (
        group("A", 27, 30, answer)
        + group("B", 24, 32, answer)
        + group("C", 0, MIN_GROUP - 1, answer)
    )
    rows = group_rows(answers(pairs))
    assert value(rows, "gender accuracy", "set test, group A") == (0.9, 30)
    assert value(rows, "gender accuracy", "set test, group C") == (0, 29)  # listed all the same
    gap, n = value(rows, "largest gap between groups, gender accuracy")
    assert gap == pytest.approx(0.9 - 0.75)
    assert n == 91
    # Errors: A (27 * 1 + 3 * 4) / 30 = 1.3, B (24 * 1 + 8 * 4) / 32 = 1.75.
    gap, _ = value(rows, "largest gap between groups, age MAE, years")
    assert gap == pytest.approx(0.45)
    assert rows[-1].protocol == "set test, groups of at least 30"


def test_one_group_has_no_gap(answer):
    rows = group_rows(answers(group("A", 20, 40, answer)))
    assert not [row for row in rows if row.metric.startswith("largest gap")]
    assert group_rows(answers([(record(gender="male"), answer(male=0.9))])) == []


# --- everything -------------------------------------------------------------------------------


def test_all_rows_take_what_the_labels_allow(expressions, ages):
    assert {row.metric.split()[0] for row in all_rows(expressions)} == {"expression"}
    assert {row.metric.split()[0] for row in all_rows(ages)} == {"age", "80"}
    assert all_rows(answers([])) == []


def test_every_row_says_how_sure_it_is(expressions):
    for row in all_rows(expressions):
        assert row.estimate.low <= row.estimate.value <= row.estimate.high
        assert row.estimate.n > 0
        assert row.protocol.startswith("set test")
