"""Clips on disk: every time stamp, the sound, and that nothing half-done has the final name."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from clips import Actor, evenly, still, write_clip

from mien.errors import ConfigError, MissingExtraError, OutputError
from mien.interfaces import Frame
from mien.results import Box, Distribution, Face, FrameResult
from mien.sinks import VideoSink, open_pictures
from mien.sinks.clip_file import ClipFile
from mien.sinks.encoding import choose_encoder
from mien.sinks.video import clip_name

av = pytest.importorskip("av")

SIZE = (192, 108)
FACE = Face(
    box=Box(60, 30, 100, 80), score=0.9, track_id=1, gender=Distribution(("female", "male"), (1, 0))
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A clip of 2 s with sound, at 30000/1001 frames a second."""
    path = tmp_path_factory.mktemp("source") / "talk.mp4"
    rate = Fraction(30_000, 1001)
    times = [float(k / rate) for k in range(60)]
    write_clip(path, [Actor(still(96, 54, 40))], times, size=SIZE, rate=rate, audio=True)
    return path


def frames_of(path, first_s=0.0, last_s=99.0):
    """Frames as a source would give them."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        for index, picture in enumerate(container.decode(track)):
            time_s = float((picture.pts - track.start_time) * track.time_base)
            if first_s <= time_s < last_s:
                pixels = picture.to_ndarray(format="rgb24")
                yield Frame(source=str(path), index=index, time_s=time_s, image=pixels)


def made_frames(source, times, size=SIZE):
    """Noisy frames without a file."""
    rng = np.random.default_rng(0)
    for index, time_s in enumerate(times):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        yield Frame(source=source, index=index, time_s=time_s, image=pixels)


def write(sink, frames):
    for frame in frames:
        sink.write(frame, FrameResult(source=frame.source, time_s=frame.time_s, faces=(FACE,)))


def pictures(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def shown(path):
    """Exact times of the pictures, and the end of the last one."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        times = [frame.pts * track.time_base for frame in container.decode(track)]
        if track.duration is None:  # Matroska
            return times, Fraction(container.duration, 1_000_000)
        return times, track.duration * track.time_base


def sound(path):
    """Time stamp and bytes of every packet of sound; seconds."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        return [(p.pts * track.time_base, bytes(p)) for p in container.demux(track) if p.size]


def wave(path):
    """The sound as one channel of samples from time 0 on, as a player would put it out."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        out = np.zeros(10 * track.rate, np.float32)
        for frame in container.decode(track):
            begin = round(frame.pts * frame.time_base * track.rate)
            samples = frame.to_ndarray()
            assert samples.dtype == np.float32
            samples = samples[0][max(0, -begin) :]
            out[max(0, begin) : max(0, begin) + len(samples)] = samples
        return out, track.rate


# --- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_every_frame_keeps_its_time(tmp_path, source, ending):
    path = tmp_path / f"out{ending}"
    with VideoSink(path, draw=True) as sink:
        write(sink, frames_of(source))
    times, end = shown(path)
    assert times == [Fraction(1001 * k, 30_000) for k in range(60)]
    assert end == Fraction(1001 * 60, 30_000)
    assert list(tmp_path.iterdir()) == [path]


def test_mkv_keeps_milliseconds(tmp_path, source):
    with VideoSink(tmp_path / "out.mkv", draw=True) as sink:
        write(sink, frames_of(source))
    times, _ = shown(tmp_path / "out.mkv")
    assert max(abs(t - Fraction(1001 * k, 30_000)) for k, t in enumerate(times)) <= 0.0005


def test_variable_rates_stay(tmp_path):
    times = [0.0, 0.01, 0.5, 0.503, 2.25, 3.0]
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, made_frames("camera:0", times))
    found, end = shown(tmp_path / "out.mp4")
    assert [float(t) for t in found] == times
    assert end == 3.75  # the last frame is shown as long as the one before it


@pytest.mark.parametrize("rate", [Fraction(24_000, 1001), Fraction(25), Fraction(60_000, 1001)])
def test_usual_rates_are_exact(tmp_path, rate):
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, made_frames("a.mp4", [float(k / rate) for k in range(5)]))
    times, end = shown(tmp_path / "out.mp4")
    assert times == [k / rate for k in range(5)]
    assert end == 5 / rate


