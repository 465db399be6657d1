"""Pixels in: files, folders, patterns, addresses, standard input, bytes, arrays, video, cameras."""

from mien.sources.listing import IMAGE_ENDINGS, VIDEO_ENDINGS
from mien.sources.moving import VideoInfo
from mien.sources.stills import OneSource, StillItem, StillSource, open_source
from mien.sources.video import VideoSource, is_video, list_videos, open_video

__all__ = [
    "IMAGE_ENDINGS",
    "VIDEO_ENDINGS",
    "OneSource",
    "StillItem",
    "StillSource",
    "VideoInfo",
    "VideoSource",
    "is_video",
    "list_videos",
    "open_source",
    "open_video",
]
