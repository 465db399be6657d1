"""Bins of sharpness: which pictures lie where, what they are compared with, what is proposed."""

from dataclasses import replace

import pytest

from mien.evaluation import sharpness
from mien.evaluation.findings import Part
from mien.evaluation.sharpness import by_sharpness, notes
from mien.results import Quality


@pytest.fixture
def pictures(answer, record, side_by_side, monkeypatch):
    """Four faces of 40 years as they are (one is off by 2, the rest by 1), and worse ones."""
    monkeypatch.setattr(sharpness, "MIN_PICTURES", 2)

    def face(sharp, years):
        return replace(answer(years=years), quality=Quality(size_px=50.0, sharpness=sharp))

    truth = record(age_years=40.0)
    answers = side_by_side(
        [(truth, face(sharp, years)) for sharp, years in ((70, 42), (80, 39), (65, 41), (300, 39))]
    )
    worse = {
        ("blur", 0.01): {0: face(20.0, 42.0), 1: face(17.0, 39.0), 2: face(22.9, 41.0)},
        ("blur", 0.04): {0: face(4.0, 48.0), 1: face(5.0, 36.0), 2: face(3.9, 90.0)},
        ("size", 16): {0: face(5.6, 46.0), 1: face(16.0, 38.0)},
        ("jpeg", 5): {0: face(4.5, 99.0), 1: face(4.5, 99.0)},
    }
    return answers, worse


def test_bins_by_hand(pictures):
    curves, rows = by_sharpness(*pictures)
    [errors] = [curve for curve in curves if curve.metric == "age MAE, years"]
    assert (errors.kind, errors.protocol) == ("sharpness", "set test")
    assert [(s.level, s.estimate.value, s.estimate.n, s.before) for s in errors.levels] == [
        (64, pytest.approx(4 / 3), 3, pytest.approx(4 / 3)),  # as they are; 300 is alone
        (16, pytest.approx(6 / 4), 3, pytest.approx((2 + 1 + 1 + 1) / 4)),  # blur, and 16 px
        # 48, 36 and 46 years, JPEG stays outside, 3.9 is alone; face 0 is there twice.
        (4, pytest.approx((8 + 4 + 6) / 3), 2, pytest.approx((2 + 1 + 2) / 3)),
    ]
    found = [(r.protocol, r.estimate.value) for r in rows if r.metric == "age MAE, years"][-2:]
    assert found == [
        ("set test, sharpness 4 to 5.7", pytest.approx(6.0)),
        ("set test, sharpness 4 to 5.7, before", pytest.approx(5 / 3)),
    ]
    assert {row.part for row in rows} == {Part.ROBUSTNESS}


def test_the_sharpest_bin_has_no_end(pictures, monkeypatch):
    monkeypatch.setattr(sharpness, "EDGES", (0, 64, float("inf")))
    _, rows = by_sharpness(*pictures)
    assert rows[0].protocol == "set test, sharpness 64 and more"


def test_few_pictures_say_nothing(pictures, monkeypatch):
    monkeypatch.setattr(sharpness, "MIN_PICTURES", 50)
    assert by_sharpness(*pictures) == ([], [])
    [only] = notes(*pictures, [], 0)
    assert "proposed" not in only


def test_the_notes(pictures):
    curves, _ = by_sharpness(*pictures)
    sigma, width = "Gaussian blur, sigma in box widths", "width of the face box, px"
    assert list(notes(*pictures, curves, 4.5)) == [
        f"set test: median sharpness 75 as they are; by {sigma}: 20 (0.01), 4.0 (0.04); "
        f"by {width}: 11 (16).",
        "set test: proposed min_sharpness = 16, the model has 4.5: the smallest measured sharpness "
        "down to which, against the same faces as they are, no more is lost than 33 % more age "
        "MAE.",
        f"set test: less sharp than 4.5 are 0.0 % as they are; by {sigma}: 0.0 % (0.01), 66.7 % "
        f"(0.04); by {width}: 0.0 % (16).",
        f"set test: less sharp than 16 are 0.0 % as they are; by {sigma}: 0.0 % (0.01), 100.0 % "
        f"(0.04); by {width}: 50.0 % (16).",
    ]
