"""Packing: every face is found, cut and counted once, however often the run is stopped."""

import io

import numpy as np
import pytest
from PIL import Image

from mien.align import AlignSpec, align_faces
from mien.datasets import Record
from mien.detect import DetectorSettings
from mien.detect.crops import Crop
from mien.errors import InputError
from mien.images import decode, to_grey
from mien.training import prepare as module
from mien.training.packed import Packed, read_meta
from mien.training.prepare import PrepareReport, prepare

ALIGN = AlignSpec(size=64, border=1 / 16)


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
    return folder, prepare(portraits, folder, align=ALIGN, threads=1)


def test_everything_is_counted(whole):
    _, report = whole
    assert report == PrepareReport(
        total=9, found=7, missed=1, unreadable=1, dropped={"no label": 2}
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
    prepare(data, tmp_path / "p", align=ALIGN, threads=1)
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
    report = prepare(Portraits(photo), tmp_path / "p", align=ALIGN, threads=1, limit=1)
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
    monkeypatch.setattr(module, "BLOCK", 4)


def test_a_stopped_run_goes_on_where_it_was(photo, whole, tmp_path, small_blocks):
    data = Portraits(photo)
    folder = tmp_path / "p"
    with pytest.raises(Killed):
        prepare(data, folder, align=ALIGN, threads=1, progress=stop_at(4))
    with pytest.raises(InputError, match="not all images are packed"):
        Packed.load(folder)

    data.reads.clear()
    seen = []
    report = prepare(data, folder, align=ALIGN, threads=1, progress=lambda *done: seen.append(done))
    assert seen == [(8, 9), (9, 9)]
    assert "3.png" not in data.reads[2:]  # the first images are looked at for colour only
    assert report == whole[1]
    for name in ("chips.npy", "status.npy", "records.csv", "meta.json"):
        assert (folder / name).read_bytes() == (whole[0] / name).read_bytes()


def test_a_run_that_was_stopped_at_its_end(photo, whole, tmp_path, small_blocks):
    folder = tmp_path / "p"
    with pytest.raises(Killed):
        prepare(Portraits(photo), folder, align=ALIGN, threads=1, progress=stop_at(9))
    assert read_meta(folder)["complete"] is False
    report = prepare(Portraits(photo), folder, align=ALIGN, threads=1)
    assert report == whole[1]


def test_a_finished_folder_is_not_done_again(photo, whole):
    data = Portraits(photo)
    report = prepare(data, whole[0], align=ALIGN, threads=1)
    assert report == whole[1]
    assert set(data.reads) <= {"0.png"}  # looked at for colour


def test_several_threads_pack_the_same(photo, whole, tmp_path, small_blocks):
    prepare(Portraits(photo), tmp_path / "p", align=ALIGN, threads=3)
    found = np.load(tmp_path / "p" / "chips.npy")
    assert (found == np.load(whole[0] / "chips.npy")).all()


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"align": AlignSpec(size=48, border=1 / 16)},
        {"align": AlignSpec(size=64)},
        {"limit": 1},
    ],
    ids=["size", "border", "limit"],
)
def test_chips_cut_in_another_way_are_kept(photo, whole, change):
    before = (whole[0] / "chips.npy").read_bytes()
    with pytest.raises(InputError, match=r"holds chips of portraits \(9 images\) cut in another"):
        prepare(Portraits(photo), whole[0], **({"align": ALIGN, "threads": 1} | change))
    assert (whole[0] / "chips.npy").read_bytes() == before
    assert Packed.load(whole[0])  # still complete


def test_another_data_set_is_refused(photo, whole):
    other = Portraits(photo)
    other.name = "others"
    with pytest.raises(InputError, match="Name another folder or remove this one"):
        prepare(other, whole[0], align=ALIGN)


def test_no_records(photo, tmp_path):
    data = Portraits(photo, count=0)
    data.files.clear()
    with pytest.raises(InputError, match="portraits: no usable records"):
        prepare(data, tmp_path / "p", align=ALIGN)
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
    report = prepare(data, tmp_path / "p", align=ALIGN, threads=1)
    assert (report.found, report.missed) == (0, 1)
