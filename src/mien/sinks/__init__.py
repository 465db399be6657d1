"""Results out: tables by file ending, pictures, and the terminal."""

from mien.sinks.base import IMAGE_ENDINGS, sinks
from mien.sinks.blur import blur_faces
from mien.sinks.console import ConsoleSink
from mien.sinks.draw import draw_faces
from mien.sinks.opening import MultiSink, open_sink, open_sinks
from mien.sinks.parquet import ParquetSink
from mien.sinks.people import PeopleSink
from mien.sinks.people_console import print_people
from mien.sinks.pictures import ImageSink
from mien.sinks.tables import CsvSink, JsonLinesSink, JsonSink

__all__ = [
    "IMAGE_ENDINGS",
    "ConsoleSink",
    "CsvSink",
    "ImageSink",
    "JsonLinesSink",
    "JsonSink",
    "MultiSink",
    "ParquetSink",
    "PeopleSink",
    "blur_faces",
    "draw_faces",
    "open_sink",
    "open_sinks",
    "print_people",
    "sinks",
]
