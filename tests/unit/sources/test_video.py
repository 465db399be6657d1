"""Clips from files: which frames come, when, which way up, and what is said of damaged ones."""

import os
import random
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Actor, background, evenly, frames, line, still, write_clip

from mien.config import VideoConfig
from mien.errors import ConfigError, InputError, MissingExtraError
from mien.sources import VideoSource, is_video, list_videos, open_video
from mien.sources.whole_frames import Cadence

SIZE = (160, 96)
ACTOR = Actor(line((50, 48, 40), (110, 48, 40), 2))
NTSC = Fraction(30_000, 1001)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def clip(folder):
    """Two seconds at 30 frames a second with sound, a key frame every 10."""
    path = folder / "clip.mp4"
    write_clip(path, [ACTOR], evenly(2), size=SIZE, audio=True, key_every=10)
    return path


def rendered(number, fps=30.0):
    """What frame `number` showed before it was encoded."""
    ((image, _),) = frames([ACTOR], [number / fps], size=SIZE)
    return image


def difference(one, other):
    """Mean difference of two images in grey levels."""
    assert one.shape == other.shape
    return np.abs(one.astype(int) - other).mean()


def read(path, **settings):
    """Good frames, and the lines of the others."""
    with open_video(path, VideoConfig(**settings)) as source:
        every = list(source)
    assert all((frame.image is None) == (frame.error is not None) for frame in every)
    return [f for f in every if f.error is None], [f.error for f in every if f.error is not None]


# --- time, numbers, pixels ----------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["mp4", "mov", "ts"])
def test_29_97_stays_29_97(tmp_path, ending):
    path = tmp_path / f"ntsc.{ending}"
    times = [float(n / NTSC) for n in range(60)]
    write_clip(path, [Actor(still(80, 48, 40))], times, size=SIZE, rate=NTSC)
    with open_video(path) as source:
        assert (source.info.rate, source.info.frames) == (NTSC, 60)
        assert source.info.duration_s == pytest.approx(60 / NTSC, abs=1e-4)
        found = list(source)
    assert [frame.index for frame in found] == list(range(60))
    assert [frame.time_s for frame in found] == times  # exactly, a start that is not 0 too (ts)


def test_variable_frame_rates_keep_every_time(tmp_path):
    times = [0.0, 0.04, 0.1, 0.5, 0.55, 1.3, 1.31, 2.9]
    write_clip(tmp_path / "a.mp4", [ACTOR], times, size=SIZE)
    found, errors = read(tmp_path / "a.mp4")
    assert errors == []
    assert [frame.time_s for frame in found] == times


def test_frames_are_rgb_upright_and_the_right_ones(clip):
    found, errors = read(clip)
    assert errors == []
    assert len(found) == 60
    for number in (0, 29, 59):
        frame = found[number]
        assert frame.source == str(clip)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert difference(frame.image, rendered(number)) < 3
        assert difference(frame.image, rendered(number)[..., ::-1]) > 10  # BGR would be


