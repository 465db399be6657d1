"""Frames of a clip or a camera to steady people: read -> track -> cut -> network -> smooth.

Reading, tracking and the network each have a thread of their own; a bounded number of frames is
under way. A live source has no time for that: every frame goes through all steps at once.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from mien.config import VideoConfig
from mien.detect import create_detector
from mien.interfaces import Detection, Frame, Image
from mien.pipeline.ahead import ahead
from mien.pipeline.analyzer import Analyzer, Prepared, Probabilities
from mien.results import Face, FrameResult, Smoothed
from mien.track import FaceTracker, Observation, Smoother, SymmetricSmoother, frame_weight

FRAMES_AHEAD = 3
"""Frames that are read before the tracker wants them."""

GROUP = 8
"""Most frames of a file whose faces share one forward pass."""

SPARSE_S = 0.5
"""Frames this far apart are searched as thoroughly as pictures are."""


@dataclass(slots=True)
class _Followed:
    """A frame whose faces are found, named and cut; the network adds its answers.

    Attributes:
        prepared: Faces and chips.
        ids: Number of every face.
        raw: Answers for this frame alone, by the place of the face.
    """

    prepared: Prepared
    ids: tuple[int, ...]
    raw: dict[int, dict[str, Any]]

    @property
    def time_s(self) -> float:
        return self.prepared.frame.time_s or 0.0

    @property
    def asked(self) -> list[int]:
        """Places of the faces that have a chip."""
        return [place for place, chip in enumerate(self.prepared.chips) if chip is not None]


_Said: TypeAlias = list[Mapping[str, Any]]
"""Smoothed probabilities of the faces with a chip, by head."""


class _Smoothing(Protocol):
    """Takes frame after frame and gives back those whose smoothed answers are known."""

    def push(
        self, item: _Followed, time_s: float, faces: Sequence[Observation]
    ) -> Sequence[tuple[_Followed, Sequence[Mapping[str, Any]]]]: ...

    def flush(self) -> Sequence[tuple[_Followed, Sequence[Mapping[str, Any]]]]: ...

    def forget(self, keep: Collection[int]) -> None: ...


class _Immediate:
    """Smooths with the past alone, so no frame has to wait."""

    def __init__(self, config: VideoConfig) -> None:
        self._smoother = Smoother(config)
        self.forget = self._smoother.forget

    def push(
        self, item: _Followed, time_s: float, faces: Sequence[Observation]
    ) -> list[tuple[_Followed, _Said]]:
        update = self._smoother.update
        said: _Said = [
            update(face.track_id, time_s, face.probabilities, face.weight) for face in faces
        ]
        return [(item, said)]

    def flush(self) -> list[tuple[_Followed, _Said]]:
        return []


class Follower:
    """Follows the people of one clip and gives everyone one steady answer.

    Args:
        analyzer: Finds, cuts and asks.
        config: How people are followed.
        live: Answer every frame at once; `VideoConfig.symmetric` is not possible then.
    """

    def __init__(self, analyzer: Analyzer, config: VideoConfig, *, live: bool = False) -> None:
        self._analyzer = analyzer
        self._config = config
        self._live = live
        # A frame without faces is not searched ever finer: the next one is another chance. Frames
        # far apart are like pictures.
        chosen = analyzer.config
        self._detector = create_detector(
            chosen.detector,
            min_score=chosen.min_score,
            device=chosen.device,
            threads=1,
            thorough=(config.every_s or 0.0) >= SPARSE_S,
        )
        self._tracker = FaceTracker(self._detect, config)
        waits = config.symmetric and not live
        self._smoothing: _Smoothing = SymmetricSmoother(config) if waits else _Immediate(config)
        self._known: dict[int, Smoothed] = {}
        self._seen_s: dict[int, float] = {}

    def run(
        self, frames: Iterable[Frame], *, keep_images: bool = True
    ) -> Generator[tuple[Frame, FrameResult]]:
        """Answer for the frames of one clip, in order.

        Args:
            frames: With time stamps; frames with an error are handed on.
            keep_images: Hand the pixels on in the frame.
        """
        if self._live:
            for frame in frames:
                yield from self._answer([self._follow(frame, keep_images)])
            return
        read = ahead(frames, FRAMES_AHEAD)
        followed = ahead((self._follow(frame, keep_images) for frame in read), GROUP)
        group: list[_Followed] = []
        # In this order: the thread that follows must have stopped before that which reads is.
        with closing(read), closing(followed):
            for one in followed:
                group.append(one)
                if len(group) >= GROUP or self._analyzer.is_full([it.prepared for it in group]):
                    yield from self._answer(group)
                    group = []
            yield from self._answer(group)
        yield from self._finish(self._smoothing.flush())

    def _detect(self, image: Image) -> list[Detection]:
        return self._detector.detect([image])[0]

    def _follow(self, frame: Frame, keep_image: bool) -> _Followed:
        if frame.image is None:
            return _Followed(Prepared(frame, (0, 0), (), ()), (), {})
        tracked = self._tracker.follow(frame.image, frame.time_s or 0.0)
        tracked = sorted(tracked, key=lambda one: -_area(one.detection))
        if self._analyzer.config.faces == "largest":
            tracked = tracked[:1]
        found = [one.detection for one in tracked]
        prepared = self._analyzer.cut(frame, found, keep_image=keep_image)
        return _Followed(prepared, tuple(one.track_id for one in tracked), {})

    def _answer(self, group: Sequence[_Followed]) -> Iterator[tuple[Frame, FrameResult]]:
        """One forward pass for the faces of all frames, then smoothing, frame by frame."""
        chips = [chip for one in group for chip in one.prepared.chips if chip is not None]
        probabilities: Probabilities = {}
        if chips:
            probabilities = self._analyzer.probabilities(np.stack(chips))
        raw = self._analyzer.decode(probabilities)
        start = 0
        for one in group:
            places = one.asked
            rows = range(start, start + len(places))
            start += len(places)
            one.raw = {place: raw[row] for place, row in zip(places, rows, strict=True)}
            seen = [
                self._observe(one, place, {head: p[row] for head, p in probabilities.items()})
                for place, row in zip(places, rows, strict=True)
            ]
            yield from self._finish(self._smoothing.push(one, one.time_s, seen))

    def _observe(self, one: _Followed, place: int, said: dict[str, Any]) -> Observation:
        face = one.prepared.faces[place]
        self._seen_s[one.ids[place]] = one.time_s
        assert face.quality is not None  # whoever cuts a chip measures it
        return Observation(one.ids[place], said, frame_weight(face.quality, face.score))

    def _finish(
        self, ready: Sequence[tuple[_Followed, Sequence[Mapping[str, Any]]]]
    ) -> Iterator[tuple[Frame, FrameResult]]:
        """Put track, raw and smoothed answers into the faces of frames that waited for them.

        A face that gets no answer now, as it is too small, keeps the last smoothed one.
        """
        for one, said in ready:
            steady = dict(zip(one.asked, self._decode(said), strict=True))
            faces: list[Face] = []
            pairs = zip(one.prepared.faces, one.ids, strict=True)
            for place, (face, track_id) in enumerate(pairs):
                self._seen_s[track_id] = max(one.time_s, self._seen_s.get(track_id, 0.0))
                if place in steady:
                    self._known[track_id] = steady[place]
                answers = one.raw.get(place, {})
                smoothed = self._known.get(track_id)
                faces.append(replace(face, track_id=track_id, smoothed=smoothed, **answers))
            self._forget(one.time_s)
            yield one.prepared.frame, one.prepared.result(tuple(faces))

    def _decode(self, said: Sequence[Mapping[str, Any]]) -> list[Smoothed]:
        if not said:
            return []
        stacked = {head: np.stack([face[head] for face in said]) for head in said[0]}
        return [Smoothed(**answers) for answers in self._analyzer.decode(stacked)]

    def _forget(self, time_s: float) -> None:
        """Drop people who cannot come back under their number."""
        horizon = time_s - 2 * max(self._config.lost_s, 1.5 * (self._config.every_s or 0.0))
        gone = [track_id for track_id, seen_s in self._seen_s.items() if seen_s < horizon]
        for track_id in gone:
            del self._seen_s[track_id]
            self._known.pop(track_id, None)
        if gone:
            self._smoothing.forget(self._seen_s)


def _area(face: Detection) -> float:
    return face.box.width * face.box.height
