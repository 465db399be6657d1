"""Pictures of the data card: what stands in them, not how it looks."""

import io

import pytest
from PIL import Image

from mien.datasets import Record
from mien.datasets.summary import count_labels
from mien.training.data_plots import ages_figure, bars_figure, data_pictures


def faces(**labels):
    """One face for every value of one label, the first in train, the others in test."""
    [(key, values)] = labels.items()
    return [
        Record(name=str(k), split="test" if k else "train", **{key: value})
        for k, value in enumerate(values)
    ]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def ticks(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_bars_have_names_counts_and_shares():
    figure = bars_figure(count_labels(faces(gender=["male", "female", "male"])), "n = 3")
    [axes] = figure.axes
    assert ticks(axes) == ["female", "male"]
    assert texts(axes) == ["1 · 33.3 %", "2 · 66.7 %"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "test"]
    # train: no woman, one man; test: one woman, and one man who begins where training ends
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [
        (0, 0),
        (0, 1),
        (0, 1),
        (1, 1),
    ]


def test_the_largest_of_many_classes():
    records = faces(expression=[f"c{k:02}" for k in range(35)] + ["c34"])
    [axes] = bars_figure(count_labels(records), "").axes
    assert len(ticks(axes)) == 30
    assert ticks(axes)[0] == "c34"
    assert texts(axes)[0] == "2 · 5.6 %"  # of all 36, not of those that are shown
    assert axes.get_title(loc="left") == "Facial expression: the 30 largest of 35"


def test_names_are_short_and_no_formulas():
    [axes] = bars_figure(count_labels(faces(expression=["$x$", "y" * 40])), "").axes
    assert ticks(axes) == [r"\$x\$", "y" * 23 + "…"]


def test_years_are_counted_one_by_one():
    figure = ages_figure(faces(age_years=[3.9, 3.0, 50, 116]), None, "")
    [axes] = figure.axes
    heights = {
        round(bar.get_x() + bar.get_width() / 2): bar.get_height()
        for bar in axes.patches[101:]
        if bar.get_height()
    }
    assert heights == {3: 1, 50: 1, 100: 1}  # of test
    assert texts(axes) == ["median 27"]


def test_years_and_ranges_are_two_panels():
    records = faces(age_years=[3]) + faces(age_range=[(0, 2), (70, 100)])
    ranges = {part.key: part for part in count_labels(records)}["age range"]
    years, bins = ages_figure(records, ranges, "").axes
    assert years.get_title(loc="left") == "Age, years"
    assert ticks(bins) == ["0–2", "70+", "no label"]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"expression": ["anger"]}, ["classes.png"]),
        ({"gender": ["male"]}, ["classes.png"]),
        ({"age_years": [3]}, ["ages.png"]),
        ({"age_range": [(0, 2)]}, ["ages.png"]),
        ({"group": ["White"]}, ["groups.png"]),
        ({"person": ["p"]}, []),
    ],
)
def test_pictures_as_labels_allow(labels, names):
    records = faces(**labels)
    drawn = data_pictures("x", count_labels(records), records)
    assert list(drawn) == names
    for png in drawn.values():
        with Image.open(io.BytesIO(png)) as image:
            assert image.format == "PNG"
            assert image.width == 936  # 7.2 inches
            assert image.height > 150