@pytest.mark.parametrize("matrix", ["ITU601", "ITU709"])
@pytest.mark.parametrize("spread", ["MPEG", "JPEG"])
def test_colour_matrix_and_range_are_respected(tmp_path, matrix, spread):
    red = np.full((64, 64, 3), (200, 30, 40), np.uint8)
    with av.open(str(tmp_path / "red.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(red, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range=spread
        )
        stream.codec_context.colorspace = frame.colorspace
        stream.codec_context.color_range = frame.color_range
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (found,), _ = read(tmp_path / "red.mp4")
    assert difference(found.image, red) < 3


def test_info_says_what_is_known(clip, tmp_path):
    info = open_video(clip).info
    assert (info.width, info.height, info.rate) == (*SIZE, 30)
    assert (info.duration_s, info.frames) == (2.0, 60)
    assert info.has_audio
    assert not info.live
    mute = tmp_path / "mute.mkv"
    write_clip(mute, [ACTOR], evenly(1), size=SIZE)
    info = open_video(mute).info
    assert (info.duration_s, info.frames, info.has_audio) == (1.0, 30, False)


def test_a_source_can_be_read_twice_and_left_early(clip):
    with open_video(clip) as source:
        for frame in source:
            if frame.index == 5:
                break
        assert [frame.index for frame in source] == list(range(60))
    assert [frame.index for frame in source][-1] == 59  # closed is not spent


def test_the_file_is_let_go(clip):
    def is_open():
        return any(
            os.path.realpath(number) == str(clip.resolve())
            for number in Path("/proc/self/fd").iterdir()
        )

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not list open files")
    with open_video(clip) as source:
        frames_ = iter(source)
        next(frames_)
        assert is_open()
    assert not is_open()
    assert list(frames_) == []
    with open_video(clip) as source:
        list(source)
        assert not is_open()


# --- which frames -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({"start_s": 0.5}, range(15, 60)),  # between two key frames
        ({"start_s": 1 / 3}, range(10, 60)),  # on one
        ({"start_s": 0.51, "end_s": 0.6}, [16, 17]),  # the end does not belong to it
        ({"end_s": 0.1}, range(3)),
        ({"max_frames": 4}, range(4)),
        ({"every_s": 0.5}, [0, 15, 30, 45]),
        ({"every_s": 0.1}, range(0, 60, 3)),  # the grid does not drift
        ({"every_s": 0.25}, [0, 8, 15, 23, 30, 38, 45, 53]),  # the first one at or after
        ({"every_s": 0.01}, range(60)),
        ({"every_s": 0.5, "start_s": 0.1}, [3, 18, 33, 48]),  # counted from the start
        ({"every_s": 0.5, "start_s": 0.1, "end_s": 1.6, "max_frames": 2}, [3, 18]),
    ],
)
def test_start_end_every_and_max(clip, settings, numbers):
    with open_video(clip, VideoConfig(**settings)) as source:
        found = list(source)
        assert source.info.frames == len(found)
    assert [frame.index for frame in found] == list(numbers)
    assert [frame.time_s for frame in found] == pytest.approx([n / 30 for n in numbers], abs=1e-4)
    assert difference(found[0].image, rendered(numbers[0])) < 3


@pytest.mark.parametrize("ending", ["mkv", "ts", "avi"])
def test_start_finds_its_frame_in_every_container(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    if ending == "avi":
        write_mpeg4(path)
    else:
        write_clip(path, [ACTOR], evenly(2), size=SIZE, key_every=25)
    for start_s, number in ((0.2, 6), (0.9, 27), (1.9, 57)):
        found, errors = read(path, start_s=start_s, max_frames=1)
        assert errors == []
        assert found[0].index == number
        assert difference(found[0].image, rendered(number)) < 4


def write_mpeg4(path):
    """`write_clip` cannot: MPEG-4 wants a coarse clock."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30, bit_rate=2_000_000)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, (image, _) in enumerate(frames([ACTOR], evenly(2), size=SIZE)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_start_behind_the_end_is_said(clip):
    assert read(clip, start_s=5.0) == (
        [],
        ["there is no frame from 5 s on; the last one before that is at 1.97 s"],
    )
    assert read(clip, start_s=0.501, end_s=0.502) == (
        [],
        ["there is no frame from 0.501 s to 0.502 s; the next one is at 0.53 s"],
    )


def test_joined_pieces_go_on_in_time(tmp_path):
    one = tmp_path / "one.ts"
    write_clip(one, [ACTOR], evenly(1.5), size=SIZE, key_every=15)
    two = tmp_path / "two.ts"
    two.write_bytes(2 * one.read_bytes())
    found, _ = read(two, skip_broken=True)
    times = [frame.time_s for frame in found]
    assert len(found) >= 85
    assert all(a < b for a, b in pairwise(times))
    assert times[-1] == pytest.approx(90 / 30, abs=0.2)


# --- which way up -------------------------------------------------------------------------------


def rewrap(source, target, *, degrees=0, hflip=False, vflip=False):
    """Copy a clip and say in it how it is to be turned, as a phone does."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        track = old.streams.video[0]
        copy = new.add_stream_from_template(track)
        copy.set_display_rotation(degrees, hflip=hflip, vflip=vflip)
        for packet in old.demux(track):
            if packet.dts is not None:
                packet.stream = copy
                new.mux(packet)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ({"degrees": 90}, lambda image: np.rot90(image)),
        ({"degrees": 180}, lambda image: np.rot90(image, 2)),
        ({"degrees": 270}, lambda image: np.rot90(image, 3)),
        ({"hflip": True}, lambda image: image[:, ::-1]),
        ({"vflip": True}, lambda image: image[::-1]),
        ({"degrees": 90, "hflip": True}, lambda image: np.rot90(image)[:, ::-1]),
    ],
)
def test_frames_are_turned_upright(clip, tmp_path, turn, expected):
    if not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write the turn")
    path = tmp_path / "turned.mp4"
    rewrap(clip, path, **turn)
    (plain,), _ = read(clip, max_frames=1)
    with open_video(path, VideoConfig(max_frames=1)) as source:
        (turned,) = source
        assert (source.info.width, source.info.height) == turned.image.shape[1::-1]
    assert np.array_equal(turned.image, expected(plain.image))
    assert turned.image.flags.c_contiguous


