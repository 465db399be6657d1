"""First bytes of files, written out by hand."""

import struct

import pytest

from mien.decoding.formats import empty_size, is_cut_short, sniff


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"\xff\xd8", None),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\x89PNG\n\x1a\n", None),  # carriage returns lost in a text transfer
        (b"RIFF\x24\0\0\0WEBPVP8 ", "WebP"),
        (b"RIFF\x24\0\0\0WAVEfmt ", None),
        (b"GIF89a", "GIF"),
        (b"GIF90a", None),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"MM\0+\0\x08\0\0", "TIFF"),
        (b"BM" + b"\0" * 12 + struct.pack("<I", 40), "BMP"),
        (b"BM" + b"\0" * 12 + struct.pack("<I", 41), None),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1miafMA1B", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x14ftypisom\0\0\0\0mp41avif", None),  # "avif" is behind the list of brands
        (b"", None),
    ],
)
def test_sniff(head, kind):
    assert sniff(head) == kind


@pytest.mark.parametrize(
    ("kind", "whole"),
    [
        ("WebP", b"RIFF" + struct.pack("<I", 8) + b"WEBP1234"),
        ("BMP", b"BM" + struct.pack("<I", 10) + b"1234"),
        ("GIF", b"GIF89a" + b"\0" * 8 + b";"),
        ("HEIC", struct.pack(">I", 12) + b"ftypheic"),
        ("AVIF", struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 20) + b"1234"),
        ("TIFF", b"II*\0\x08\0\0\0\x01\0" + b"\0" * 12),
        ("TIFF", b"MM\0*\0\0\0\x08\0\x01" + b"\0" * 12),
        ("TIFF", b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1) + b"\0" * 20),
    ],
)
def test_a_file_is_short_from_its_last_byte_on(kind, whole):
    assert not is_cut_short(kind, whole)
    for length in range(4, len(whole)):
        assert is_cut_short(kind, whole[:length]), length


def test_every_box_is_walked():
    boxes = struct.pack(">I", 12) + b"ftypheic" + struct.pack(">I", 10) + b"mdat12"
    assert not is_cut_short("HEIC", boxes)
    assert is_cut_short("HEIC", boxes[:-1])


def test_a_last_box_that_runs_to_the_end_is_never_short():
    assert not is_cut_short("HEIC", struct.pack(">I", 8) + b"ftyp" + b"\0\0\0\0mdat12345")


@pytest.mark.parametrize(
    ("kind", "data", "size"),
    [
        ("GIF", b"GIF89a" + struct.pack("<HH", 0, 7), (0, 7)),
        ("GIF", b"GIF89a" + struct.pack("<HH", 3, 7), None),
        ("BMP", b"BM" + b"\0" * 16 + struct.pack("<ii", 3, 0), (3, 0)),
        ("PNG", b"\x89PNG\r\n\x1a\n", None),
        ("JPEG", b"\xff\xd8\xff", None),
    ],
)
def test_empty_size(kind, data, size):
    assert empty_size(kind, data) == size
