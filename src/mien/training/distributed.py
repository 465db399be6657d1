"""Several processes, one model: what `torchrun` starts. With one process all of this is nothing.

Every process takes its own share of every batch; gradients are averaged by torch's
`DistributedDataParallel`. Losses are means over the labelled faces of the whole batch, not of one
share, so that two processes train the same model as one with twice the batch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

SETTLE_S = 0.25
"""How long the threads of gloo have for letting go before the group ends."""


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def processes(device: torch.device) -> Iterator[None]:
    """Join the group when `torchrun` started this process, and leave it at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)  # objects are broadcast through the current one
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
        dist.barrier()
    finally:
        # A thread of gloo may still be freeing what the last exchanges used, and needs Python's
        # lock for that, while the end of the group holds the lock and waits for the thread: a
        # deadlock. Gloo has two threads, so that one of them stood at the barrier says nothing
        # about the other, and nobody tells when it is done. It needs microseconds.
        time.sleep(SETTLE_S)
        dist.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """The GPU of this process when several run on one machine."""
    local = os.environ.get("LOCAL_RANK")
    if device.type == "cuda" and device.index is None and local is not None:
        return torch.device("cuda", int(local))
    return device


def joined(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with averaged gradients; the same module shares its parameters."""
    if world() == 1:
        return network
    if device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    ids = [device.index] if device.type == "cuda" else None
    # Heads whose labels are absent from a batch get no gradient in it.
    return nn.parallel.DistributedDataParallel(network, ids, find_unused_parameters=True)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the rows whose mask is set, in the batches of all processes; 0 when none is.

    Scaled so that the average over processes is the mean over all their rows.
    """
    chosen = torch.where(mask, values, torch.zeros_like(values))
    count = mask.sum()
    if world() > 1:
        dist.all_reduce(count)
    return chosen.sum() * world() / count.clamp(min=1)


def mean_over_processes(values: Mapping[str, Tensor], device: torch.device) -> dict[str, float]:
    """Means of numbers that every process has under the same names."""
    if not values:
        return {}
    joined_values = torch.stack([value.double() for value in values.values()]).to(device)
    if world() > 1:
        dist.all_reduce(joined_values)
    return dict(zip(values, (joined_values / world()).tolist(), strict=True))


def from_first(value: float) -> float:
    """The value that the first process has, in all of them."""
    if world() == 1:
        return value
    box: list[object] = [value]
    dist.broadcast_object_list(box)
    return cast(float, box[0])