def test_mirror_exchanges_left_and_right(clip):
    (plain,), _ = read(clip, max_frames=1)
    with open_video(clip, VideoConfig(max_frames=1), mirror=True) as source:
        (mirrored,) = source
    assert np.array_equal(mirrored.image, plain.image[:, ::-1])


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    path = tmp_path / "dvd.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 72, 57, "yuv444p"
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)
        frame = av.VideoFrame.from_ndarray(background((72, 57)), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with open_video(path) as source:
        (frame,) = source
        assert (source.info.width, source.info.height) == (102, 57)
    assert frame.image.shape == (57, 102, 3)


# --- what cannot be read ------------------------------------------------------------------------


def write_tone(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate, frame.pts, frame.time_base = 44_100, 0, Fraction(1, 44_100)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_what_is_no_video_is_one_line(clip, tmp_path, photo_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.mp4").touch()
    Path("words.mp4").write_text("this is only text\n" * 50)
    Path("words.txt").write_text("this is only text\n" * 50)
    Path("photo.mp4").write_bytes(photo_path.read_bytes())
    Path("cut.mp4").write_bytes(clip.read_bytes()[:4000])
    Path("folder.mp4").mkdir()
    write_tone(Path("tone.m4a"))
    for name, reason in {
        "missing.mp4": "no such file or folder",
        "missing/a.mp4": "no such file or folder",
        "": "the path is empty",
        "nul\0.mp4": "the path holds a NUL character",
        "empty.mp4": "the file is empty",
        "words.mp4": "not a video in a known format",
        "words.txt": "not a video in a known format",
        "photo.mp4": "not a video, but a JPEG image",
        "folder.mp4": "this is a folder, not a file",
        "tone.m4a": "there are no moving pictures in it, only sound",
        "cut.mp4": "the MP4 file is cut off: its index (moov), which follows the pictures, is "
        "missing",
        "nothing://host/a.mp4": "addresses of this kind cannot be read",
    }.items():
        with open_video(name) as source:
            assert source.info.width == 0
            (frame,) = source
        assert (frame.source, frame.error, frame.image) == (name, reason, None)


def test_frames_that_are_too_large_are_one_line(clip):
    with open_video(clip, max_pixels=160 * 96) as source:
        assert next(iter(source)).image is not None
    with open_video(clip, max_pixels=160 * 96 - 1) as source:
        (frame,) = source
    assert frame.error.startswith("160x96 px is more than the limit of 0.015359 megapixels")


def test_names_that_are_not_utf_8(clip, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9: 1.mp4")
    try:
        Path(path).write_bytes(clip.read_bytes())
    except OSError:
        pytest.skip("this file system allows UTF-8 names only")
    found, errors = read(path, max_frames=1)
    assert errors == []
    assert found[0].source.endswith("caf?: 1.mp4")


# --- damage -------------------------------------------------------------------------------------


def smash(source, target, first, last=None, *, share=0.25):
    """Write noise over the data of the frames `first` to `last`, counted as they are stored.

    The first `share` of each is left as it is.
    """
    with av.open(str(source)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(Path(source).read_bytes())
    noise = random.Random(3)
    for at, size in places[first : (first if last is None else last) + 1]:
        for place in range(at + int(share * size), at + size):
            data[place] = noise.randrange(256)
    Path(target).write_bytes(data)


@pytest.fixture(scope="module", params=["mp4", "mkv"])
def healthy(request, folder):
    path = folder / f"healthy.{request.param}"
    write_clip(path, [ACTOR], evenly(2), size=SIZE, key_every=15)
    return path


def test_damage_in_the_middle_ends_the_clip_with_one_line(healthy, tmp_path):
    path = tmp_path / healthy.name
    smash(healthy, path, 20)
    whole, _ = read(healthy)
    with open_video(path) as source:
        *found, last = source
    assert 12 <= len(found) <= 24
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found, whole, strict=False))
    assert last.error == (
        f"damaged behind {found[-1].time_s:.2f} s; "
        "--skip-broken (skip_broken) goes on behind such places"
    )
    assert last.time_s == found[-1].time_s


def test_skip_broken_goes_on_behind_every_damaged_place(healthy, tmp_path):
    path = tmp_path / healthy.name
    smash(healthy, path, 5, 7)
    smash(path, path, 40)
    whole, _ = read(healthy)
    by_time = {frame.time_s: frame.image for frame in whole}
    with open_video(path, VideoConfig(skip_broken=True)) as source:
        every = list(source)
    errors = [frame.error for frame in every if frame.error]
    found = [frame for frame in every if frame.error is None]
    assert len(errors) == 2
    assert errors[0].startswith("damaged between")
    assert errors[0].endswith("and 0.50 s: nothing there can be decoded")
    assert errors[1].endswith("and 1.50 s: nothing there can be decoded")
    # Not one patched picture: what comes is what the healthy clip shows.
    assert all(np.array_equal(frame.image, by_time[frame.time_s]) for frame in found)
    times = [round(frame.time_s, 2) for frame in found]
    assert {0.5, 0.9, 1.5, 1.97} <= set(times)
    assert times == sorted(times)
    place = next(at for at, frame in enumerate(every) if frame.error)
    assert every[place + 1].time_s == pytest.approx(0.5)


def test_damage_before_the_start_does_not_matter(healthy, tmp_path):
    path = tmp_path / healthy.name
    smash(healthy, path, 5)
    found, errors = read(path, start_s=0.8)
    assert errors == []
    assert found[0].time_s == pytest.approx(0.8)
    found, errors = read(path, start_s=0.4)  # within the damaged place
    assert found == []
    assert len(errors) == 1


@pytest.mark.parametrize("share", [0.25, 0.3, 0.5, 0.9])
def test_damage_at_the_beginning_and_at_the_end(healthy, tmp_path, share):
    """The head of the first picture is hit, or the picture alone, which FFmpeg then patches."""
    path = tmp_path / healthy.name
    smash(healthy, path, 0, share=share)
    assert read(path) == (
        [],
        ["damaged at its beginning; --skip-broken (skip_broken) goes on behind such places"],
    )
    found, errors = read(path, skip_broken=True)
    assert errors == ["damaged between its beginning and 0.50 s: nothing there can be decoded"]
    assert len(found) == 45
    smash(healthy, path, 46, 59)
    found, errors = read(path, skip_broken=True)
    assert len(found) >= 40
    assert len(errors) == 1
    assert errors[0].endswith("nothing more can be decoded")


def test_a_clip_that_was_cut_off(healthy, tmp_path):
    path = tmp_path / healthy.name
    if path.suffix == ".mp4":  # with its index in front, as on the web
        with (
            av.open(str(healthy)) as old,
            av.open(str(path), "w", options={"movflags": "faststart"}) as new,
        ):
            track = old.streams.video[0]
            copy = new.add_stream_from_template(track)
            for packet in old.demux(track):
                if packet.dts is not None:
                    packet.stream = copy
                    new.mux(packet)
        data = path.read_bytes()
    else:
        data = healthy.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 5])
    found, errors = read(path)
    assert 20 <= len(found) <= 50
    assert len(errors) == 1
    assert errors[0].startswith("cut off: it ends at ")
    assert errors[0].endswith("but announces 2.00 s")


def test_a_recording_that_starts_between_key_frames_is_not_damaged(tmp_path):
    path = tmp_path / "tuned_in.ts"
    write_clip(path, [ACTOR], evenly(2), size=SIZE, key_every=15)
    with av.open(str(path)) as container:
        places = [(p.pos, p.is_keyframe) for p in container.demux(video=0) if p.size]
    at = next(place for place, _ in places[6:])  # a boundary of 188 bytes
    data = path.read_bytes()
    head = data[: 188 * 3]  # the tables that say what is in it
    path.write_bytes(head + data[at:])
    found, errors = read(path)
    assert errors == []
    assert len(found) == 45


def test_pictures_lost_from_a_transport_stream_are_noticed(tmp_path):
    whole, path = tmp_path / "whole.ts", tmp_path / "lost.ts"
    write_clip(whole, [ACTOR], evenly(2), size=SIZE, key_every=15)
    with av.open(str(whole)) as container:
        places = [p.pos for p in container.demux(video=0) if p.size]
    data = whole.read_bytes()
    path.write_bytes(data[: places[34]] + data[places[38] :])  # nothing in it is damaged itself
    by_time = {frame.time_s: frame.image for frame in read(whole)[0]}
    found, errors = read(path, skip_broken=True)
    assert len(errors) == 1
    assert errors[0].endswith("and 1.50 s: nothing there can be decoded")
    assert all(np.array_equal(frame.image, by_time[frame.time_s]) for frame in found)
    assert len(found) >= 40


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([3000] * 20 + [9000], True),
        ([33, 33, 34] * 7 + [67], True),  # 29.97 frames a second in thousandths
        ([3000] * 5 + [9000], False),  # too early to tell
        ([3000, 4500] * 12 + [9000], False),  # it was never even
        ([3000] * 20 + [-60_000] + [3000] * 5 + [6000], False),  # joined pieces
        ([3000] * 40, False),
    ],
)
def test_an_even_stream_shows_its_holes(steps, expected):
    cadence = Cadence()
    stamps = np.cumsum([100, *steps])
    *before, last = [cadence.has_hole(int(stamp)) for stamp in stamps]
    assert not any(before)
    assert last == expected
    assert not cadence.has_hole(None)


