"""Source -> detect -> align -> attributes -> result.

Decoding, detection and alignment of several images run in worker threads (OpenCV and ONNX
Runtime release the interpreter lock); the faces of all of them then share one forward pass.
Nothing is read before there is room for it, so memory does not grow with the number of images.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from os import PathLike, fsdecode
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.align import AlignSpec, align_faces
from mien.attributes import OnnxAttributeModel, decoders, measure_quality, reason_to_skip
from mien.config import ATTRIBUTES, AnalyzeConfig, VideoConfig
from mien.detect import create_detector
from mien.errors import InputError
from mien.images import Colour
from mien.interfaces import Detection, Frame, Image
from mien.results import Face, FrameResult
from mien.sources.mixed import Clip, split_sources
from mien.sources.video import VideoSource, open_video

MAX_HELD_BYTES = 128 * 1024 * 1024
"""Pixels that wait for a full batch; more than this and the batch is run as it is."""


Probabilities: TypeAlias = dict[str, npt.NDArray[np.float64]]
"""Probabilities ``(n, labels)`` by head."""


class Loadable(Protocol):
    """Something that becomes a frame when a worker has time for it."""

    def load(self) -> Frame:
        """Read and decode; problems are in `Frame.error`."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image whose faces are found and cut, waiting for the network.

    Attributes:
        frame: Where it comes from.
        size: Width and height in pixels.
        faces: What is known without the network.
        chips: One a face, ``(size, size, 3)``; ``None`` for faces that are skipped.
    """

    frame: Frame
    size: tuple[int, int]
    faces: tuple[Face, ...]
    chips: tuple[Image | None, ...]

    @property
    def held_bytes(self) -> int:
        """Bytes of the pixels that it holds."""
        return 0 if self.frame.image is None else self.frame.image.nbytes

    def result(self, faces: tuple[Face, ...]) -> FrameResult:
        """What is handed to the user when `faces` have their answers."""
        return FrameResult(
            source=self.frame.source,
            index=self.frame.index,
            time_s=self.frame.time_s,
            width=self.size[0],
            height=self.size[1],
            faces=faces,
            error=self.frame.error,
        )


class Analyzer:
    """Loads the models once and answers for any number of images.

    One object may be used from several threads at the same time.

    Args:
        config: Settings; the defaults when omitted.
        **settings: Single settings of `AnalyzeConfig` that differ from `config`.

    Raises:
        ConfigError: A setting is unknown or out of range.
        ModelError: A model is missing or damaged, or the device is not there.
        MissingExtraError: The detector needs a library that is not installed.

    Example:
        >>> analyzer = Analyzer(attributes=("age", "emotion"))
        >>> [result] = analyzer.analyze("examples/astronaut.jpg")
        >>> len(result.faces)
        1
    """

    def __init__(self, config: AnalyzeConfig | None = None, **settings: Any) -> None:
        base = config or AnalyzeConfig()
        self.config = replace(base, **_checked(settings)) if settings else base
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._threads = self.config.threads or cores or 1
        self.model = OnnxAttributeModel(
            self.config.model, device=self.config.device, threads=self._threads
        )
        self.detector = create_detector(
            self.config.detector,
            min_score=self.config.min_score,
            device=self.config.device,
            # Images are detected side by side: one thread each uses the cores best.
            threads=1,
        )
        self._align = AlignSpec(size=self.model.input.size, template=self.model.spec.template)
        self._min_face_px = self.config.min_face_px or self.model.spec.min_face_px
        sharp = self.config.min_sharpness
        self._min_sharpness = self.model.spec.min_sharpness if sharp is None else sharp
        self._heads = [h for h in self.model.spec.heads if h in self.config.attributes]
        missing = [a for a in self.config.attributes if a not in self.model.spec.heads]
        if self._heads and self.config.attributes == ATTRIBUTES:
            # All three is the default, and means all that the model answers.
            known = tuple(a for a in ATTRIBUTES if a in self._heads)
            self.config = replace(self.config, attributes=known)
        elif missing:
            raise InputError(
                f"model {self.model.spec.name!r} does not answer {missing[0]!r}. "
                f"It knows: {', '.join(self.model.spec.heads)}."
            )
        self._decode(np.zeros((0, self._align.size, self._align.size, 3), np.uint8))

    def analyze(
        self, source: Any, *, colour: Colour = "RGB", video: VideoConfig | None = None
    ) -> list[FrameResult]:
        """Answer for everything in `source`, in order.

        Args:
            source: A path of an image or clip, folder, glob, URL, ``bytes``, file object, NumPy
                array ``(height, width[, channels])``, PIL image, or a list of these.
            colour: ``"RGB"`` or ``"BGR"``, the channel order of arrays.
            video: How clips are read and people followed in them.

        Returns:
            One result an image or frame. One that cannot be read is a result with an `error`.

        Raises:
            MissingExtraError: There is a clip, and PyAV is not installed.
        """
        return list(self.stream(source, colour=colour, video=video))

    def stream(
        self, source: Any, *, colour: Colour = "RGB", video: VideoConfig | None = None
    ) -> Iterator[FrameResult]:
        """Answer one image after the other with bounded memory; arguments as `analyze`."""
        parts = split_sources(source, colour=colour, max_pixels=self.config.max_pixels)
        for part in parts:
            answers = (
                self.follow(part.location, video, keep_images=False)
                if isinstance(part, Clip)
                else self.run(part.items(), keep_images=False)
            )
            with closing(answers):
                for _, result in answers:
                    yield result

    def follow(
        self,
        source: str | PathLike[str] | VideoSource,
        video: VideoConfig | None = None,
        *,
        keep_images: bool = True,
    ) -> Generator[tuple[Frame, FrameResult]]:
        """Follow the people of one clip or camera: stable numbers, steady answers.

        `Face.track_id` is the same for the same person as long as the clip shows them without a
        cut; `Face.smoothed` is what all frames of the person say together, beside the answers for
        the single frame.

        Args:
            source: Path, URL, camera number as text, pattern, or what `open_video` returned; that
                stays open.
            video: How it is read and people are followed.
            keep_images: Hand the pixels on in the frame.

        Raises:
            MissingExtraError: PyAV is not installed.
        """
        from mien.pipeline.video import Follower

        settings = video or VideoConfig()
        with ExitStack() as stack:
            if isinstance(source, VideoSource):
                clip = source
            else:
                clip = stack.enter_context(
                    open_video(fsdecode(source), settings, max_pixels=self.config.max_pixels)
                )
            follower = Follower(self, settings, live=clip.info.live)
            yield from follower.run(clip, keep_images=keep_images)

    def run(
        self, items: Iterable[Loadable], *, keep_images: bool = True
    ) -> Generator[tuple[Frame, FrameResult]]:
        """Answer for loadable items, in order; the frame keeps its pixels for drawing.

        Args:
            items: Read lazily, a few ahead of the answers.
            keep_images: Hand the pixels on in the frame; without it they are dropped early.
        """
        group: list[Prepared] = []
        first = True
        # Closed by name: a caller who stops early must not wait for the garbage collector.
        with closing(self._prepared(items, keep_images)) as stream:
            for prepared in stream:
                group.append(prepared)
                # The first answer comes at once; later ones wait until a batch is full.
                if first or self.is_full(group):
                    first = False
                    yield from self._answer(group)
                    group = []
        yield from self._answer(group)

    def is_full(self, group: Sequence[Prepared]) -> bool:
        """Whether it is time for a forward pass."""
        faces = sum(len(prepared.faces) for prepared in group)
        held = sum(prepared.held_bytes for prepared in group)
        return (
            faces >= self.config.batch_size
            or len(group) >= 4 * self.config.batch_size
            or held > MAX_HELD_BYTES
        )

    def _prepared(self, items: Iterable[Loadable], keep_images: bool) -> Generator[Prepared]:
        """Load, detect and align in worker threads; a bounded number is under way."""
        if self._threads == 1:
            # One thread means one: handing over to a worker would only cost time.
            yield from (self._prepare(item, keep_images) for item in items)
            return
        waiting: deque[Future[Prepared]] = deque()
        source = iter(items)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="mien") as pool:
            try:
                for item in source:
                    waiting.append(pool.submit(self._prepare, item, keep_images))
                    if len(waiting) > 2 * self._threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                # Reached early when the caller stops listening or presses Ctrl-C.
                for future in waiting:
                    future.cancel()

    def _prepare(self, item: Loadable, keep_images: bool) -> Prepared:
        frame = item.load()
        if frame.image is None:
            return Prepared(frame, (0, 0), (), ())
        known = frame.detections
        found = self.detector.detect([frame.image])[0] if known is None else list(known)
        found.sort(key=lambda face: -face.box.width * face.box.height)
        if self.config.faces == "largest":
            found = found[:1]
        return self.cut(frame, found, keep_image=keep_images)

    def cut(self, frame: Frame, found: Sequence[Detection], *, keep_image: bool = True) -> Prepared:
        """Cut the chips of faces whose places in `frame` are known.

        Args:
            frame: With pixels.
            found: Faces in it.
            keep_image: Hand the pixels on.
        """
        assert frame.image is not None  # whoever found faces has seen it
        pairs = [self._cut(frame.image, detection) for detection in found]
        size = (frame.image.shape[1], frame.image.shape[0])
        kept = frame if keep_image else replace(frame, image=None)
        return Prepared(kept, size, tuple(f for f, _ in pairs), tuple(c for _, c in pairs))

    def _cut(self, image: Image, detection: Detection) -> tuple[Face, Image | None]:
        """The face as far as the detector knows it, and its chip unless it is skipped."""
        chip, problem = None, None
        try:
            chip = align_faces(image, [detection], self._align)[0]
        except InputError as error:
            problem = str(error)
        quality = measure_quality(detection, chip)
        reason = reason_to_skip(
            detection,
            quality,
            min_face_px=self._min_face_px,
            min_sharpness=self._min_sharpness if problem is None else 0,
        )
        face = Face(
            box=detection.box,
            score=detection.score,
            landmarks=detection.landmarks,
            quality=quality,
            skipped=reason or problem,
        )
        return face, (chip if reason is None else None)

    def _answer(self, group: Sequence[Prepared]) -> Iterator[tuple[Frame, FrameResult]]:
        """One forward pass for all faces of the group (more when there are very many)."""
        chips = [chip for prepared in group for chip in prepared.chips if chip is not None]
        answers: list[dict[str, Any]] = []
        for start in range(0, len(chips), self.config.batch_size):
            answers += self._decode(np.stack(chips[start : start + self.config.batch_size]))
        rest = iter(answers)
        for prepared in group:
            faces = tuple(
                face if chip is None else replace(face, **next(rest))
                for face, chip in zip(prepared.faces, prepared.chips, strict=True)
            )
            yield prepared.frame, prepared.result(faces)

    def _decode(self, chips: Image) -> list[dict[str, Any]]:
        """Answers for chips ``(n, size, size, 3)``, one mapping of attributes a chip."""
        return self.decode(self.probabilities(chips))

    def probabilities(self, chips: Image) -> Probabilities:
        """Calibrated probabilities ``(n, labels)`` by head, for chips ``(n, size, size, 3)``."""
        return self.model.predict(chips, self._heads)

    def decode(self, probabilities: Probabilities) -> list[dict[str, Any]]:
        """Turn probabilities ``(n, labels)`` by head into attributes of `Face`, one row each."""
        columns = [
            (name, decoders[head.decoder](values, head, self.config))
            for name, values in probabilities.items()
            for head in [self.model.spec.heads[name]]
        ]
        rows = len(columns[0][1]) if columns else 0
        return [{name: values[row] for name, values in columns} for row in range(rows)]


def analyze(
    source: Any, *, colour: Colour = "RGB", video: VideoConfig | None = None, **settings: Any
) -> list[FrameResult]:
    """Apparent age, gender and expression of every face in `source`.

    Loads the models for this one call; keep an `Analyzer` for more.

    Args:
        source: What `Analyzer.analyze` takes.
        colour: Channel order of arrays, ``"RGB"`` or ``"BGR"``.
        video: How clips are read and people followed in them.
        **settings: Settings of `AnalyzeConfig`.

    Returns:
        One result an image.
    """
    return Analyzer(AnalyzeConfig(), **settings).analyze(source, colour=colour, video=video)


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Reject unknown settings with the message that a TOML file would get."""
    defaults = AnalyzeConfig.from_mapping(settings)
    return {name: getattr(defaults, name) for name in settings}