def test_one_frame_is_a_clip_too(tmp_path):
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, made_frames("a.mp4", [7.0]))
    assert shown(tmp_path / "out.mp4") == ([0], Fraction(1, 25))


def test_a_frame_that_is_not_later_than_the_last_is_left_out(tmp_path):
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, made_frames("a.mp4", [0.0, 0.2, 0.2, 0.1, 0.4]))
    assert [float(t) for t in shown(tmp_path / "out.mp4")[0]] == [0.0, 0.2, 0.4]


def test_frames_with_an_error_are_left_out(tmp_path):
    with VideoSink(tmp_path / "out.mp4") as sink:
        first, second = made_frames("a.mp4", [0.0, 0.5])
        broken = Frame(source="a.mp4", index=1, time_s=0.25, error="damaged")
        for frame in (first, broken, second):
            sink.write(frame, FrameResult(source="a.mp4"))
    assert [float(t) for t in shown(tmp_path / "out.mp4")[0]] == [0.0, 0.5]


# --- pixels -----------------------------------------------------------------------------------


def test_drawn_and_blurred_frames_look_like_pictures_of_them(tmp_path, source):
    from mien.sinks import blur_faces, draw_faces
    from mien.sinks.pictures import with_room

    frames = list(frames_of(source, 0, 0.1))
    with VideoSink(tmp_path / "out.mp4", draw=True, blur=True) as sink:
        write(sink, frames)
    result = FrameResult(source="a", faces=(FACE,))
    expected = draw_faces(*with_room(blur_faces(frames[0].image, result), result))
    found = pictures(tmp_path / "out.mp4")[0]
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 3


def test_colours_stay(tmp_path):
    patches = [(220, 40, 30), (30, 200, 60), (40, 60, 230), (250, 250, 250), (5, 5, 5)]
    image = np.repeat(np.array(patches, np.uint8), 64, axis=0)[None].repeat(64, axis=0)
    with VideoSink(tmp_path / "out.mp4") as sink:
        sink.write(Frame(source="a", time_s=0.0, image=image), FrameResult(source="a"))
    found = pictures(tmp_path / "out.mp4")[0]
    assert np.abs(found[32, 32::64].astype(int) - patches).max() <= 4


def test_an_odd_side_gets_its_last_pixels_twice(tmp_path):
    with VideoSink(tmp_path / "out.mp4") as sink:
        rows = np.linspace(0, 255, 35, dtype=np.uint8)
        image = np.repeat(rows[:, None, None], 51, axis=1).repeat(3, axis=2)
        sink.write(Frame(source="a", time_s=0.0, image=image), FrameResult(source="a"))
    (found,) = pictures(tmp_path / "out.mp4")
    assert found.shape == (36, 52, 3)
    assert np.abs(found[:35, :51].astype(int) - image).mean() < 4


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path):
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, made_frames("a", [0.0], (64, 48)))
        (frame,) = made_frames("a", [0.5], (128, 120))
        sink.write(
            Frame(source="a", index=1, time_s=0.5, image=frame.image), FrameResult(source="a")
        )
    assert [image.shape for image in pictures(tmp_path / "out.mp4")] == [(48, 64, 3)] * 2


def test_it_is_h264_that_plays_everywhere_and_starts_at_once(tmp_path, source):
    with VideoSink(tmp_path / "out.mp4", draw=True) as sink:
        write(sink, frames_of(source, 0, 0.2))
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


# --- sound ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_the_sound_is_taken_over_as_it_is(tmp_path, source, ending):
    with VideoSink(tmp_path / f"out{ending}", draw=True) as sink:
        write(sink, frames_of(source))
    theirs, ours = sound(source), sound(tmp_path / f"out{ending}")
    if ending == ".mkv":  # it cannot hide what precedes the first picture
        theirs = theirs[1:]
    assert [data for _, data in ours] == [data for _, data in theirs]
    shift = max(abs(a[0] - b[0]) for a, b in zip(ours, theirs, strict=True))
    assert shift <= (Fraction(1, 1000) if ending == ".mkv" else 0)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("last_s", [1.4, 99.0])
