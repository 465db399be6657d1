"""Pixels in: files, folders, patterns, addresses, standard input, bytes, arrays."""

from mien.sources.listing import IMAGE_ENDINGS
from mien.sources.stills import OneSource, StillItem, StillSource, open_source

__all__ = ["IMAGE_ENDINGS", "OneSource", "StillItem", "StillSource", "open_source"]
