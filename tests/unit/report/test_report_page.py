"""The page: whole, harmless, without a network, and every figure one that plotly accepts."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from followed import followed, person, talk, write

from mien.report import charts
from mien.report import page as pages
from mien.report.collect import collect
from mien.report.figures import EPOCH_MS, short, slug, to_json
from mien.report.page import page
from mien.report.pieces import time_text
from mien.report.strip import Points
from mien.report.tables import open_table
from mien.report.timelines import NOT_SEEN, overview, stacked, timeline
from mien.results import FrameResult
from mien.rows import TableColumns
from mien.sinks import open_sink
from mien.sinks.colours import EXPRESSIONS, expression_colours


@pytest.fixture
def contents(tmp_path):
    def read(results, name="people.parquet"):
        path = tmp_path / name
        write(open_sink(path, columns=TableColumns(smoothed=True)), results)
        return collect([open_table(path)])

    return read


class Outline(HTMLParser):
    """Text and tags outside of scripts and styles, and what scripts of data hold."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self.data, self.open = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        if inside == "script" and self.tags[-1][1].get("type") == "application/json":
            self.data.append(json.loads(data))
        elif inside not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_the_page_names_everybody(contents):
    outline = Outline(page(contents(talk())))
    assert outline.open == []
    assert "People in clip.mp4" in outline.text
    for words in ("Person 1", "age 34", "female 90", "seen for 6.0 s", "happiness 38", "Person 2"):
        assert words in outline.text
    assert "apparent" in outline.text
    assert "names nobody" in outline.text