def test_sound_is_cut_to_the_pictures_and_stays_in_time(tmp_path, source, ending, last_s):
    path = tmp_path / f"out{ending}"
    frames = list(frames_of(source, 0.7, last_s))
    with VideoSink(path, draw=True) as sink:
        write(sink, frames)
    times, end = shown(path)
    assert times[0] == 0
    first = Fraction(frames[0].time_s).limit_denominator(30_000)
    theirs = {data: at for at, data in sound(source)}
    ours = sound(path)
    for at, data in ours:
        assert abs(theirs[data] - first - at) < Fraction(1, 900)
    packet_s = Fraction(1024, 44_100)
    assert ours[0][0] <= packet_s
    assert end - 2 * packet_s <= ours[-1][0] < end


def test_a_player_puts_the_same_sound_under_the_same_picture(tmp_path, source):
    with VideoSink(tmp_path / "out.mp4", draw=True) as sink:
        frames = list(frames_of(source, 0.7, 1.7))
        write(sink, frames)
    theirs, rate = wave(source)
    ours, _ = wave(tmp_path / "out.mp4")
    begin = round(frames[0].time_s * rate)
    part = slice(0, rate // 2)
    assert np.abs(ours[part] - theirs[begin:][part]).max() < 0.002


def remuxed(source, path, sound_shift=0):
    """The same packets in another file; those of the sound so many ticks later."""
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        tracks = {track: made.add_stream_from_template(track) for track in given.streams}
        for packet in given.demux():
            if packet.size:
                if packet.stream.type == "audio":
                    packet.pts += sound_shift
                    packet.dts += sound_shift
                packet.stream = tracks[packet.stream]
                made.mux(packet)
    return path


def test_sound_that_begins_later_than_the_pictures(tmp_path, source):
    late = remuxed(source, tmp_path / "late.mp4", 22_050)
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, frames_of(late))
    ours, theirs = sound(tmp_path / "out.mp4"), sound(late)
    assert theirs[0][0] > 0.45
    assert abs(ours[0][0] - theirs[0][0]) < 0.001
    assert ours[0][1] == theirs[0][1]


def test_sound_from_the_middle_of_a_long_clip(tmp_path):
    # Far enough from the beginning that reading does not start there.
    source = tmp_path / "long.mp4"
    times = [float(k) for k in range(24)]
    write_clip(source, [], times, size=(64, 48), rate=1, audio=True)
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, frames_of(source, 17.0, 20.0))
    theirs, ours = sound(source), sound(tmp_path / "out.mp4")
    starts = {data: at for at, data in theirs}
    assert all(starts[data] - 17 == at for at, data in ours[1:])
    assert ours[0][0] <= 0
    assert Fraction(29, 10) < ours[-1][0] < 3


def test_without_sound(tmp_path, source):
    with VideoSink(tmp_path / "out.mp4", audio=False) as sink:
        write(sink, frames_of(source, 0, 0.2))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [track.type for track in container.streams] == ["video"]


