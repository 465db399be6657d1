"""Results out: tables by file ending, pictures, and the terminal."""

from mien.sinks.base import CLIP_ENDINGS, IMAGE_ENDINGS, sinks
from mien.sinks.blur import blur_faces
from mien.sinks.console import ConsoleSink
from mien.sinks.draw import draw_faces
from mien.sinks.opening import MultiSink, PictureFolder, open_pictures, open_sink, open_sinks
from mien.sinks.painter import Painter
from mien.sinks.parquet import ParquetSink
from mien.sinks.people import PeopleSink
from mien.sinks.people_console import PeopleConsoleSink, print_people
from mien.sinks.pictures import ImageSink
from mien.sinks.tables import CsvSink, JsonLinesSink, JsonSink
from mien.sinks.video import VideoSink

__all__ = [
    "CLIP_ENDINGS",
    "IMAGE_ENDINGS",
    "ConsoleSink",
    "CsvSink",
    "ImageSink",
    "JsonLinesSink",
    "JsonSink",
    "MultiSink",
    "Painter",
    "ParquetSink",
    "PeopleConsoleSink",
    "PeopleSink",
    "PictureFolder",
    "VideoSink",
    "blur_faces",
    "draw_faces",
    "open_pictures",
    "open_sink",
    "open_sinks",
    "print_people",
    "sinks",
]
