"""Lines and reports as plain values."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from mien.evaluation import bootstrap
from mien.evaluation.findings import Findings, Part, lines


def test_one_line_a_metric():
    hits, years = np.array([True, False, True, True]), np.array([1.0, 2.0, 3.0, 6.0])
    found = lines(
        Part.GENDER, "set test", {"hits": bootstrap.mean(hits), "years": bootstrap.mean(years)}
    )
    assert [(row.metric, row.estimate.value, row.estimate.n) for row in found] == [
        ("hits", 0.75, 4),
        ("years", 3.0, 4),
    ]
    assert {(row.part, row.protocol) for row in found} == {(Part.GENDER, "set test")}


def test_no_faces_no_lines():
    assert lines(Part.GENDER, "set test", {"hits": bootstrap.mean(np.zeros(0))}) == []
    assert lines(Part.GENDER, "set test", {}) == []


def test_findings_add_up(report):
    both = report.findings + Findings(rows=report.findings.rows[:1])
    assert both.rows == (*report.findings.rows, report.findings.rows[0])
    assert both.confusions == report.findings.confusions
    assert Findings() + report.findings == report.findings


def test_counting_faces(report):
    assert report.findings.confusions[0].n == 15 + 5 + 3
    assert report.findings.calibrations[0].n == 8


def test_parts(report):
    assert report.part() == list(report.findings.rows)
    assert {row.part for row in report.part(Part.AGE, Part.DECADES)} == {Part.AGE, Part.DECADES}
    assert len(report.part(Part.CROSSED)) == 3


def test_a_report_is_json(report):
    mapping = report.to_dict()
    assert json.loads(json.dumps(mapping, allow_nan=False)) == mapping
    assert mapping["notes"] == ["ferplus test: no image is labelled fear."]
    assert mapping["rows"][0] == {
        "metric": "expression accuracy",
        "protocol": "ferplus test, majority",
        "part": "expression",
        "value": 0.8224,
        "low": 0.805,
        "high": 0.84,
        "n": 3152,
    }
    gap = next(row for row in mapping["rows"] if row["metric"].startswith("largest gap"))
    assert (gap["low"], gap["high"]) == (None, None)
    [confusion] = mapping["confusions"]
    assert confusion["labels"][:2] == ["neutral", "happiness"]
    assert confusion["counts"][0] == [15, 0, 0, 5, 0, 0, 0, 0]
    [calibration] = mapping["calibrations"]
    assert (calibration["what"], calibration["counts"][14]) == ("gender", 4)


def test_findings_are_frozen(report):
    with pytest.raises(FrozenInstanceError):
        report.model = "other"