def with_other_sound(path, codec):
    """A clip whose sound is a tone coded in another way."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(codec, rate=48_000)
        audio.layout = "stereo"
        for frame in made_frames("", range(10), (64, 48)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame.image)))
        container.mux(video.encode())
        tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
        for begin in range(0, 48_000, 960):
            samples = np.repeat(tone[begin : begin + 960].astype(np.float32), 2)[None]
            piece = av.AudioFrame.from_ndarray(samples, "flt", "stereo")
            piece.rate, piece.pts, piece.time_base = 48_000, begin, Fraction(1, 48_000)
            container.mux(audio.encode(piece))
        container.mux(audio.encode())
    return path


@pytest.mark.parametrize(
    ("codec", "ending", "kept"),
    [
        ("libopus", ".mkv", True),
        ("libopus", ".mp4", True),
        ("libopus", ".mov", False),
        ("pcm_s16le", ".mkv", True),
        ("pcm_s16le", ".mp4", False),
        ("pcm_s16le", ".mov", True),
    ],
)
def test_sound_that_players_do_not_expect_is_coded_anew(tmp_path, caplog, codec, ending, kept):
    given = with_other_sound(tmp_path / "given.mkv", codec)
    path = tmp_path / f"out{ending}"
    with caplog.at_level(logging.WARNING), VideoSink(path) as sink:
        write(sink, frames_of(given, 0.2))
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        name = track.codec_context.name
        data = b"".join(bytes(p) for p in container.demux(track) if p.size)
    if kept:
        assert name == codec.removeprefix("lib")
        assert data in b"".join(data for _, data in sound(given))
        assert len(data) > 0
        assert caplog.messages == []
        return
    assert name == "aac"
    (message,) = caplog.messages
    assert message.startswith(f"{given}: sound coded as {codec.removeprefix('lib')} is written as")
    ours, rate = wave(path)
    # The tone is under the pictures from their beginning, and as loud as it was; Matroska rounds
    # to milliseconds, half a radian and more.
    wanted = 0.2 * np.sin(2 * np.pi * 440 * (np.arange(rate // 2) / rate + 0.2))
    part = slice(rate // 10, rate // 2)
    shifts = [np.abs(np.roll(ours, k)[part] - wanted[part]).max() for k in range(-36, 37)]
    assert min(shifts) < 0.03


def test_sound_of_a_web_server(tmp_path, source):
    handler = partial(QuietHandler, directory=str(source.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/talk.mp4"
        with VideoSink(tmp_path / "out.mp4") as sink:
            write(sink, (replace(frame, source=address) for frame in frames_of(source, 0, 0.5)))
        server.shutdown()
    packets = sound(tmp_path / "out.mp4")
    assert {data for _, data in packets} <= {data for _, data in sound(source)}
    assert 0.4 < packets[-1][0] < 0.5


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_sound_of_a_server_that_is_gone_is_left_out(tmp_path, caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/a.mp4"
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, made_frames(address, [0.0, 0.1]))
    assert len(shown(tmp_path / "out.mp4")[0]) == 2
    assert caplog.messages == [f"{address}: the sound is left out: Connection refused"]


def test_damaged_sound_does_not_cost_the_pictures(tmp_path, source):
    broken = tmp_path / "broken.mkv"
    data = bytearray(remuxed(source, tmp_path / "whole.mkv").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    broken.write_bytes(data)
    frames = [replace(frame, source=str(broken)) for frame in frames_of(source)]
    with VideoSink(tmp_path / "out.mp4") as sink:
        write(sink, frames)
    assert len(shown(tmp_path / "out.mp4")[0]) == 60
    theirs, ours = sound(source), sound(tmp_path / "out.mp4")
    assert 0.3 * len(theirs) < len(ours) < len(theirs)
    starts = {data: at for at, data in theirs}
    kept = [(at, data) for at, data in ours if data in starts]
    assert len(kept) >= len(ours) - 2
    assert all(abs(starts[data] - at) < 0.001 for at, data in kept)


# --- names ------------------------------------------------------------------------------------


def test_a_folder_has_a_clip_for_every_source(tmp_path, source):
    with VideoSink(tmp_path / "new" / "out", draw=True) as sink:
        write(sink, frames_of(source, 0, 0.2))
        write(sink, made_frames("x/TALK.avi", [0.0, 0.1, 0.2]))
        write(sink, made_frames("x/TALK.avi", [0.0, 0.1]))
        write(sink, made_frames("rtsp://host/", [0.0]))
    folder = tmp_path / "new" / "out"
    counts = {path.name: len(shown(path)[0]) for path in folder.iterdir()}
    assert counts == {"talk.mp4": 6, "TALK-2.mp4": 3, "TALK-3.mp4": 2, "clip.mp4": 1}
    with av.open(str(folder / "talk.mp4")) as container:
        assert len(container.streams.audio) == 1


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("x/a.b.mov", "a.b.mp4"),
        ("https://example.org/d.webm?size=3#top", "d.mp4"),
        ("rtsp://user:secret@host:554/stream1", "stream1.mp4"),
        ("0", "camera-0.mp4"),
        ("camera:1", "camera_1.mp4"),
        ("run/%04d.png", "run.mp4"),
        ("run/shot_%d.png", "shot.mp4"),
        ("x/0", "0.mp4"),
        ("", "clip.mp4"),
        ("n" * 300 + ".mp4", "n" * 60 + ".mp4"),
    ],
)
def test_names_come_from_the_sources(source, name):
    assert clip_name(source) == name


def test_a_single_file_takes_a_single_clip_and_keeps_it(tmp_path):
    with VideoSink(tmp_path / "out.mp4", draw=True) as sink:
        write(sink, made_frames("a.mp4", [0.0, 0.1]))
        with pytest.raises(OutputError, match=r"holds one clip, and b\.mp4 is a second one"):
            write(sink, made_frames("b.mp4", [0.0]))
    assert len(shown(tmp_path / "out.mp4")[0]) == 2


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_source_is_never_replaced(tmp_path, is_folder):
    source = tmp_path / "a.mp4"
    source.write_bytes(b"precious")
    with (
        VideoSink(tmp_path if is_folder else source, draw=True) as sink,
        pytest.raises(OutputError, match=r"a\.mp4: is the source itself"),
    ):
        write(sink, made_frames(str(source), [0.0]))
    assert source.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [source]


def test_a_later_source_is_not_replaced_either(tmp_path):
    later = tmp_path / "b.mp4"
    later.write_bytes(b"precious")
    with VideoSink(later, draw=True) as sink:
        write(sink, made_frames("a.mp4", [0.0, 0.1]))
        with pytest.raises(OutputError, match=r"b\.mp4 is a second one"):
            write(sink, made_frames(str(later), [0.0]))
    assert later.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [later]


def test_an_unknown_ending_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"ending '\.avi'\. Known: \.mp4, .*or name a folder"):
        VideoSink(tmp_path / "a.avi", draw=True)


def test_a_missing_folder_is_found_before_any_work(tmp_path):
    with pytest.raises(OutputError, match=r"no/a\.mp4: the folder '.*no' does not exist"):
        VideoSink(tmp_path / "no" / "a.mp4", draw=True)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file without an ending"):
        VideoSink(tmp_path / "out", draw=True)


def test_a_still_is_no_frame_of_a_clip(tmp_path):
    with (
        VideoSink(tmp_path / "out.mp4", draw=True) as sink,
        pytest.raises(OutputError, match=r"holds a clip, and a\.jpg is a picture"),
    ):
        sink.write(
            Frame(source="a.jpg", image=np.zeros((8, 8, 3), np.uint8)), FrameResult(source="a.jpg")
        )
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"writing video .* pip install 'mien\[video\]'"):
        VideoSink(tmp_path / "a.mp4")


# --- stills and clips -------------------------------------------------------------------------


def test_a_folder_takes_stills_and_clips(tmp_path):
    with open_pictures(tmp_path / "out", draw=True) as sink:
        image = np.zeros((300, 300, 3), np.uint8)
        sink.write(Frame(source="a.png", image=image), FrameResult(source="a.png", faces=(FACE,)))
        write(sink, made_frames("a.mp4", [0.0, 0.1]))
        sink.write(Frame(source="b.png", image=image), FrameResult(source="b.png"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.mp4", "a.png", "b.png"]
    assert len(shown(tmp_path / "out" / "a.mp4")[0]) == 2


def test_the_ending_chooses_between_still_and_clip(tmp_path):
    with open_pictures(tmp_path / "a.MP4", blur=True) as sink:
        write(sink, made_frames("a.mp4", [0.0]))
    with open_pictures(tmp_path / "a.png", blur=True) as sink:
        sink.write(Frame(source="a", image=np.zeros((9, 9, 3), np.uint8)), FrameResult(source="a"))
    assert {path.name for path in tmp_path.iterdir()} == {"a.MP4", "a.png"}
    with pytest.raises(ConfigError, match=r"neither .* '\.gif'\. Known: \.jpg, .*\.mp4, .*folder"):
        open_pictures(tmp_path / "a.gif", draw=True)


# --- when something goes wrong ----------------------------------------------------------------


def test_an_interrupted_clip_holds_the_frames_so_far(tmp_path, source):
    def work():
        with VideoSink(tmp_path / "out.mp4", draw=True) as sink:
            for count, frame in enumerate(frames_of(source)):
                if count == 25:
                    raise KeyboardInterrupt
                write(sink, [frame])

    with pytest.raises(KeyboardInterrupt):
        work()
    times, end = shown(tmp_path / "out.mp4")
    assert len(times) == 25
    assert end == Fraction(1001 * 25, 30_000)
    assert end - Fraction(1, 40) < sound(tmp_path / "out.mp4")[-1][0] < end
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


def test_a_run_that_fails_before_its_first_frame_leaves_nothing(tmp_path):
    def work():
        with VideoSink(tmp_path / "out.mp4", draw=True):
            raise ZeroDivisionError

    (tmp_path / "out.mp4").write_bytes(b"of an older run")
    with pytest.raises(ZeroDivisionError):
        work()
    assert (tmp_path / "out.mp4").read_bytes() == b"of an older run"
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


def test_closing_twice(tmp_path):
    sink = VideoSink(tmp_path / "out.mp4")
    write(sink, made_frames("a", [0.0]))
    sink.close()
    sink.close()
    assert len(shown(tmp_path / "out.mp4")[0]) == 1


WRITER = """
import sys
import numpy as np
from mien.interfaces import Frame
from mien.results import FrameResult
from mien.sinks import VideoSink