def test_nothing_is_loaded_from_elsewhere(contents):
    outline = Outline(page(contents(talk())))
    for tag, attributes in outline.tags:
        assert tag not in ("link", "iframe", "object", "base")
        for name in ("src", "href", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    policies = [a["content"] for tag, a in outline.tags if tag == "meta" and "http-equiv" in a]
    assert policies
    assert "default-src 'none'" in policies[0]


def test_plotly_is_there_once(contents):
    html = page(contents([*talk(source="a.mp4"), *talk(source="b.mp4")]))
    assert html.count("plotly.js v") == 1
    assert len(html) < 7e6


def test_names_cannot_become_markup(contents):
    evil = "</script><b onload=x>&amp;'\".mp4"
    html = page(contents(talk(source=evil)), title="<i>title</i>", remarks=["<u>remark</u>"])
    outline = Outline(html)
    assert {tag for tag, _ in outline.tags}.isdisjoint({"b", "u"})
    assert "<i>title</i>" in outline.text
    assert "<u>remark</u>" in outline.text
    assert not any("onload" in attributes for _, attributes in outline.tags)


def test_balance_is_shown_only_when_asked_for(contents):
    found = contents(talk())
    assert "balance" not in Outline(page(found)).text
    text = Outline(page(found, with_balance=True)).text
    assert "+0.38" in text
    assert "no validated measure" in text


def test_pictures_are_embedded(contents):
    html = page(contents(talk()), pictures={0: {2: b"\xff\xd8jpeg"}})
    images = [a for tag, a in Outline(html).tags if tag == "img"]
    assert [image["alt"] for image in images] == ["Key frame of person 2"]
    assert images[0]["src"] == "data:image/jpeg;base64,/9hqcGVn"


def test_clips_and_pictures_have_sections(contents):
    still = FrameResult(source="a.jpg", faces=(person(None),))
    outline = Outline(page(contents([*talk(source="x/a.mp4"), *talk(source="x/b.mp4"), still])))
    sections = [a["id"] for tag, a in outline.tags if tag == "section" and "id" in a]
    assert sections == ["clip-0", "clip-1", "pictures"]
    links = [a["href"] for tag, a in outline.tags if tag == "a"]
    assert links == ["#content", "#clip-0", "#clip-1", "#pictures"]
    assert "People in 2 clips and 1 picture" in outline.text


def test_nobody_is_said_so(contents):
    assert "Nobody was followed" in Outline(page(contents(followed([0.0], lambda _: [])))).text
    assert "No faces" in Outline(page(contents([]))).text


def test_many_people_are_folded_and_bounded(contents, monkeypatch):
    monkeypatch.setattr(pages, "DRAWN", 15)

    def crowd(time_s):
        return (person(k, years=20 + k) for k in range(20) if time_s <= k / 10)

    html = page(contents(followed([k / 10 for k in range(20)], crowd)))
    outline = Outline(html)
    assert "Time lines of 3 more people" in outline.text
    assert "the 15 people who are seen longest; the table lists all 20" in outline.text
    assert sum(tag == "tr" for tag, _ in outline.tags) == 21
    # 15 time lines, the overview, ages and counts; those seen longest are in the open.
    assert len(outline.data) == 18


def test_answers_that_were_not_asked_for_are_left_out(contents):
    def nameless(_):
        face = person(1)
        yield type(face)(box=face.box, score=0.9, track_id=1, quality=face.quality)

    outline = Outline(page(contents(followed([0.0, 0.1], nameless))))
    assert outline.data == []
    assert "seen from" in outline.text


def test_words_for_those_who_do_not_see_the_figures(contents):
    outline = Outline(page(contents(talk())))
    plots = [a for tag, a in outline.tags if a.get("class") == "plot"]
    sliders = [a for a in plots if a["role"] == "slider"]
    assert len(plots) == len(outline.data) == 5
    assert all(a["aria-label"] for a in plots)
    assert [a["aria-label"][-24:] for a in sliders] == [
        "neutral 63 %, happiness 38 %"[-24:],
        "surprise 60 %, fear 40 %"[-24:],
    ]
    buttons = [a for tag, a in outline.tags if tag == "button"]
    assert len(buttons) == 10
    assert "Download as SVG" in buttons[0]["aria-label"]


# --- figures -------------------------------------------------------------------------------------


def figure(drawing):
    """As the browser gets it, with numbers unpacked; plotly has checked it."""

    def unpack(value):
        if isinstance(value, dict) and "bdata" in value:
            import base64

            return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()
        if isinstance(value, dict):
            return {key: unpack(item) for key, item in value.items()}
        return [unpack(item) for item in value] if isinstance(value, list) else value

    return unpack(json.loads(to_json(drawing)))


def test_areas_fill_a_hundred_per_cent_wherever_somebody_is_seen(contents):
    clip = contents(talk()).clips[0]
    data = figure(timeline(clip, clip.people()[1], "x"))["data"]
    assert [trace["name"] for trace in data] == [*EXPRESSIONS, NOT_SEEN]
    times = np.array(data[0]["x"]) - EPOCH_MS
    heights = np.array([trace["y"] for trace in data])
    assert (heights.sum(axis=0) == 100).all()
    gone = heights[-1] == 100
    assert times[gone].tolist() == [999, 3001, 3999, 6001]
    assert data[2]["y"][1:-1].count(60) == (~gone).sum()


def test_percents_add_up_and_are_the_nearest():
    shares = np.array([[1 / 3, 1 / 3, 1 / 3], [0.005, 0.99, 0.005], [0.126, 0.377, 0.497]])
    end = np.array([1.0, 2.0, 3.0])
    _, percents, seen = stacked(Points(end - 1, end - 0.5, end, shares))
    assert percents[seen].sum(axis=1).tolist() == [100] * 5
    assert percents[4].tolist() == [13, 38, 49] or percents[4].tolist() == [12, 38, 50]
    assert np.abs(percents[seen][1:4] - 100 * shares).max() < 1


def test_the_overview_joins_equal_neighbours(contents):
    clip = contents(talk()).clips[0]
    data = {trace["name"]: trace for trace in figure(overview(clip, clip.people(), "x"))["data"]}
    assert set(data) == {"neutral", "happiness", "surprise"}
    bars = data["surprise"]
    spans = sorted(zip(bars["base"], bars["x"], strict=True))
    assert [(a - EPOCH_MS, a + b - EPOCH_MS) for a, b in spans] == [(1000, 3000), (4000, 6000)]
    assert bars["y"] == [1, 1]
    assert bars["customdata"] == [60, 60]


def test_ages_show_the_interval_with_and_without_a_distribution(contents):
    people = contents(talk()).clips[0].people()
    whole = figure(charts.ages(people, "x", title="x"))["data"]
    plain = contents(talk(), "people.csv").clips[0].people()
    points = figure(charts.ages(plain, "x", title="x"))["data"]
    assert len(whole) == 10
    assert len(points) == 4
    assert points[-1]["x"] == pytest.approx([34.0], abs=0.1)
    low, high = points[-2]["x"]
    assert high - low == pytest.approx(2 * 1.2816 * 3, abs=0.6)  # 80 % of a bell of 3 years


def test_counts_by_group_and_gender():
    found = {("0-12", "male"): 2, ("26-59", "female"): 3, (None, "female"): 1, ("60+", None): 4}
    drawing = charts.counts(
        found, ["0-12", "26-59", "60+"], ["female", "male"], unit="faces", name="x", title="x"
    )
    bars = {trace["name"]: trace for trace in figure(drawing)["data"]}
    assert bars["female"]["x"] == ["0-12", "26-59", "60+", "not answered"]
    assert bars["female"]["y"] == [0, 3, 0, 1]
    assert bars["male"]["y"] == [2, 0, 0, 0]
    assert bars["not answered"]["y"] == [0, 0, 4, 0]


def test_data_cannot_end_their_script(contents):
    clip = contents(talk(source="</script>.mp4")).clips[0]
    assert "<" not in to_json(overview(clip, clip.people(), "x"))


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (7.46, "7.5 s"), (60, "1:00 min"), (123.4, "2:03 min"), (7200, "2:00:00 h")],
)
def test_durations_read_naturally(seconds, words):
    assert time_text(seconds) == words


@pytest.mark.parametrize(
    ("source", "name", "stem"),
    [
        ("/a/b/talk one.mp4", "talk one.mp4", "talk-one"),
        ("C:\\clips\\x.mov", "x.mov", "x"),
        ("rtsp://host/stream", "stream", "stream"),
        ("0", "0", "0"),
        ("//", "//", "clip"),
    ],
)
def test_sources_have_short_names(source, name, stem):
    assert short(source) == name
    assert slug(source) == stem


def test_colours_stay_with_their_expression():
    assert expression_colours(["anger", "joy", "neutral"])["anger"] == EXPRESSIONS["anger"]
    colours = expression_colours(["joy", "anger", "bored"])
    assert len({colours["joy"], colours["bored"], colours["anger"]}) == 3
    assert all(re.fullmatch(r"\(\d+, \d+, \d+\)", str(colour)) for colour in colours.values())
