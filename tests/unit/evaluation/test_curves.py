"""Curves: which faces at which steps, and the smallest face that follows from them."""

import json
from dataclasses import replace

import pytest

from mien.errors import ConfigError
from mien.evaluation.bootstrap import Estimate
from mien.evaluation.curve_tables import curve_section
from mien.evaluation.curves import (
    SHARPNESS,
    Curve,
    Level,
    allowed_losses,
    propose_min_face_px,
    propose_min_sharpness,
)
from mien.evaluation.degrade import kinds
from mien.evaluation.findings import Findings
from mien.evaluation.steps import Degradation, Series, face_by_face, sample
from mien.interfaces import Detection
from mien.results import Box


def curve(metric, values, kind="size", protocol="utkface val"):
    """A curve from values by level."""
    levels = tuple(
        Level(level, Estimate(value, value - 0.01, value + 0.01, 80))
        for level, value in values.items()
    )
    return Curve(kind=kind, metric=metric, protocol=protocol, levels=levels)


def face(width):
    return Detection(box=Box(0.0, 0.0, float(width), 50.0), score=1.0)


# --- the smallest face ------------------------------------------------------------------------

ACCURACY, GENDER, AGE = "expression accuracy", "gender accuracy", "age MAE, years"


@pytest.mark.parametrize(
    ("metric", "values", "proposed"),
    [
        (ACCURACY, {96: 0.85, 48: 0.84, 32: 0.76, 24: 0.74, 16: 0.5}, 32),  # 11 points at 24
        (GENDER, {96: 0.95, 48: 0.94, 32: 0.91, 24: 0.89, 16: 0.8}, 32),  # 6 points at 24
        (AGE, {96: 4.0, 48: 4.1, 32: 4.9, 24: 5.1, 16: 9.0}, 32),  # 27.5 % more at 24
        (ACCURACY, {96: 0.85, 48: 0.7, 32: 0.84, 24: 0.84, 16: 0.84}, 96),  # all above must do
        (ACCURACY, {96: 0.85, 48: 0.9, 32: 0.86, 24: 0.8, 16: 0.79}, 16),
        ("expression confidence", {96: 0.9, 16: 0.1}, None),  # says nothing about right or wrong
        (ACCURACY, {32: 0.85}, None),  # nothing to compare with
        (ACCURACY, {None: 0.99, 32: 0.85, 24: 0.8}, 24),  # against 32 px, not the picture as it is
    ],
)
def test_the_smallest_face(metric, values, proposed):
    assert propose_min_face_px([curve(metric, values)]) == proposed


def test_every_metric_has_a_say():
    good = curve(ACCURACY, {96: 0.85, 32: 0.85, 24: 0.85, 16: 0.85})
    bad = curve(AGE, {96: 4.0, 32: 4.0, 24: 4.0, 16: 8.0})
    assert propose_min_face_px([good]) == 16
    assert propose_min_face_px([good, bad]) == 24
    assert propose_min_face_px([]) is None
    other = curve(AGE, {95: 4.0, 50: 4.0, 5: 99.0}, kind="jpeg")
    assert propose_min_face_px([good, other]) == 16


def test_the_rule_in_words():
    curves = [curve(metric, {96: 1.0}) for metric in (ACCURACY, AGE, GENDER, "age bias, years")]
    assert allowed_losses(curves) == (
        "10 points of expression accuracy, 25 % more age MAE, 5 points of gender accuracy"
    )


# --- the least sharp face ---------------------------------------------------------------------


def sharpness_curve(metric, values):
    """A curve from pairs of the value and that of the same faces before, by sharpness."""
    levels = tuple(
        Level(level, Estimate(value, value - 0.01, value + 0.01, 80), before)
        for level, (value, before) in values.items()
    )
    return Curve(kind=SHARPNESS, metric=metric, protocol="utkface val", levels=levels)


@pytest.mark.parametrize(
    ("metric", "values", "proposed"),
    [
        # Every step against its own faces: those at 4 were harder from the start.
        (ACCURACY, {64: (0.9, 0.9), 8: (0.8, 0.85), 4: (0.62, 0.7), 2: (0.6, 0.8)}, 4),
        (ACCURACY, {64: (0.9, 0.9), 8: (0.79, 0.9), 4: (0.9, 0.9)}, 64),  # all above must do
        (GENDER, {64: (0.9, 0.9), 8: (0.81, 0.9), 4: (0.79, 0.9)}, 8),  # 9 and 11 points
        (AGE, {64: (5.0, 5.0), 8: (6.6, 5.0), 4: (5.2, 3.8)}, 8),  # 32 and 37 % more
        ("expression confidence", {64: (0.9, 0.9), 4: (0.1, 0.9)}, None),
        (ACCURACY, {64: (0.9, 0.9)}, None),  # nothing to compare with
    ],
)
def test_the_least_sharp_face(metric, values, proposed):
    assert propose_min_sharpness([sharpness_curve(metric, values)]) == proposed


