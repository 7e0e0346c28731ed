"""Several processes that train one model: PyTorch's DistributedDataParallel under torchrun.

    torchrun --nproc-per-node 2 --no-python latent_vqa train config/train/tabletop.yaml

Every process takes its share of each batch, and gradients are averaged; the first process alone
writes. Without torchrun there is one process, and nothing here does anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar('T')


@contextmanager
def group(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started; leave them at the end, all at one time.

    A process that leaves while another still uses the group may end that one (PyTorch's docs of
    destroy_process_group).
    """
    if not distributed.is_torchelastic_launched():
        yield
        return
    if device.type == 'cuda':
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    distributed.init_process_group('nccl' if device.type == 'cuda' else 'gloo',
                                   timeout=timedelta(hours=12))  # the first one draws the data
    try:
        yield
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """Return the number of this process; the first, 0, writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world() -> int:
    """Return how many processes train."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def on_this_machine() -> int:
    """Return how many of these processes run on this machine."""
    return int(os.environ['LOCAL_WORLD_SIZE']) if distributed.is_initialized() else 1


def first(value: T) -> T:
    """Return the first process's value, so that all decide alike; it must be one that JSON has.

    As text, since PyTorch's own broadcast of objects unpickles what arrives.
    """
    if not distributed.is_initialized():
        return value
    device = 'cuda' if distributed.get_backend() == 'nccl' else 'cpu'
    text = torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8, device=device)
    length = torch.tensor([len(text)], device=device)
    distributed.broadcast(length, src=0)
    told = text if rank() == 0 else text.new_empty(int(length))
    distributed.broadcast(told, src=0)
    found: T = json.loads(bytes(told.tolist()))
    return found


def first_alone(work: Callable[[], object]) -> None:
    """Let the first process do the work, and the others only when it is done.

    Data that is drawn into a cache is drawn once.
    """
    if rank():
        distributed.barrier()
    work()
    if not rank() and world() > 1:
        distributed.barrier()


class _Step(nn.Module):
    """The losses of a batch as a module's forward, which is what DistributedDataParallel wraps."""

    def __init__(self, model: nn.Module, losses: Callable[[Any], dict[str, Tensor]]) -> None:
        super().__init__()
        self.model = model
        self._losses = losses

    def forward(self, batch: Any) -> dict[str, Tensor]:
        return self._losses(batch)


def shared(model: nn.Module,
           losses: Callable[[Any], dict[str, Tensor]]) -> Callable[[Any], dict[str, Tensor]]:
    """Return ``losses``, whose gradients are averaged over all processes."""
    if world() == 1:
        return losses
    # a stage does not use every parameter: the contrastive one has no fusion
    return nn.parallel.DistributedDataParallel(_Step(model, losses), find_unused_parameters=True)
