"""Atomic checkpoints as safetensors: weights, optimizer state and progress in one file.

A file is written beside its place, flushed to disk and renamed, so that after ``kill -9`` the
last whole checkpoint is there. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.core.process import one_line


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file's content in one step that survives a power cut."""
    beside = path.with_name(f'.{path.name}.part')
    with beside.open('wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and a JSON document to a safetensors file, atomically."""
    beside = path.with_name(f'.{path.name}.part')
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(plain, beside, metadata={'about': json.dumps(about)})
    except SafetensorError as error:  # a full disk, most often
        beside.unlink(missing_ok=True)
        raise ConfigError(f'{path}: cannot be written: {one_line(error)}') from None
    with beside.open('rb') as file:
        os.fsync(file.fileno())
    os.replace(beside, path)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a safetensors file and its JSON document; ConfigError."""
    try:
        with safe_open(path, framework='pt') as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads((file.metadata() or {}).get('about', '{}'))
    except (SafetensorError, ValueError) as error:
        raise ConfigError(f'{path}: damaged, {one_line(error)}; remove it') from None


def training_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return weights, buffers and optimizer moments under distinct names."""
    state = {f'model.{name}': tensor for name, tensor in model.state_dict().items()}
    for index, slots in optimizer.state_dict()['state'].items():
        state |= {f'optimizer.{index}.{slot}': tensor for slot, tensor in slots.items()}
    return state


def restore(state: Mapping[str, Tensor], model: nn.Module,
            optimizer: torch.optim.Optimizer) -> None:
    """Put a training state back."""
    model.load_state_dict({name.removeprefix('model.'): tensor for name, tensor in state.items()
                           if name.startswith('model.')})
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        if name.startswith('optimizer.'):
            _, index, slot = name.split('.')
            slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), 'state': slots})
