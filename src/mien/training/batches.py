"""Batches for the loop: the next one is made while the network works on this one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from mien.training.augment import augment, channels_last
from mien.training.distributed import rank
from mien.training.labels import Labels
from mien.training.loader import Mixer, stream_seed
from mien.training.recipe import Recipe
from mien.training.tables import DataTable


def batches(
    mixer: Mixer, recipe: Recipe, first: int, device: torch.device
) -> Iterator[tuple[Tensor, Labels]]:
    """Batches from number `first` to the last.

    Yields:
        Images ``(n, channels, size, size)``, normalised, ``channels_last``, and their labels.
    """
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[tuple[Tensor, Labels]]] = deque()
        try:
            for step in range(first, recipe.train.steps):
                waiting.append(pool.submit(make_batch, mixer, recipe, step, device))
                if len(waiting) > 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # early stopping, or an error: make no more of them
            for future in waiting:
                future.cancel()


def make_batch(
    mixer: Mixer, recipe: Recipe, step: int, device: torch.device
) -> tuple[Tensor, Labels]:
    """Batch number `step`, augmented and mixed; a pure function of recipe, step and process."""
    seed = stream_seed(recipe.train.seed, 0, step) + rank()
    generator = torch.Generator(device).manual_seed(seed)
    images, labels = [], []
    for part, rows in zip(mixer.parts, mixer.rows(step), strict=True):
        chips, y = part.chips[rows].to(device), part.labels[rows].to(device)
        x = augment(chips, recipe.input, recipe.augment, generator)
        x, y = blend(x, y, part.table, generator)
        images.append(x)
        labels.append(y)
    return channels_last(torch.cat(images)), Labels.cat(labels)


def blend(
    x: Tensor, y: Labels, table: DataTable, generator: torch.Generator
) -> tuple[Tensor, Labels]:
    """Mix every face with another one of the batch, by mixup, by cutmix, or not at all."""
    alpha = table.mixup or table.cutmix
    if not alpha:
        return x, y
    # A Beta(a, a) sample as a ratio of gamma samples, drawn from our own generator.
    shape = torch.full((2, len(x)), alpha, device=x.device)
    gamma = torch._standard_gamma(shape, generator=generator)
    share = (gamma[0] / gamma.sum(0).clamp(min=1e-12)).clamp(0.0, 1.0)
    share = torch.maximum(share, 1 - share)
    partner = torch.randperm(len(x), generator=generator, device=x.device)
    if table.mixup:
        s = share.view(-1, 1, 1, 1)
        x = s * x + (1 - s) * x[partner]
    else:
        hole, share = _windows(share, x.shape[-1], generator)
        x = torch.where(hole, x[partner], x)
    t = share.view(-1, 1)
    mixed = Labels(
        _shares(y.emotion, partner, t),
        _shares(y.gender, partner, t),
        y.age_years,
        y.age_spread,
        y.age_bin,
    )
    return x, mixed


def _shares(own: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Blended class shares; a face counts only when both are labelled."""
    both = (own.sum(1) > 0) & (own[partner].sum(1) > 0)
    return (share * own + (1 - share) * own[partner]) * both[:, None]


def _windows(share: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rectangles for cutmix ``(n, 1, size, size)``, and the share that is really left outside."""
    n, device = len(share), share.device
    side = torch.sqrt(1 - share)
    centre = torch.rand((2, n), generator=generator, device=device)
    line = (torch.arange(size, device=device) + 0.5) / size
    inside = [(line >= (c - side / 2)[:, None]) & (line < (c + side / 2)[:, None]) for c in centre]
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return hole, 1 - hole.float().mean(dim=(1, 2, 3))
