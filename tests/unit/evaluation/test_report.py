"""Reports as text: the right unit for every number, and nothing else in a file is touched."""

import json
import re
from dataclasses import replace

import pytest

from mien.errors import InputError, MissingExtraError, OutputError
from mien.evaluation.findings import Part
from mien.evaluation.report import (
    BEGIN,
    END,
    check_ending,
    class_tables,
    confusion_table,
    format_value,
    headline_rows,
    insert_table,
    is_share,
    markdown,
    split_at_markers,
    table,
    wide_table,
    write_report,
    write_text,
)


@pytest.mark.parametrize(
    ("metric", "value", "low", "high", "text"),
    [
        ("expression accuracy", 0.8224, 0.8051, 0.84, "82.2 % (80.5 to 84.0)"),
        ("expression macro-F1", 0.7, 0.65, 0.75, "70.0 % (65.0 to 75.0)"),
        ("expression recall, contempt", 0.25, 0.0, 0.5, "25.0 % (0.0 to 50.0)"),
        ("expression top-1 over 9 columns", 0.8, 0.79, 0.81, "80.0 % (79.0 to 81.0)"),
        ("expression MAE over 9 columns", 0.05781, 0.0567, 0.0589, "0.0578 (0.0567 to 0.0589)"),
        ("expression calibration error, 15 bins", 0.0231, 0.02, 0.03, "0.0231 (0.0200 to 0.0300)"),
        ("gender calibration error, 15 bins", 0.0, 0.0, 0.1, "0.0000 (0.0000 to 0.1000)"),
        ("age MAE, years", 4.987, 4.8, 5.2, "4.99 (4.80 to 5.20)"),
        ("age within 5 years", 0.634, 0.61, 0.655, "63.4 % (61.0 to 65.5)"),
        ("80 % age interval covers", 0.8, 0.78, 0.82, "80.0 % (78.0 to 82.0)"),
        ("80 % age interval width, years", 15.25, 14, 16.5, "15.25 (14.00 to 16.50)"),
        ("expression confidence", 0.8, 0.75, 0.85, "80.0 % (75.0 to 85.0)"),
        ("age in labelled bin", 0.5, 0.4, 0.6, "50.0 % (40.0 to 60.0)"),
        ("gender accuracy, labelled male", 1.0, 1.0, 1.0, "100.0 % (100.0 to 100.0)"),
        ("largest gap between groups, gender accuracy", 0.042, None, None, "4.2 points"),
        ("largest gap between groups, age MAE, years", 2.31, None, None, "2.31"),
        ("age bias, years", 0.524, -0.1, 1.14, "+0.52 (-0.10 to +1.14)"),
        ("expression MAE, fear", 0.0312, 0.03, 0.04, "0.0312 (0.0300 to 0.0400)"),
        ("expression recall, years", 0.25, 0.0, 0.5, "25.0 % (0.0 to 50.0)"),
    ],
)
def test_units(make_row, metric, value, low, high, text):
    ends = () if low is None else (low, high)
    row = make_row(metric, value, *ends)
    assert format_value(row) == text
    assert is_share(row) == ("%" in text or "points" in text)


def test_table_by_hand(make_row):
    rows = [make_row("gender accuracy", 0.5, 0.25, 0.75, n=8, protocol="utkface test")]
    assert table(rows).splitlines() == [
        "| metric | value (95 % interval) | n | protocol |",
        "| --- | --- | --- | --- |",
        "| gender accuracy | 50.0 % (25.0 to 75.0) | 8 | utkface test |",
    ]


def test_a_class_cannot_break_a_table(make_row, make_confusion):
    rows = [make_row("expression recall, a|b\nc", 0.5, protocol="1 \\ 2")]
    assert table(rows).splitlines()[2:] == [
        r"| expression recall, a\|b c | 50.0 % | 100 | 1 \\ 2 |"
    ]
    lines = confusion_table(make_confusion([[1, 0], [0, 1]], ("a|b", "c"))).splitlines()
    assert [line.replace(r"\|", "").count("|") for line in lines] == [4] * 4


def test_classes_by_hand(report):
    assert class_tables(report).splitlines() == [
        "By class, majority:",
        "",
        "| class | recall | n | precision | n |",
        "| --- | --- | --- | --- | --- |",
        "| contempt | 25.0 % (0.0 to 50.0) | 16 | 50.0 % (0.0 to 100.0) | 2 |",
        "| fear | 75.0 % (70.0 to 80.0) | 83 | – | 0 |",
        "",
        "By class, votes:",
        "",
        "| class | MAE | n |",
        "| --- | --- | --- |",
        "| fear | 0.0312 (0.0300 to 0.0400) | 3573 |",
    ]


def test_headlines_are_whole_splits(report):
    rows = headline_rows([report, report])
    assert rows[:8] == rows[8:]
    assert [row.metric for row in rows[:8]] == [
        "expression accuracy",
        "expression MAE over 9 columns",
        "expression calibration error, 15 bins",
        "age MAE, years",
        "age within 5 years",
        "80 % age interval covers",
        "gender accuracy",
        "gender calibration error, 15 bins",
    ]
    assert [row.protocol for row in rows if row.metric == "age MAE, years"] == [
        "utkface test, all ages"
    ] * 2


def test_confusion_table_by_hand(report):
    lines = confusion_table(report.findings.confusions[0]).splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("| labelled \\ predicted | neutral | happiness |")
    assert lines[2] == "| neutral | 15 | 0 | 0 | 5 | 0 | 0 | 0 | 0 |"
    assert {line.count("|") for line in lines} == {10}


