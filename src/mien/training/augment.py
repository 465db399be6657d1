"""Augmentation of whole batches as tensors; the same code runs on CPU and GPU."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mien.images import LUMA, InputSpec
from mien.interfaces import Image
from mien.training.tables import AugmentTable


def centre_crop(chips: Tensor, size: int) -> Tensor:
    """Cut the border off: what is left is exactly the chip that serving makes.

    Args:
        chips: ``(n, channels, packed, packed)``.
        size: Width and height of the result.
    """
    border = (chips.shape[-1] - size) // 2
    return chips[..., border : border + size, border : border + size]


def scaled(chips: Tensor, spec: InputSpec) -> Tensor:
    """Turn 0..255 into the network's input, as `mien.images.normalise` does."""
    mean = torch.tensor(spec.mean, device=chips.device).view(1, -1, 1, 1)
    std = torch.tensor(spec.std, device=chips.device).view(1, -1, 1, 1)
    return (chips.float() / 255.0 - mean) / std


def channels_last(images: Tensor) -> Tensor:
    """Lay images out as convolutions are fastest.

    `Tensor.contiguous` alone keeps the strides of images with a single channel, since they lie in
    memory as they should; but a convolution then cannot tell them from ``channels_first`` and
    answers in that layout, which everything behind it pays for.
    """
    images = images.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = images.shape
    strides = (height * width * channels, 1, width * channels, channels)
    return images.as_strided(images.shape, strides)


def augment(
    chips: Tensor, spec: InputSpec, table: AugmentTable, generator: torch.Generator
) -> Tensor:
    """Warp, degrade, blank and normalise one batch.

    Args:
        chips: ``uint8``, ``(n, channels, packed, packed)``, with the border of packing.
        spec: Size, mean and std of the network.
        table: How strong.
        generator: Source of all randomness, on the device of the chips.

    Returns:
        ``float32``, ``(n, channels, size, size)``, normalised.
    """
    x = _warp(chips.float() / 255.0, spec.size, table, generator)
    x = _lower_resolution(x, table, generator)
    x = _light(x, table, generator)
    if x.shape[1] == 3:
        x = _colour(x, table, generator)
    if table.noise > 0:
        sigma = _uniform(len(x), 0.0, table.noise, generator).view(-1, 1, 1, 1)
        x = x + sigma * torch.randn(x.shape, generator=generator, device=x.device)
    x = _compress(x.clamp(0.0, 1.0), table, generator)
    x = _erase(x, table, generator)
    mean = torch.tensor(spec.mean, device=x.device).view(1, -1, 1, 1)
    std = torch.tensor(spec.std, device=x.device).view(1, -1, 1, 1)
    return (x - mean) / std


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator, device=generator.device)


