"""Photos and clips in one list: told apart by their names, in order."""

import numpy as np
import pytest

from mien.sources import StillSource
from mien.sources.mixed import Clip, split_sources


@pytest.fixture
def folder(tmp_path):
    """Photos, clips and other files; none of them is opened."""
    for name in ("a.jpg", "b.mp4", "c.txt", "sub/d.png", "sub/e.MKV", ".hidden.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def split(source):
    """Names of the stills of every group, and locations of clips."""
    return [
        part.location if isinstance(part, Clip) else [item.name for item in part.items()]
        for part in split_sources(source)
    ]


def test_a_single_clip_and_a_single_photo(folder):
    assert split(folder / "b.mp4") == [str(folder / "b.mp4")]
    assert split(str(folder / "a.jpg")) == [[str(folder / "a.jpg")]]


def test_a_folder_gives_its_photos_and_then_its_clips(folder):
    stills, *clips = split(folder)
    assert [name[len(str(folder)) :] for name in stills] == ["/a.jpg", "/sub/d.png"]
    assert [name[len(str(folder)) :] for name in clips] == ["/b.mp4", "/sub/e.MKV"]


def test_a_folder_of_clips_is_not_one_without_images(folder):
    (folder / "sub" / "d.png").unlink()
    assert split(folder / "sub") == [str(folder / "sub" / "e.MKV")]


def test_a_list_keeps_its_order(folder):
    photo, clip = str(folder / "a.jpg"), str(folder / "b.mp4")
    assert split([photo, photo, clip, photo, clip]) == [[photo, photo], clip, [photo], clip]


def test_patterns(folder):
    assert split(f"{folder}/*.mp4") == [str(folder / "b.mp4")]
    assert split(f"{folder}/*.jpg") == [[str(folder / "a.jpg")]]
    assert split(f"{folder}/*") == [[str(folder / "a.jpg")], str(folder / "b.mp4")]


def test_addresses_and_cameras():
    assert split(["rtsp://host/stream", "0", "https://host/clip.mp4"]) == [
        "rtsp://host/stream",
        "0",
        "https://host/clip.mp4",
    ]
    [stills] = split_sources("https://host/photo.jpg")
    assert isinstance(stills, StillSource)


def test_pictures_in_memory_are_stills():
    [stills] = split_sources([np.zeros((8, 8, 3), np.uint8)] * 2)
    assert len(stills) == 2
    [stills] = split_sources(np.zeros((8, 8, 3), np.uint8) for _ in range(3))
    assert len(list(stills)) == 3


def test_what_is_not_there_is_said_by_the_stills(tmp_path):
    [stills] = split_sources(tmp_path / "none.jpg")
    assert next(iter(stills)).error == "no such file or folder"
    [stills] = split_sources(tmp_path)
    assert "no image file in this folder" in next(iter(stills)).error