def test_markdown_says_what_was_measured(report):
    text = markdown([report])
    assert "## tiny on ferplus test" in text
    assert "24 of 25 images answered, detector `crop`, 1 unreadable" in text
    assert "ab" * 32 in text
    assert "`.\n\n- ferplus test: no image is labelled fear.\n\n| metric" in text
    assert table(report.part()) in text
    [confusion] = report.findings.confusions
    assert f"Confusion, ferplus test, majority, n = 23:\n\n{confusion_table(confusion)}" in text
    assert "`.\n\n| metric" in markdown([replace(report, notes=())])


def test_crossed_groups_can_be_left_out(report):
    text = markdown([report], crossed=False)
    assert "male, age 20-29" not in text
    assert "3 more lines, by groups of gender, age and race together" in text
    assert "more lines" not in markdown([report])
    rows = tuple(row for row in report.findings.rows if row.part is not Part.CROSSED)
    without = replace(report, findings=replace(report.findings, rows=rows))
    assert "more lines" not in markdown([without], crossed=False)


def test_worse_pictures_have_one_line_a_step(degraded):
    text = markdown([degraded])
    assert "Accuracy on worse pictures, with 95 % intervals:\n\n" in text
    assert (
        "| protocol | n | age MAE, years | gender accuracy | expression confidence |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| utkface test, as found | 80 | 5.00 (2.50 to 5.00) | 95.0 % (47.5 to 95.0) | "
        "80.0 % (40.0 to 80.0) |\n"
    ) in text
    assert text.count("utkface test, 16 px") == 1


def test_what_one_line_does_not_have(make_row):
    rows = [make_row("a", 0.5, n=8), make_row("b", 0.25, n=8), make_row("b", 0.75, n=9)]
    assert wide_table(rows).splitlines() == [
        "| protocol | n | a | b |",
        "| --- | --- | --- | --- |",
        "| utkface test | 8 | 50.0 % | 25.0 % |",
        "| utkface test | 9 | – | 75.0 % |",
    ]
    assert wide_table([]) == ""


# --- files ------------------------------------------------------------------------------------


def test_a_json_report_holds_every_row(report, tmp_path):
    path = tmp_path / "report.json"
    write_report(path, [report])
    [found] = json.loads(path.read_text("utf-8"))
    assert found == report.to_dict()
    assert found["curves"] == []
    assert len(found["rows"]) == len(report.findings.rows)
    gap = next(row for row in found["rows"] if row["value"] == 2.31)
    assert (gap["low"], gap["high"]) == (None, None)  # NaN is no JSON


def test_a_markdown_report(report, tmp_path):
    path = tmp_path / "report.md"
    write_report(path, [report])
    assert path.read_text("utf-8") == markdown([report])
    assert list(tmp_path.iterdir()) == [path]


def test_an_html_report(report, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "report.html"
    write_report(path, [report])
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", ["report.csv", "report", "report.htm"])
def test_another_ending_is_refused(report, tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: a report ends in \.json, \.md or \.html"):
        write_report(tmp_path / name, [report])
    with pytest.raises(InputError, match="ends in"):
        check_ending(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_page_needs_the_library_that_draws(report, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.evaluation.canvas.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"an HTML report needs .* 'mien\[plots\]'"):
        check_ending(tmp_path / "report.html")
    check_ending(tmp_path / "report.md")


def test_a_missing_folder_is_one_line(report, tmp_path):
    with pytest.raises(OutputError, match="does not exist") as caught:
        write_report(tmp_path / "no" / "report.md", [report])
    assert "\n" not in str(caught.value)


def test_line_ends_are_the_same_everywhere(tmp_path):
    write_text(tmp_path / "text.md", "one\ntwo\n")
    assert (tmp_path / "text.md").read_bytes() == b"one\ntwo\n"


# --- the table inside a file ------------------------------------------------------------------


def readme(tmp_path, text):
    path = tmp_path / "README.md"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "inside", ["\n", "", "\n| old | table |\n"], ids=["empty", "nothing", "table"]
)
@pytest.mark.parametrize(
    ("before", "after"),
    [("# mien\n\n", "\n\nmore\n"), ("", ""), ("Größe\r\n", f"\r\n{BEGIN} twice {END}\r\n")],
    ids=["usual", "alone", "line ends"],
)
def test_only_what_is_between_the_markers_changes(report, tmp_path, before, after, inside):
    path = readme(tmp_path, f"{before}{BEGIN}{inside}{END}{after}")
    insert_table(path, [report])
    body = table(headline_rows([report]))
    assert path.read_bytes().decode() == f"{before}{BEGIN}\n{body}\n{END}{after}"


def test_inserting_twice_changes_nothing(report, tmp_path):
    path = readme(tmp_path, f"a\n{BEGIN}\n{END}\nb\n")
    insert_table(path, [report])
    once = path.read_bytes()
    insert_table(path, [report])
    assert path.read_bytes() == once


@pytest.mark.parametrize("text", ["", "no markers", BEGIN, END, f"{END}\nlost?\n{BEGIN}\n"])
def test_a_file_without_markers_stays_as_it_is(report, tmp_path, text):
    path = readme(tmp_path, text)
    with pytest.raises(InputError, match=re.escape(f"{path}: the lines {BEGIN} and {END}")):
        insert_table(path, [report])
    assert path.read_text("utf-8") == text


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"README\.md: cannot be read: No such file"):
        split_at_markers(tmp_path / "README.md")


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "README.md"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"README\.md: is not UTF-8 text"):
        split_at_markers(path)