def _warp(x: Tensor, size: int, table: AugmentTable, generator: torch.Generator) -> Tensor:
    """Random rotation, scale, shift and mirror in one resampling."""
    n, _, packed, _ = x.shape
    spread = table.rotate_deg / 2 * torch.randn(n, generator=generator, device=x.device)
    angle = spread.clamp(-table.rotate_deg, table.rotate_deg) * (math.pi / 180)
    # Log-uniform: as many faces grow by a factor as shrink by it.
    reach = math.log1p(table.scale)
    zoom = torch.exp(_uniform(n, -reach, reach, generator)) * (size / packed)
    mirror = torch.ones(n, device=x.device)
    if table.flip:
        mirror = 1.0 - 2.0 * (_uniform(n, 0.0, 1.0, generator) < 0.5).float()
    reach = 2 * table.shift * size / packed
    dx, dy = _uniform(n, -reach, reach, generator), _uniform(n, -reach, reach, generator)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        [torch.stack([cos * mirror, -sin, dx], 1), torch.stack([sin * mirror, cos, dy], 1)], 1
    )
    grid = F.affine_grid(theta, [n, x.shape[1], size, size], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _lower_resolution(x: Tensor, table: AugmentTable, generator: torch.Generator) -> Tensor:
    """Shrink and enlarge a random part of the batch: webcams, far faces, FER's 48 pixels."""
    chosen = torch.nonzero(_uniform(len(x), 0.0, 1.0, generator) < table.low_resolution)[:, 0]
    if not len(chosen):
        return x
    side = int(torch.randint(20, 65, (1,), generator=generator, device=x.device))
    small = F.interpolate(x[chosen], size=(side, side), mode="bilinear", antialias=True)
    result = x.clone()
    result[chosen] = F.interpolate(small, size=x.shape[-2:], mode="bilinear")
    return result


def _compress(x: Tensor, table: AugmentTable, generator: torch.Generator) -> Tensor:
    """Store a random part of the batch as JPEG, each face at its own size and quality.

    Cameras and messengers compress the picture as it is, and the chip is made of that: in a small
    face the blocks of 8 x 8 pixels are large.
    """
    if not table.jpeg:
        return x  # and no number is drawn: recipes without it see the batches they always saw
    n, size = len(x), x.shape[-1]
    chosen = torch.nonzero(_uniform(n, 0.0, 1.0, generator) < table.jpeg)[:, 0]
    sides = _uniform(n, min(40, size), size, generator).round().int().tolist()
    qualities = _uniform(n, 10.0, 90.0, generator).round().int().tolist()
    result = x.clone()
    for k in chosen.tolist():
        image = (x[k] * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        stored = _stored(image, sides[k], qualities[k])
        result[k] = torch.from_numpy(stored).to(x.device).permute(2, 0, 1) / 255
    return result


def _stored(image: Image, side: int, quality: int) -> Image:
    """What is left of ``(size, size, 1 or 3)`` when it is shrunk to `side`, stored and enlarged."""
    size = image.shape[0]
    small = cv2.resize(image[..., ::-1], (side, side), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
    read = np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
    large = cv2.resize(read, (size, size), interpolation=cv2.INTER_LINEAR)
    # A copy: torch takes no strides below zero, which a single reversed channel would keep.
    return np.asarray(large.reshape(image.shape)[..., ::-1], np.uint8).copy()


def _light(x: Tensor, table: AugmentTable, generator: torch.Generator) -> Tensor:
    n = len(x)
    factor = 1.0 + _uniform(n, -table.contrast, table.contrast, generator).view(-1, 1, 1, 1)
    offset = _uniform(n, -table.brightness, table.brightness, generator).view(-1, 1, 1, 1)
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - middle) * factor + middle + offset


def _colour(x: Tensor, table: AugmentTable, generator: torch.Generator) -> Tensor:
    """Light of another colour, or none at all.

    A face that has no colour gets none: a tint would teach that tinted faces are those of grey
    data sets.
    """
    n = len(x)
    coloured = ((x - x.mean(1, keepdim=True)).abs().amax((1, 2, 3)) > 0.02).float()
    gains = _uniform(3 * n, -table.tint, table.tint, generator).view(n, 3, 1, 1)
    tinted = x * (1.0 + gains * coloured.view(-1, 1, 1, 1))
    is_grey = (_uniform(n, 0.0, 1.0, generator) < table.grey).view(-1, 1, 1, 1)
    return torch.where(is_grey, luma(tinted), tinted)


def luma(x: Tensor) -> Tensor:
    """The grey of colours, ``(n, 3, h, w)`` to ``(n, 1, h, w)``, as `mien.images.to_grey`."""
    return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _erase(x: Tensor, table: AugmentTable, generator: torch.Generator) -> Tensor:
    """Blank one rectangle a chosen face with its mean (Zhong et al., AAAI 2020)."""
    n, size = len(x), x.shape[-1]
    chosen = _uniform(n, 0.0, 1.0, generator) < table.erase
    area = _uniform(n, 0.02, 0.2, generator)
    aspect = torch.exp(_uniform(n, -1.0, 1.0, generator))
    height, width = torch.sqrt(area * aspect), torch.sqrt(area / aspect)
    top = _uniform(n, 0.0, 1.0, generator) * (1 - height)
    left = _uniform(n, 0.0, 1.0, generator) * (1 - width)
    line = (torch.arange(size, device=x.device) + 0.5) / size
    rows = (line >= top[:, None]) & (line < (top + height)[:, None])
    columns = (line >= left[:, None]) & (line < (left + width)[:, None])
    hole = rows[:, None, :, None] & columns[:, None, None, :] & chosen.view(-1, 1, 1, 1)
    return torch.where(hole, x.mean(dim=(1, 2, 3), keepdim=True), x)
