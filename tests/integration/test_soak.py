"""Hours of people who come and go: memory stays flat.

Ten seconds by default; MIEN_SOAK_S=600 in the environment makes it ten minutes.
"""

import itertools
import os
import sys
import time
from pathlib import Path

import pytest
from clips import Actor, between, evenly, frames, line

from mien import Analyzer, VideoConfig
from mien.interfaces import Frame
from mien.pipeline.video import Follower
from mien.sinks.painter import Painter

SECONDS = float(os.environ.get("MIEN_SOAK_S", "10"))
SIZE = (320, 180)


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def endless(end):
    """Two people who cross the picture and leave, over and over: always new numbers."""
    scene = [
        Actor(between(line((50, 90, 50), (270, 90, 60), 2.0), 0.0, 2.0)),
        Actor(between(line((260, 95, 45), (70, 90, 55), 2.0), 0.5, 2.5), mirror=True),
    ]
    loop = [image for image, _ in frames(scene, evenly(4.0, 15), size=SIZE)]
    for index in itertools.count():
        if time.monotonic() > end:
            return
        image = loop[index % len(loop)]
        yield Frame(source="camera", index=index, time_s=index / 15, image=image)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_flat():
    follower = Follower(Analyzer(model="mien-s-int8", threads=1), VideoConfig())
    painter = Painter()
    settled, peak, count, seen = 0.0, 0.0, 0, set()
    for frame, result in follower.run(endless(time.monotonic() + SECONDS)):
        painter.draw(frame.image, result)
        seen.update(face.track_id for face in result.faces)
        count += 1
        if count == 240:  # four rounds: everything has happened that ever will
            settled = resident_mb()
        elif count > 240 and count % 60 == 0:
            peak = max(peak, resident_mb())
    print(f"{count} frames, {len(seen)} people, {settled:.0f} MB settled, {peak:.0f} MB at most")
    assert count > 300
    assert len(seen) >= count // 60
    assert peak < settled + 12
    assert len(follower._seen_s) <= 4