# --- what is a video ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a.mp4", "B.MOV", "x/y.webm", "0", "camera:1", "/dev/video2", "rtsp://cam/1",
        "RTSPS://user:pw@cam", "udp://127.0.0.1:5000", "https://host/a.mp4?token=b.png",
        "frames/%04d.png", "frames/shot_%d.jpg?rate=30",
    ],
)  # fmt: skip
def test_is_video(text):
    assert is_video(text)


@pytest.mark.parametrize(
    "text",
    [
        "a.gif", "a.png", "photos", "-", "http://host/a.jpg", "http://host/", "mp4", "01234",
        "100%.png", "a%db.mp3", "%d/%d/a.png", "photo?.jpg",
    ],
)  # fmt: skip
def test_is_not_video(text):
    assert not is_video(text)


def test_a_path_is_never_a_camera(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_video(Path("0"))
    (frame,) = open_video(Path("0"))
    assert frame.error == "no such file or folder"


def test_clips_of_a_folder(tmp_path):
    for name in ("b.mp4", "A.MKV", "sub/c.webm", ".hidden/d.mp4", ".e.mp4", "photo.png", "f.gif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = [os.path.relpath(path, tmp_path) for path in list_videos(tmp_path)]
    assert found == ["A.MKV", "b.mp4", "sub/c.webm"]
    assert len(list_videos(str(tmp_path), recursive=False)) == 2
    assert list_videos(tmp_path / "missing") == []


# --- asked wrongly, or without PyAV ---------------------------------------------------------------


def test_settings_out_of_range():
    with pytest.raises(ConfigError, match="max_pixels"):
        open_video("a.mp4", max_pixels=0)
    with pytest.raises(ConfigError, match="size"):
        open_video("0", size=(640, 0))
    with pytest.raises(ConfigError, match="give_up_s"):
        VideoSource("rtsp://host/1", give_up_s=-1)
    with pytest.raises(InputError, match="path or address"):
        open_video(3)


def test_without_pyav_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"mien\[video\]"):
        open_video("a.mp4")


def test_importing_does_not_load_pyav():
    code = "import sys, mien.sources; print('av' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
