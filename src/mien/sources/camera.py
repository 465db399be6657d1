"""Cameras, by number.

They are opened through OpenCV, which every installation of mien has: it takes a number on all
systems (FFmpeg wants names on Windows), chooses the driver's fastest format, and copes with
drivers that announce formats they do not deliver.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mien.decoding.quiet import Switch
from mien.errors import UnreadableMediaError
from mien.interfaces import Image

CAMERA = re.compile(r"(?:camera:|/dev/video)?(\d{1,3})")

BAD_READS = 10
BAD_READ_PAUSE_S = 0.02
"""So many failed reads in a row mean that the camera is gone; single ones happen."""


class Device(Protocol):
    """A driver's view of an open camera."""

    def read(self) -> tuple[bool, Any]:
        """Wait for a picture: whether there is one, and its pixels, BGR."""
        ...

    def release(self) -> None:
        """Let others use the camera."""
        ...


def camera_number(location: str) -> int | None:
    """The camera that ``"0"``, ``"camera:0"`` or ``"/dev/video0"`` names; ``None`` for others."""
    match = CAMERA.fullmatch(location)
    return None if match is None else int(match[1])


class CameraFeed:
    """An open camera.

    Args:
        number: 0 is the first one.
        size: Wished width and height; the camera may deliver another.

    Raises:
        UnreadableMediaError: There is no such camera, or it cannot be used.
    """

    has_audio = False

    def __init__(self, number: int, size: tuple[int, int] | None) -> None:
        self.rate: Fraction | None = None  # what drivers announce is a guess, often 0
        self._number = number
        self._delivers = False
        self._device: Device = _open_device(number, size)

    def read(self) -> Callable[[], Image] | None:
        """Wait for the next picture.

        Raises:
            UnreadableMediaError: The camera does not deliver any more.
        """
        for _ in range(BAD_READS):
            is_there, image = self._device.read()
            if is_there:
                self._delivers = True
                return lambda: _to_rgb(image)
            if not self._delivers:
                break
            time.sleep(BAD_READ_PAUSE_S)
        raise UnreadableMediaError(
            f"camera {self._number} delivers nothing more; was it unplugged?"
            if self._delivers
            else f"camera {self._number} delivers no picture; another program may be using it"
        )

    def close(self) -> None:
        """Let others use the camera."""
        self._device.release()


def _open_device(number: int, size: tuple[int, int] | None) -> Device:
    """Open a camera through the system's driver."""
    import cv2

    if sys.platform.startswith("linux"):
        _check_linux_device(number)
        driver = cv2.CAP_V4L2
    else:
        driver = {"win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION}.get(sys.platform, 0)
    with _opencv_is_quiet:
        device = cv2.VideoCapture(number, driver)
        if not device.isOpened():
            device.release()
            raise UnreadableMediaError(
                f"camera {number} cannot be opened: it is not there, another program uses it, "
                "or this program may not"
            )
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if size is not None:
            # Uncompressed, most cameras send large pictures at a few frames a second.
            device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            device.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            device.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    return device


def _check_linux_device(number: int, folder: Path = Path("/dev")) -> None:
    """Say what OpenCV does not: whether there is such a camera, and whether we may use it.

    Raises:
        UnreadableMediaError: There is none, or it may not be used.
    """
    path = folder / f"video{number}"
    if not path.exists():
        others = sorted(
            int(found[1])
            for entry in folder.glob("video*")
            if (found := re.fullmatch(r"video(\d+)", entry.name))
        )
        known = f"there are {', '.join(map(str, others))}" if others else "there is none at all"
        raise UnreadableMediaError(f"no camera {number} ({path} does not exist); {known}")
    try:
        path.open("rb").close()
    except PermissionError as error:
        raise UnreadableMediaError(
            f"permission denied for {path}; on most systems members of the group 'video' have it"
        ) from error
    except OSError as error:
        raise UnreadableMediaError(f"camera {number} cannot be opened: {error.strerror}") from error


def _mute_opencv() -> Callable[[], None]:
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

    def restore() -> None:
        cv2.utils.logging.setLogLevel(level)

    return restore


_opencv_is_quiet = Switch(_mute_opencv)


def _to_rgb(image: npt.NDArray[np.uint8]) -> Image:
    """What drivers deliver is BGR, of some cameras grey."""
    import cv2

    code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
    rgb: Image = cv2.cvtColor(image, code)  # type: ignore[assignment]  # 8 bits stay 8 bits
    return rgb
