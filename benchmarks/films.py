"""Clips of one face for benchmarks: it moves, grows, tilts and brightens, as cameras see it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import av
import cv2
import numpy as np

FPS = 30
SIZE = (640, 360)
BLUR = (1.0, 1.2)
"""When the face is blurred, in seconds."""

SECONDS = 3.0
CHANGE_S = 1.5
LEVELS = ((170, 3, 23), (110, 8, 30), (75, 12, 34))
"""Width of the photograph in pixels, noise in grey levels, and H.264 quality: good to bad."""


def film(photos: Sequence[np.ndarray], level: int, seed: int, **options: float) -> list[np.ndarray]:
    """Render, encode and decode a clip.

    Args:
        photos: One photograph of a face, or two, of which the second follows at `CHANGE_S`.
        level: Entry of `LEVELS`.
        seed: Of movement and noise.
        **options: `blur_px` of the blurred stretch (0: none), `dissolve_s` of the change.
    """
    rng = np.random.default_rng(seed)
    width, noise, crf = LEVELS[level]
    phases, rates = rng.uniform(0, 2 * np.pi, 5), rng.uniform(0.15, 0.6, 5)
    small = rng.integers(60, 190, (5, 8, 3)).astype(np.uint8)
    ground = cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    pictures = []
    for number in range(round(SECONDS * FPS)):
        time_s = number / FPS
        x, y, scale, turn, light = np.sin(2 * np.pi * rates * time_s + phases)
        photo = photos[0].astype(np.float32)
        if len(photos) > 1:
            share = np.clip((time_s - CHANGE_S) / max(options["dissolve_s"], 1e-6) + 1e-9, 0, 1)
            photo = (1 - share) * photo + share * photos[1]
        blur = options["blur_px"] * width / 150 if BLUR[0] <= time_s < BLUR[1] else 0.0
        place = (320 + 80 * x, 180 + 30 * y, width / photo.shape[1] * (1 + 0.2 * scale), 6 * turn)
        picture = paste(ground, photo, place, blur) * (1 + 0.08 * light)
        picture += rng.normal(0, noise, picture.shape)
        pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
    return compressed(pictures, crf)


def paste(
    ground: np.ndarray, photo: np.ndarray, place: tuple[float, ...], blur: float
) -> np.ndarray:
    """One frame: the photograph at `place` (x, y, scale, angle) with soft borders."""
    x, y, scale, angle = place
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += x - width / 2, y - height / 2
    alpha = np.zeros((height, width), np.float32)
    edge = max(1, round(0.04 * width))
    alpha[edge:-edge, edge:-edge] = 1
    alpha = cv2.GaussianBlur(alpha, (0, 0), edge / 2)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    face = cv2.warpAffine(photo, matrix, SIZE, flags=way, borderMode=cv2.BORDER_REPLICATE)
    if blur:
        face = cv2.GaussianBlur(face, (0, 0), blur)
    mask = cv2.warpAffine(alpha, matrix, SIZE)[..., None]
    return mask * face + (1 - mask) * ground


def compressed(pictures: list[np.ndarray], crf: int) -> list[np.ndarray]:
    """The same pictures after H.264."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