image = np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)
with VideoSink(sys.argv[1]) as sink:
    for index in range(1_000_000):
        shifted = np.roll(image, 4 * index, axis=1)
        frame = Frame(source="a", index=index, time_s=index / 30, image=shifted)
        sink.write(frame, FrameResult(source="a"))
        if index == 20:
            print("running", flush=True)
"""


@contextmanager
def running_writer(path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            assert process.stdout.readline() == b"running\n"
            yield process
        finally:
            process.kill()


def test_a_killed_run_leaves_no_clip_under_the_final_name(tmp_path):
    with running_writer(tmp_path / "out.mp4") as process:
        process.kill()
        process.wait()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.mp4.")
    assert left.suffix == ".part"


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_ctrl_c_at_any_moment_leaves_a_whole_clip(tmp_path):
    with running_writer(tmp_path / "out.mp4") as process:
        time.sleep(0.13)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    times, _ = shown(tmp_path / "out.mp4")
    assert len(times) >= 20
    assert times == [Fraction(k, 30) for k in range(len(times))]
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


@contextmanager
def largest_file(size):
    """Let the system refuse to write beyond `size` bytes, as a full disk does."""
    resource = pytest.importorskip("resource", reason="the limit exists on Unix only")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("count", [30, 1000])
def test_a_full_disk_gives_the_clip_up(tmp_path, count):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"of an older run")

    def fill():
        with largest_file(150_000), VideoSink(path) as sink:
            write(sink, made_frames("a", evenly(count / 30), (128, 96)))

    with pytest.raises(OutputError, match=r"the disk is full\. .* The clip was given up\.") as e:
        fill()
    assert "\n" not in str(e.value)
    assert path.read_bytes() == b"of an older run"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_its_first_message(tmp_path):
    def fill():
        with largest_file(50_000), VideoSink(tmp_path / "out.mp4") as sink:
            try:
                write(sink, made_frames("a", evenly(30), (128, 96)))
            except OutputError as error:
                raise RuntimeError from error

    with pytest.raises(RuntimeError) as caught:
        fill()
    assert not hasattr(caught.value, "__notes__")
    assert list(tmp_path.iterdir()) == []


# --- other encoders ---------------------------------------------------------------------------


def test_the_best_encoder_is_taken(caplog):
    assert choose_encoder() == "libx264"
    assert choose_encoder(lambda name: name in ("h264_mf", "mpeg4")) == "h264_mf"
    assert caplog.messages == []
    assert choose_encoder(lambda name: name == "mpeg4") == "mpeg4"
    assert caplog.messages == [
        "this FFmpeg cannot write H.264; the clip is written as MPEG-4 Part 2"
    ]


def test_without_an_encoder_for_h264_times_stay(tmp_path):
    clip = ClipFile(Path(tmp_path / "out.mp4"), "a", encoder="mpeg4")
    for frame in made_frames("a", [0.0, 0.1, 0.5], (64, 48)):
        clip.add(frame.image, frame.time_s)
    clip.finish()
    times, end = shown(tmp_path / "out.mp4")
    assert ([float(t) for t in times], end) == ([0.0, 0.1, 0.5], Fraction(9, 10))
