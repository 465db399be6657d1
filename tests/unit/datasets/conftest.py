"""Small data sets in their published formats, as a folder or in archives."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image


def write_picture(grey, size, kind):
    """Encoded picture of one grey level; the level says which file was read."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size), grey, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def write_folder(root, files):
    for name, data in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return root


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.fixture(scope="session")
def picture():
    return write_picture


@pytest.fixture(params=["folder", "folder inside", "one zip", "zip in a folder", "parts"])
def lay_out(request, tmp_path):
    """Function ``(stem, files) -> path`` that lays a tree of files out in one of five ways."""

    def write(stem, files):
        inside = {f"{stem}/{name}": data for name, data in files.items()}
        if request.param == "folder":
            return write_folder(tmp_path, files)
        if request.param == "folder inside":
            return write_folder(tmp_path, inside)
        if request.param == "one zip":
            return write_zip(tmp_path / "any name.zip", inside)
        if request.param == "zip in a folder":
            write_zip(tmp_path / f"{stem}.zip", inside)
            return tmp_path
        # Every other file in each part, as large data sets are cut.
        for part in range(2):
            names = list(inside)[part::2]
            write_zip(tmp_path / f"{stem}-{part}.zip", {name: inside[name] for name in names})
        return tmp_path

    return write
