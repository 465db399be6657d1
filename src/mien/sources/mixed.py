"""Photos and clips in one list: stills in groups, every clip on its own, all in order."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike, fsdecode
from typing import cast

from mien.images import MAX_PIXELS, Colour
from mien.sources import listing
from mien.sources.stills import OneSource, StillSource, is_one_source, open_source
from mien.sources.video import is_video, list_videos


@dataclass(frozen=True, slots=True)
class Clip:
    """A moving source that has not been opened yet.

    Attributes:
        location: Path, URL, camera or pattern, see `mien.sources.video.open_video`.
    """

    location: str


def split_sources(
    source: OneSource | Iterable[OneSource],
    *,
    colour: Colour = "RGB",
    max_pixels: int = MAX_PIXELS,
) -> Iterator[StillSource | Clip]:
    """Tell stills from clips by their names; nothing is opened.

    A folder, or a pattern, may hold both: its stills come first. An iterator is taken for stills,
    for its sources are not known before their turn comes.

    Args:
        source: What `open_source` takes, and clips, cameras and streams.
        colour: Order of the channels in NumPy arrays.
        max_pixels: Larger image files are refused.

    Raises:
        InputError: A source is of a type that cannot hold an image.
        ConfigError: `colour` or `max_pixels` is out of range.
    """
    many: Collection[OneSource] = []
    if is_one_source(source):
        many = [cast("OneSource", source)]
    elif isinstance(source, Collection):
        many = cast("Collection[OneSource]", source)
    clips = {place: _clips_of(one) for place, one in enumerate(many)}
    if not any(clips.values()):
        yield open_source(source, colour=colour, max_pixels=max_pixels)
        return
    stills: list[OneSource] = []
    for place, one in enumerate(many):
        if not clips[place] or _holds_stills(one):
            stills.append(one)
        if clips[place] and stills:
            yield open_source(stills, colour=colour, max_pixels=max_pixels)
            stills = []
        yield from map(Clip, clips[place])
    if stills:
        yield open_source(stills, colour=colour, max_pixels=max_pixels)


def _clips_of(source: OneSource) -> list[str]:
    """Clips that a source is or holds; empty when it is something else."""
    if not isinstance(source, (str, PathLike)):
        return []
    text = fsdecode(source)
    matches = _matches(text)
    if matches:
        return [path for path in matches if is_video(path)]
    if is_video(text):
        return [text]
    return list_videos(text) if listing.is_folder(text) else []


def _matches(text: str) -> list[str]:
    """What a pattern finds; nothing when the text is none."""
    if "://" in text or not listing.is_pattern(text) or listing.exists(text):
        return []
    return sorted(glob.iglob(text, recursive=True))  # noqa: PTH207  # as in `listing`


def _holds_stills(source: OneSource) -> bool:
    """Whether a source that has clips has images, too."""
    text = fsdecode(source) if isinstance(source, (str, PathLike)) else ""
    if listing.is_folder(text):
        return any(listing.list_folder(text, listing.Tally(), recursive=True))
    return any(listing.has_image_ending(path) for path in _matches(text))