def test_both_proposals_look_at_their_own_curves():
    sizes = curve(ACCURACY, {96: 0.9, 24: 0.9, 16: 0.2})
    sharp = sharpness_curve(GENDER, {64: (0.9, 0.9), 8: (0.9, 0.9), 4: (0.2, 0.9)})
    assert propose_min_face_px([sizes, sharp]) == 24
    assert propose_min_sharpness([sizes, sharp]) == 8
    assert allowed_losses([sizes, sharp], SHARPNESS) == "10 points of gender accuracy"
    ages = sharpness_curve(AGE, {64: (5.0, 5.0)})
    assert allowed_losses([ages], SHARPNESS) == "33 % more age MAE"


# --- which faces ------------------------------------------------------------------------------


def test_a_sample_is_the_same_everywhere():
    names = [f"face-{k}.png" for k in range(500)]
    chosen = sample(names, 20)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 20
    # Another order of the same names chooses the same faces; a smaller sample is part of it.
    assert {names[::-1][k] for k in sample(names[::-1], 20)} == {names[k] for k in chosen}
    assert set(sample(names, 5)) < set(chosen)
    assert sample(names[:3], 20) == [0, 1, 2]
    assert sample(["a", "b", "c", "d", "e"], 2) == [2, 3]  # SHA-256 begins with 2e, 18


def test_widths_that_too_few_faces_have_are_left_out():
    """Half of the faces have 40 px: 48 and more go, and with 32 the narrow face."""
    places = [face(width) for width in (20, 40, 40, 50)]
    series = Series.of(kinds["size"], places)
    assert series.levels == (32, 24, 16)
    assert series.faces == (1, 2, 3)
    assert Series.of(kinds["size"], [face(10)] * 3) == Series(kinds["size"], (), ())
    jpeg = Series.of(kinds["jpeg"], places)
    assert (jpeg.levels, jpeg.faces) == (kinds["jpeg"].levels, (0, 1, 2, 3))


def test_steps_go_face_by_face():
    places = [face(20), face(22)]
    series = [Series.of(kinds[name], places) for name in ("size", "jpeg")]
    steps = [(step.face, step.kind.name, step.level) for step in face_by_face(series)]
    assert steps[0] == (0, "size", 16)
    assert [k for k, _, _ in steps] == [0] * 8 + [1] * 8
    assert len(set(steps)) == 16


def test_no_face_at_all_is_refused():
    with pytest.raises(ConfigError, match="at least one face must be degraded, got 0"):
        Degradation(kinds=(), faces=0)
    every = Degradation(kinds=(kinds["size"], kinds["jpeg"]), faces=10)
    assert every.most_pictures(100) == 10 * (6 + 7)
    assert every.most_pictures(3) == 3 * (6 + 7)


# --- what is written --------------------------------------------------------------------------


def test_a_curve_is_json_as_it_is():
    table = curve(AGE, {None: 5.0, 96: 5.5}).to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert [step["level"] for step in table["levels"]] == [None, 96]
    assert table["levels"][1] == {"level": 96, "value": 5.5, "low": 5.49, "high": 5.51, "n": 80}


def test_the_short_table_by_hand(report):
    curves = (
        curve(AGE, {None: 5.0, 32: 5.25, 16: 9.0}),
        curve(ACCURACY, {None: 0.85, 24: 0.8, 16: 0.5}, protocol="ferplus val, majority"),
        curve("expression confidence", {None: 0.9, 16: 0.5}),
        curve(GENDER, {None: 0.9, 95: 0.9, 5: 0.625}, kind="jpeg"),
    )
    text = curve_section([replace(report, findings=Findings(curves=curves))])
    assert text.startswith("### Accuracy on worse pictures\n")
    assert text.splitlines()[5:] == [
        "| width of the face box, px | n | faces as wide as found | 32 | 24 | 16 | protocol |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| age MAE, years | 80 | 5.00 | 5.25 | – | 9.00 | utkface val |",
        "| expression accuracy | 80 | 85.0 % | – | 80.0 % | 50.0 % | ferplus val, majority |",
        "",
        "| JPEG quality | n | not compressed | 95 | 5 | protocol |",
        "| --- | --- | --- | --- | --- | --- |",
        "| gender accuracy | 80 | 90.0 % | 90.0 % | 62.5 % | utkface val |",
    ]
    assert curve_section([report]) == ""
