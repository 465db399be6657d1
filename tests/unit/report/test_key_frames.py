"""Key frames show the face at the clearest moment, or one line says why there are none."""

import io

import numpy as np
import pytest
from clips import Actor, evenly, frames, line, write_clip
from followed import followed, person, write
from PIL import Image

from mien.report.collect import collect
from mien.report.key_frames import SIDE_PX, cut, read_key_frames
from mien.report.tables import open_table
from mien.results import Box
from mien.rows import TableColumns
from mien.sinks import open_sink

pytest.importorskip("av")

SIZE = (320, 180)
TIMES = evenly(1.2, 25)
SCENE = [
    Actor(line((80, 90, 40), (240, 90, 70), 1.2)),
    Actor(line((250, 60, 30), (60, 60, 30), 1.2)),
]
CLEAREST = 21
"""Number of the frame in which both faces are said to be sharp."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clip, and the table of a run over it."""
    folder = tmp_path_factory.mktemp("clip")
    truth = write_clip(folder / "walk.mp4", SCENE, TIMES, size=SIZE, rate=25)

    def faces(time_s):
        frame = round(time_s * 25)
        for k, box in enumerate(truth[frame]):
            yield person(k + 1, box=box, sharpness=100.0 if frame == CLEAREST else 10.0)

    results = followed(TIMES, faces, source=str(folder / "walk.mp4"), size=SIZE)
    write(open_sink(folder / "a.parquet", columns=TableColumns(smoothed=True)), results)
    return folder


@pytest.fixture
def clip(folder):
    return collect([open_table(folder / "a.parquet")]).clips[0]


def decoded(picture):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), np.int16)


def test_faces_are_cut_from_the_clearest_frame(clip):
    pictures, remark = read_key_frames(clip, clip.people())
    assert remark is None
    assert set(pictures) == {1, 2}
    shown = list(frames(SCENE, TIMES, size=SIZE))
    for number, picture in pictures.items():
        found = decoded(picture)
        right, late = (
            cut(shown[k][0], Box(*shown[CLEAREST][1][number - 1])).astype(np.int16)
            for k in (CLEAREST, CLEAREST + 1)
        )
        assert found.shape == right.shape
        # The next frame differs more than what compression changes.
        assert np.abs(found - right).mean() < np.abs(found - late).mean()
        assert np.abs(found - right).mean() < 12


def test_a_clip_that_has_gone_is_one_remark(clip):
    clip.source = "/nowhere/walk.mp4"
    pictures, remark = read_key_frames(clip, clip.people())
    assert set(pictures) == {1, 2}  # found beside the table
    clip.source = "/nowhere/run.mp4"
    pictures, remark = read_key_frames(clip, clip.people())
    assert pictures == {}
    assert remark == "/nowhere/run.mp4: is not there any more, so there are no key frames."


@pytest.mark.parametrize(
    "source", ["0", "rtsp://192.0.2.1/stream", "https://192.0.2.1/a.mp4", "\0"]
)
def test_cameras_and_addresses_are_not_opened(clip, source):
    clip.source = source
    assert read_key_frames(clip, clip.people()).pictures == {}


def test_another_clip_of_that_name_is_noticed(clip, folder, tmp_path):
    write_clip(tmp_path / "walk.mp4", SCENE, TIMES, size=(160, 90))
    clip.source = str(tmp_path / "walk.mp4")
    pictures, remark = read_key_frames(clip, clip.people())
    assert pictures == {}
    assert "is 160 x 90 px, but 320 x 180 px in the table" in remark


def test_a_clip_that_is_too_short_is_noticed(clip, tmp_path):
    write_clip(tmp_path / "walk.mp4", SCENE, TIMES[:5], size=SIZE)
    clip.source = str(tmp_path / "walk.mp4")
    pictures, remark = read_key_frames(clip, clip.people())
    assert pictures == {}
    assert "not all key frames could be read" in remark


def test_a_broken_clip_is_one_remark(clip, tmp_path):
    (tmp_path / "walk.mp4").write_bytes(b"no clip at all")
    clip.source = str(tmp_path / "walk.mp4")
    pictures, remark = read_key_frames(clip, clip.people())
    assert pictures == {}
    assert remark.startswith(f"{tmp_path / 'walk.mp4'}: ")
    assert "\n" not in remark


def test_a_cut_stays_in_the_picture_and_is_small():
    image = np.zeros((1000, 2000, 3), np.uint8)
    assert cut(image, Box(-50, -50, 50, 60)).shape == (98, 94, 3)
    assert max(cut(image, Box(500, 200, 1000, 800)).shape) == SIDE_PX
    assert cut(image, Box(2500, 1500, 2600, 1600)).size > 0
