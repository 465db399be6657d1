"""Packing: every face is found, cut and counted once, however often the run is stopped."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mien.align import AlignSpec, align_faces
from mien.datasets import Record
from mien.detect import DetectorSettings
from mien.detect.crops import Crop
from mien.errors import ConfigError, InputError, OutputError
from mien.images import decode, to_grey
from mien.training import packing
from mien.training.packed import Packed, read_meta, write_meta
from mien.training.prepare import PrepareReport, PrepareSettings
from mien.training.prepare import prepare as prepare_with

ALIGN = AlignSpec(size=64, border=1 / 16)


def prepare(dataset, folder, *, progress=None, searching=None, **settings):
    """One thread and no search for copies, unless a test says otherwise."""
    usual = {"align": ALIGN, "threads": 1, "duplicate_distance": None}
    return prepare_with(
        dataset,
        folder,
        PrepareSettings(**usual | settings),
        progress=progress,
        searching=searching,
    )


class Portraits:
    """Variations of one portrait, a wall and a broken file."""

    name = "portraits"

    def __init__(self, photo, *, grey=False, count=7):
        self.dropped = {"no label": 2}
        self.reads = []
        self.files = {f"{k}.png": png(variation(photo, k, grey=grey)) for k in range(count)}
        self.files["wall.png"] = png(np.full((120, 100, 3), 128, np.uint8))
        self.files["broken.png"] = b"not a picture"

    def records(self):
        for k, name in enumerate(self.files):
            split = ("train", "train", "val")[k % 3]
            yield Record(name=name, split=split, age_years=float(30 + k))

    def read(self, name):
        self.reads.append(name)
        return self.files[name]


def variation(photo, k, *, grey):
    """The head of the portrait, shifted and darkened in its own way."""
    image = photo[10 + 2 * k : 290 - 3 * k, 90 + k : 360 - 2 * k].astype(float) * (1 - 0.05 * k)
    image = image.astype(np.uint8)
    return np.repeat(to_grey(image), 3, axis=2) if grey else image


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def portraits(photo):
    return Portraits(photo)


@pytest.fixture(scope="module")
def whole(portraits, tmp_path_factory):
    """A folder that was packed without a stop, and its report."""
    folder = tmp_path_factory.mktemp("packed") / "whole"
    return folder, prepare(portraits, folder)


def test_everything_is_counted(whole):
    _, report = whole
    assert report == PrepareReport(
        total=9,
        found=7,
        missed=1,
        unreadable=1,
        copies=0,
        duplicates=None,
        shared_people=0,
        dropped={"no label": 2},
        pictures=("ages.png",),
    )


def test_labels_stand_beside_the_chips(whole, portraits):
    packed = Packed.load(whole[0])
    assert packed.records == list(portraits.records())
    assert packed.found.tolist() == [True] * 7 + [False] * 2
    assert packed.dataset == "portraits"
    assert packed.chips.shape == (9, 72, 72, 3)


def test_faces_that_were_not_found_are_empty(whole):
    chips = Packed.load(whole[0]).chips
    assert not chips[7:].any()
    assert all(chip.std() > 10 for chip in chips[:7])


def assert_same_chip(found, expected):
    """Equal but for single grey levels: OpenCV rounds places to 1/32 of a pixel."""
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 4
    assert (difference > 0).mean() < 0.02


def test_the_middle_is_the_chip_that_serving_cuts(whole, portraits):
    finder = Crop(DetectorSettings(min_score=0.3, threads=1))
    for k, chip in enumerate(Packed.load(whole[0]).chips[:7]):
        image = decode(portraits.files[f"{k}.png"])
        [served] = align_faces(image, finder.find([image]), AlignSpec(size=64))
        assert_same_chip(chip[4:-4, 4:-4], served)


def test_the_border_holds_more_of_the_picture(whole):
    chip = Packed.load(whole[0]).chips[0]
    assert chip[:4].std() > 5


def test_grey_faces_take_one_channel(photo, tmp_path):
    data = Portraits(photo, grey=True, count=2)
    prepare(data, tmp_path / "p")
    packed = Packed.load(tmp_path / "p")
    assert packed.chips.shape == (4, 72, 72, 1)
    image = decode(data.files["0.png"])
    [served] = align_faces(
        image,
        Crop(DetectorSettings(min_score=0.3, threads=1)).find([image]),
        AlignSpec(size=64),
    )
    assert_same_chip(packed.chips[0, 4:-4, 4:-4], to_grey(served))


def test_a_limit_counts_every_split_by_itself(photo, tmp_path):
    report = prepare(Portraits(photo), tmp_path / "p", limit=1)
    assert report.total == 2
    assert [r.split for r in Packed.load(tmp_path / "p").records] == ["train", "val"]


# --- stopped runs -----------------------------------------------------------------------------


class Killed(BaseException):
    pass


def stop_at(wanted):
    def progress(done, total):
        assert total == 9
        if done == wanted:
            raise Killed

    return progress


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(packing, "BLOCK", 4)


def test_a_stopped_run_goes_on_where_it_was(photo, whole, tmp_path, small_blocks):
    data = Portraits(photo)
    folder = tmp_path / "p"
    with pytest.raises(Killed):
        prepare(data, folder, progress=stop_at(4))
    with pytest.raises(InputError, match="not all images are packed"):
        Packed.load(folder)

    data.reads.clear()
    seen = []
    report = prepare(data, folder, progress=lambda *done: seen.append(done))
    assert seen == [(8, 9), (9, 9)]
    assert "3.png" not in data.reads[2:]  # the first images are looked at for colour only
    assert report == whole[1]
    for name in ("chips.npy", "status.npy", "records.csv", "meta.json", "card.md"):
        assert (folder / name).read_bytes() == (whole[0] / name).read_bytes()


def test_a_run_that_was_stopped_at_its_end(photo, whole, tmp_path, small_blocks):
    folder = tmp_path / "p"
    with pytest.raises(Killed):
        prepare(Portraits(photo), folder, progress=stop_at(9))
    assert read_meta(folder)["complete"] is False
    report = prepare(Portraits(photo), folder)
    assert report == whole[1]


def test_a_finished_folder_is_not_done_again(photo, whole):
    data = Portraits(photo)
    report = prepare(data, whole[0])
    assert report == whole[1]
    assert set(data.reads) <= {"0.png"}  # looked at for colour


def test_several_threads_pack_the_same(photo, whole, tmp_path, small_blocks):
    prepare(Portraits(photo), tmp_path / "p", threads=3)
    found = np.load(tmp_path / "p" / "chips.npy")
    assert (found == np.load(whole[0] / "chips.npy")).all()


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"align": AlignSpec(size=48, border=1 / 16)}, "size or alignment"),
        ({"align": AlignSpec(size=64)}, "size or alignment"),
        ({"detector": "whole"}, "detector"),
        ({"options": {"fold": 1}}, "options"),
        ({"limit": 1}, "limit and number of images and list of images"),
    ],
    ids=["size", "border", "detector", "options", "limit"],
)
def test_chips_cut_in_another_way_are_kept(photo, whole, change, words):
    before = (whole[0] / "chips.npy").read_bytes()
    text = r"holds chips of portraits \(9 images\) with another "
    with pytest.raises(InputError, match=text + words):
        prepare(Portraits(photo), whole[0], **change)
    assert (whole[0] / "chips.npy").read_bytes() == before
    assert Packed.load(whole[0])  # still complete


def test_another_data_set_is_refused(photo, whole):
    other = Portraits(photo)
    other.name = "others"
    with pytest.raises(InputError, match="Name another folder or remove this one"):
        prepare(other, whole[0])


def test_no_records(photo, tmp_path):
    data = Portraits(photo, count=0)
    data.files.clear()
    with pytest.raises(InputError, match="portraits: no usable records"):
        prepare(data, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_a_face_whose_points_coincide_is_missed(photo, tmp_path, monkeypatch):
    found = Crop.find

    def collapsed(self, images):
        faces = found(self, images)
        point = faces[0].landmarks.nose
        marks = faces[0].landmarks._replace(
            right_eye=point, left_eye=point, right_mouth=point, left_mouth=point
        )
        return [type(faces[0])(box=faces[0].box, score=1.0, landmarks=marks)]

    monkeypatch.setattr(Crop, "find", collapsed)
    data = Portraits(photo, count=1)
    del data.files["wall.png"], data.files["broken.png"]
    report = prepare(data, tmp_path / "p")
    assert (report.found, report.missed) == (0, 1)


def test_a_damaged_store_is_one_line(photo, tmp_path):
    data = Portraits(photo, count=1)
    prepare(data, tmp_path / "p")
    (tmp_path / "p" / "status.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"status\.npy is missing or damaged\. Remove the folder"):
        prepare(data, tmp_path / "p")


def test_other_images_in_the_same_number(photo, tmp_path):
    data = Portraits(photo, count=1)
    prepare(data, tmp_path / "p")
    data.files["renamed.png"] = data.files.pop("0.png")
    with pytest.raises(InputError, match="with another list of images"):
        prepare(data, tmp_path / "p")


def test_a_full_disk_is_noticed_before(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OutputError, match=r"the chips need 0\.0 GB and 0\.0 GB are free"):
        prepare(Portraits(photo, count=1), tmp_path / "p")


@pytest.mark.parametrize("below", ["", "more/below"])
def test_a_file_in_the_way(photo, tmp_path, below):
    (tmp_path / "file").write_text("mine")
    data = Portraits(photo)
    with pytest.raises(OutputError, match=r"is a file, not a folder\. Choose another"):
        prepare(data, tmp_path / "file" / below)
    assert data.reads == []
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"threads": -1}, "threads must be at least 0, got -1"),
        ({"duplicate_distance": 33}, "duplicate_distance must lie between 0 and 32, got 33"),
        ({"drop_duplicates": True}, "cannot be dropped when they are not searched"),
        ({"detector": "crops"}, r"found by crop or whole, got 'crops'\. Did you mean 'crop'"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ConfigError, match=message):
        PrepareSettings(**{"align": ALIGN, "duplicate_distance": None} | settings)


def test_no_threads_named_means_all_cores():
    assert PrepareSettings(align=ALIGN).workers >= 1
    assert PrepareSettings(align=ALIGN, threads=3).workers == 3


# --- folders of the first version -------------------------------------------------------------


def test_an_old_folder_is_brought_up_to_date(photo, tmp_path):
    data = Portraits(photo)
    folder = tmp_path / "p"
    report = prepare(data, folder)
    meta = read_meta(folder)
    old = {key: meta[key] for key in ("dataset", "total", "align", "channels")}
    write_meta(folder, old | {"version": 1, "complete": True})
    (folder / "card.md").unlink()
    assert Packed.load(folder).found.sum() == 7
    data.reads.clear()
    assert prepare(data, folder) == report
    assert set(data.reads) <= {"0.png"}
    assert read_meta(folder) == meta
    assert (folder / "card.md").exists()


# --- the detector `whole` ---------------------------------------------------------------------


def test_whole_takes_every_image_as_it_is(photo, tmp_path):
    from mien.detect import Whole

    data = Portraits(photo, count=2)
    report = prepare(data, tmp_path / "p", detector="whole")
    assert (report.found, report.missed, report.unreadable) == (3, 0, 1)  # the wall, too
    image = decode(data.files["1.png"])
    [served] = align_faces(
        image, Whole(DetectorSettings(min_score=0)).detect([image])[0], AlignSpec(size=64)
    )
    assert_same_chip(Packed.load(tmp_path / "p").chips[1, 4:-4, 4:-4], served)
    assert read_meta(tmp_path / "p")["detector"] == "whole"


# --- copies and people across splits ----------------------------------------------------------


class Copies(Portraits):
    """Portraits 0 and 1 (train) again as test and val; one person is everywhere."""

    def __init__(self, photo):
        super().__init__(photo, count=3)
        self.files = {k: self.files[k] for k in ("0.png", "1.png")}
        grey = np.full((90, 90, 3), 20, np.uint8)
        self.files |= {"again.png": self.files["0.png"], "val.png": self.files["1.png"]}
        self.files["dark.png"] = png(grey)

    def records(self):
        splits = {"0.png": "train", "1.png": "train", "again.png": "test", "val.png": "val"}
        for name in self.files:
            yield Record(
                name=name,
                split=splits.get(name, "test"),
                gender="female",
                person="she" if name in ("0.png", "again.png") else name,
            )


def left_out(folder):
    lines = (folder / "records.csv").read_text().splitlines()
    return {line.split(",")[0]: line.split(",")[-1] for line in lines[1:]}


@pytest.fixture(scope="module")
def alike(photo, tmp_path_factory):
    """Two exact copies across splits; the portraits themselves may count as copies, too."""
    folder = tmp_path_factory.mktemp("alike") / "p"
    return folder, prepare(Copies(photo), folder, duplicate_distance=0)


def test_copies_are_counted_and_stay(alike):
    folder, report = alike
    assert report.duplicates == 2
    assert report.copies == 0
    assert report.found == 4
    assert Packed.load(folder).found.tolist() == [True] * 4 + [False]
    rows = (folder / "duplicates.csv").read_text().splitlines()
    assert rows[1:] == [
        "again.png,test,0.png,train,0,1.000,yes",
        "val.png,val,1.png,train,0,1.000,yes",
    ]


def test_the_record_of_the_search(alike):
    assert read_meta(alike[0])["duplicates"] == {
        "distance": 0,
        "correlation": 0.7,
        "pairs": 2,
        "splits": {"test, train": 1, "val, train": 1},
        "touched": {"test": 1, "val": 1},
        "labels_disagree": 0,
    }


def test_people_in_several_splits_are_counted(alike):
    assert alike[1].shared_people == 1


def test_copies_can_be_left_out_and_brought_back(photo, alike, tmp_path):
    folder = tmp_path / "p"
    report = prepare(Copies(photo), folder, duplicate_distance=0, drop_duplicates=True)
    assert (report.found, report.copies, report.duplicates) == (2, 2, 2)
    assert report.shared_people == 0  # only the test photo of her is left
    assert Packed.load(folder).found.tolist() == [False, False, True, True, False]
    assert left_out(folder) == {
        "0.png": "copy of a photo in another split",
        "1.png": "copy of a photo in another split",
        "again.png": "",
        "val.png": "",
        "dark.png": "no face found",
    }
    data = Copies(photo)
    report = prepare(data, folder, duplicate_distance=0)
    assert report == alike[1]
    assert "again.png" not in data.reads  # the chips are still there
    for name in ("chips.npy", "status.npy", "records.csv", "meta.json", "card.md"):
        assert (folder / name).read_bytes() == (alike[0] / name).read_bytes()


def test_no_search_leaves_no_old_table(photo, tmp_path):
    prepare(Copies(photo), tmp_path / "p", duplicate_distance=0)
    report = prepare(Copies(photo), tmp_path / "p")
    assert report.duplicates is None
    assert not (tmp_path / "p" / "duplicates.csv").exists()


def test_the_search_reports_progress(photo, tmp_path):
    seen = []
    prepare(
        Copies(photo),
        tmp_path / "p",
        duplicate_distance=0,
        searching=lambda *done: seen.append(done),
    )
    assert seen[-1] == (4, 4)  # of the four faces that were found


# --- colour -----------------------------------------------------------------------------------


def test_colour_anywhere_among_grey_faces_is_seen(photo, tmp_path):
    data = Portraits(photo, grey=True, count=3)
    data.files["zz.png"] = png(variation(photo, 1, grey=False))
    prepare(data, tmp_path / "p")
    assert Packed.load(tmp_path / "p").chips.shape[3] == 3
