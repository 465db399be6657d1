"""The HTML report: whole, escaped, and nothing is loaded from elsewhere."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mien.evaluation.findings import Confusion, Findings
from mien.evaluation.page import page
from mien.evaluation.report import value_and_interval

pytest.importorskip("matplotlib")

VOID = {"meta", "img", "circle", "path", "br"}


class Reader(HTMLParser):
    """Collects tags, texts of table lines, and links; complains about tags that do not match."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.lines, self.images = [], [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.links += [found[key] for key in ("href", "src") if key in found]
        if tag == "img":
            self.images.append(found)
        if tag == "tr":
            self.lines.append([])
        if tag in ("td", "th") and self.lines:
            self.lines[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and ({"td", "th"} & set(self.open)):
            self.lines[-1][-1] += data


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture
def text(report):
    return page([report])


def test_every_line_has_value_n_and_protocol(report, text):
    lines = read(text).lines
    for row in report.part():
        value, interval = value_and_interval(row)
        n = f"{row.estimate.n:,}"
        long = [row.metric, value, interval or "–", "", n, row.protocol]
        wide = any(
            line[:2] == [row.protocol, n] and f"{value} {interval}" in line for line in lines
        )
        assert long in lines or wide, row


def test_steps_of_worse_pictures_share_a_line(degraded):
    reader = read(text := page([degraded]))
    assert "<h3>Accuracy on worse pictures</h3>" in text
    assert [
        "utkface test, 16 px",
        "80",
        "9.00 4.50 to 9.00",
        "75.0 % 37.5 to 75.0",
        "60.0 % 30.0 to 60.0",
    ] in reader.lines
    assert reader.images[-1]["alt"] == "Figure: robustness"


def test_metrics_of_the_same_faces_share_a_line(text):
    lines = read(text).lines
    assert [
        "utkface test, male, age 20-29",
        "50",
        "90.0 % 80.0 to 100.0",
        "3.25 3.00 to 3.50",
    ] in lines
    assert ["utkface test, male, age 90-99", "4", "50.0 % 0.0 to 100.0", "–"] in lines


def test_small_groups_are_grey(text):
    assert re.findall(r'<tr class="small"><td>([^<]*)', text) == [
        "utkface test, age 110-119",
        "utkface test, male, age 90-99",
    ]
    assert text.count("Grey lines have fewer than 30 faces") == 2


def test_nothing_is_loaded_from_elsewhere(text):
    links = read(text).links
    assert links
    for link in links:
        assert link.startswith(("#", "data:image/png;base64,")), link[:40]
    for word in ("http:", "https:", "@import", "url(", "<script"):
        assert word not in text


def test_figures_are_inside(text):
    images = read(text).images
    assert [image["alt"] for image in images] == [
        "Figure: confusion",
        "Figure: age",
        "Figure: age coverage",
        "Figure: calibration gender",
    ]
    for image in images:
        png = base64.b64decode(image["src"].partition(",")[2], validate=True)
        assert png.startswith(b"\x89PNG")
        assert 200 < int(image["width"]) < 1200


def test_facts_and_notes(report, text):
    assert "<h1>tiny: evaluation</h1>" in text
    assert f"SHA-256 <code>{'ab' * 32}</code>" in text
    for fact in ("images</dt><dd>25", "answered</dt><dd>24", "unreadable</dt><dd>1"):
        assert fact in text
    assert '<ul class="notes"><li>ferplus test: no image is labelled fear.</li></ul>' in text
    assert 'class="notes"' not in page([replace(report, notes=())]).partition("</style>")[2]


def test_one_section_a_data_set(report):
    text = page([report, replace(report, dataset="fairface", split="val")])
    assert re.findall("<h2>(.*)</h2>", text) == ["ferplus test", "fairface val"]
    assert '<a href="#data-1">fairface val</a>' in text
    assert '<section id="data-1">' in text


def test_confusion_as_a_table(text):
    lines = read(text).lines
    assert ["neutral", "15", "0", "0", "5", "0", "0", "0", "0"] in lines
    assert "Confusion, ferplus test, majority, n = 23" in text


def test_names_are_escaped(report, make_row):
    nasty = "<b>&\"'$x"
    rows = (make_row(f"expression recall, {nasty}", 0.5, 0.4, 0.6, protocol=nasty),)
    confusion = Confusion(protocol=nasty, labels=(nasty, "b"), counts=((1, 0), (0, 1)))
    found = Findings(rows=rows, confusions=(confusion,))
    text = page([replace(report, model=nasty, dataset=nasty, notes=(nasty,), findings=found)])
    assert "<b>" not in text
    assert [f"expression recall, {nasty}", "50.0 %", "40.0 to 60.0", "", "100", nasty] in read(
        text
    ).lines


def test_shares_have_a_bar(text):
    # Accuracy 82.24 % of 96 px is 78.95.
    assert '<circle cx="79.0" cy="5.0" r="2.5" fill="#2b6cb0"/>' in text
    [line] = re.findall(r"<tr><td>age bias, years</td>.*?</tr>", text)
    assert "<svg" not in line
