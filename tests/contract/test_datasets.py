"""Promises that every reader of a data set keeps; a new one is tested without new test code."""

import pytest

from mien.datasets import GENDERS, SPLITS, datasets
from mien.errors import InputError
from mien.images import decode


@pytest.fixture(params=sorted(datasets))
def name(request):
    return request.param


AT_HAND = ("fairface", "ferplus", "utkface")
"""Sets that lie in the shared data; the others are tested on fixtures in their real format."""


@pytest.fixture(params=AT_HAND)
def at_hand(request):
    return request.param


@pytest.fixture(scope="module")
def opened(shared_data):
    """Every data set at hand, read once."""
    readers = {name: datasets[name](shared_data) for name in AT_HAND}
    return {name: (reader, list(reader.records())) for name, reader in readers.items()}


@pytest.fixture
def reader(at_hand, opened):
    return opened[at_hand][0]


@pytest.fixture
def records(at_hand, opened):
    return opened[at_hand][1]


# --- without data -------------------------------------------------------------------------------


def test_the_class_knows_its_name(name):
    assert datasets[name].name == name


def test_the_first_line_says_what_it_reads(name):
    first = datasets[name].__doc__.partition("\n")[0]
    assert len(first) > 20
    assert first.endswith(".")


def test_a_missing_path_is_one_line_that_names_it(name, tmp_path):
    with pytest.raises(InputError, match="nowhere") as caught:
        list(datasets[name](tmp_path / "nowhere").records())
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_one_line_that_names_it(name, tmp_path):
    with pytest.raises(InputError) as caught:
        list(datasets[name](tmp_path).records())
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


# --- with the real data -------------------------------------------------------------------------


def test_names_are_unique(records):
    assert len({record.name for record in records}) == len(records) > 1000


def test_every_split_is_there(records):
    assert {record.split for record in records} == set(SPLITS)


def test_every_record_has_a_label_in_range(records):
    for record in records:
        assert (record.votes, record.age_years, record.age_range, record.gender) != (None,) * 4
        assert record.votes is None or len(record.votes) == 10
        assert record.age_years is None or 0 <= record.age_years <= 120
        assert record.age_range is None or 0 <= record.age_range[0] <= record.age_range[1] <= 100
        assert record.gender in (None, *GENDERS)


def test_the_order_is_always_the_same(reader, records):
    assert list(reader.records()) == records


def test_what_is_left_out_is_counted_once(reader):
    list(reader.records())
    first = dict(reader.dropped)
    list(reader.records())
    assert reader.dropped == first


def test_images_can_be_read(reader, records):
    for record in (records[0], records[len(records) // 2], records[-1]):
        image = decode(reader.read(record.name))
        assert min(image.shape[:2]) >= 48


def test_an_unknown_image_is_one_line(reader):
    with pytest.raises(InputError, match=r"nobody\.png"):
        reader.read("nobody.png")
