r"""How many spoilt pictures does a damaged clip hand on, by codec?

    python benchmarks/bench_damage.py --out benchmarks/results/damage.csv

One clip of a face that moves (640x360, 90 frames, a key frame every 30) is encoded once a codec. At
each place the data of one frame from a quarter on becomes noise (frames of less than
`LEAST_BYTES` are passed over), and the clip is read through
`VideoSource` with `skip_broken`, as `mien analyze --skip-broken` does. A picture is wrong when
it differs from that of the healthy clip at the same time. `wrong` counts the places with a picture
that differs at all, `seen` those with one whose difference can be seen (`SEEN`), `worst` is
the largest such difference of all. `silent` counts the places where `VideoSource` gave no word
of damage; `frames_lost` is the mean number of frames that were left out.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from films import FPS, SIZE, film
from surroundings import append, surroundings

from mien import VideoConfig
from mien.sources import open_video

PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
HEAD = (slice(12, 232), slice(146, 300))
CODECS = {
    "H.264": ("libx264", {"preset": "veryfast"}),
    "MPEG-4": ("mpeg4", {"qscale": "4"}),
    "AV1": ("libsvtav1", {"preset": "8"}),
    "HEVC": ("libx265", {"preset": "veryfast", "x265-params": "log-level=none"}),
    "VP9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "8"}),
}
KEY_EVERY = 30
HEALTHY_SHARE = 0.25
"""So much of a frame's data stays as it is: its headers."""

LEAST_BYTES = 100
"""Shorter frames only say which picture is to be shown again; nothing in them can be spoilt."""

SEEN = 8.0
"""Mean difference of an 8x8 block in grey levels, of 255, from which on a patch can be seen."""


def encode(path: Path, pictures: list[np.ndarray], codec: str) -> None:
    """Write the clip as Matroska, which holds all of the codecs."""
    encoder, options = CODECS[codec]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.bit_rate, stream.gop_size = 1_000_000, KEY_EVERY
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def packets(path: Path) -> list[tuple[int, int]]:
    """Where the data of frames lies in the file, and how long it is."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size >= LEAST_BYTES]


def smash(healthy: bytes, start: int, size: int, noise: random.Random) -> bytes:
    """The file with noise over the data of one frame.

    Matroska writes a header of a few bytes, to which `start` may point; it lies in what stays.
    """
    data = bytearray(healthy)
    first, last = start + 16 + int(HEALTHY_SHARE * size), start + size
    data[first:last] = noise.randbytes(max(0, last - first))
    return bytes(data)


def read(path: Path) -> tuple[dict[float | None, np.ndarray], int]:
    """Pictures by time, and the number of damaged places that were named."""
    with open_video(path, VideoConfig(skip_broken=True)) as source:
        every = list(source)
    pictures = {frame.time_s: frame.image for frame in every if frame.image is not None}
    return pictures, sum(frame.error is not None for frame in every)


def seen(one: np.ndarray, other: np.ndarray) -> float:
    """Largest mean difference of a block, in grey levels."""
    difference = cv2.absdiff(one, other).astype(np.float32).mean(axis=2)
    return float(
        cv2.resize(difference, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA).max()
    )


def measure(codec: str, pictures: list[np.ndarray], places: int, folder: Path) -> dict[str, str]:
    """Damage one clip at so many places, one at a time."""
    path = folder / "healthy.mkv"
    encode(path, pictures, codec)
    whole, named = read(path)
    if named or len(whole) != len(pictures):
        raise SystemExit(f"{codec}: the healthy clip is not read whole")
    frames, healthy, noise = packets(path), path.read_bytes(), random.Random(0)
    hit = [frames[round(k)] for k in np.linspace(0, len(frames) - 1, places)]
    wrong, visible, silent, lost, worst = 0, 0, 0, 0, 0.0
    for start, size in hit:
        (folder / "damaged.mkv").write_bytes(smash(healthy, start, size, noise))
        found, named = read(folder / "damaged.mkv")
        apart = [seen(image, whole[time_s]) for time_s, image in found.items()]
        most = max(apart, default=0.0)
        wrong, visible, silent = wrong + (most > 0), visible + (most > SEEN), silent + (not named)
        lost, worst = lost + len(whole) - len(found), max(worst, most)
    return {
        "codec": codec,
        "places": str(places),
        "wrong": str(wrong),
        "seen": str(visible),
        "worst": f"{worst:.0f}",
        "silent": str(silent),
        "frames_lost": f"{lost / places:.1f}",
        "pyav": av.__version__,
    }


def main() -> None:
    """Encode, damage, read, print, append."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--places", type=int, default=60, help="damaged places of each clip")
    parser.add_argument("--out", type=Path, help="CSV to append to")
    arguments = parser.parse_args()
    photo = cv2.cvtColor(cv2.imread(str(PHOTO)), cv2.COLOR_BGR2RGB)[HEAD]
    pictures = film([photo], 0, 0, blur_px=0.0)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for codec in CODECS:
            rows.append(measure(codec, pictures, arguments.places, Path(folder)) | surroundings())
            print(", ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    if arguments.out:
        append(arguments.out, rows)


if __name__ == "__main__":
    main()
