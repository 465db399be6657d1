"""Results of clips whose people, times and answers are known, as a video run would give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mien.attributes.age import decode_ages
from mien.config import EMOTIONS, GENDERS, AnalyzeConfig
from mien.interfaces import Frame
from mien.results import Box, Distribution, Face, FrameResult, Quality, Smoothed

AGE_GROUPS = AnalyzeConfig().age_groups
FRAME = Frame(source="unused")


def apparent_age(years, spread=3.0):
    """A bell of ages."""
    bell = np.exp(-0.5 * ((np.arange(101) - years) / spread) ** 2)
    return decode_ages((bell / bell.sum())[None], (0.1, 0.9), AGE_GROUPS)[0]


def expression(**shares):
    """A distribution over all expressions; what is not named is 0."""
    values = [shares.get(name, 0.0) for name in EMOTIONS]
    return Distribution(EMOTIONS, tuple(value / sum(values) for value in values))


def person(track_id, *, years=30.0, female=0.9, shares: Mapping | None = None, box=None, **quality):
    """A followed face; the answers of its frame alone are far from the smoothed ones."""
    smoothed = Smoothed(
        age=apparent_age(years),
        gender=Distribution(GENDERS, (female, 1 - female)),
        emotion=expression(**(shares or {"neutral": 1.0})),
    )
    return Face(
        box=Box(*(box or (10.0, 10.0, 60.0, 74.0))),
        score=0.9,
        track_id=track_id,
        age=apparent_age(min(95.0, years + 15), 8.0),
        gender=Distribution(GENDERS, (1 - female, female)),
        emotion=expression(contempt=1.0),
        quality=Quality(
            **{"size_px": 50.0, "sharpness": 80.0, "yaw_deg": 0.0, "pitch_deg": 0.0} | quality
        ),
        smoothed=smoothed,
    )


def followed(
    times: Sequence[float], faces, *, source="clip.mp4", size=(320, 180)
) -> Iterator[FrameResult]:
    """One result a time; ``faces(time_s)`` gives its faces."""
    for index, time_s in enumerate(times):
        yield FrameResult(
            source=source,
            index=index,
            time_s=time_s,
            width=size[0],
            height=size[1],
            faces=tuple(faces(time_s)),
        )


def talk(seconds=6.0, rate=10.0, source="clip.mp4"):
    """Two people: 1 is always there, later happy; 2 comes at 1 s and is gone from 3 to 4 s."""

    def faces(time_s):
        happy = time_s >= seconds / 2
        yield person(1, years=34.0, shares={"happiness": 0.75, "neutral": 0.25} if happy else None)
        if time_s >= 1 and not 3 <= time_s < 4:
            yield person(2, years=9.0, female=0.2, shares={"surprise": 0.6, "fear": 0.4})

    return followed([k / rate for k in range(round(seconds * rate))], faces, source=source)


def write(sink, results):
    """Write results into a sink and close it."""
    with sink:
        for result in results:
            sink.write(FRAME, result)
    return sink
