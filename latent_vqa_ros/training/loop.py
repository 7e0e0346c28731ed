"""The one training loop of all stages: optimizer, schedule, checkpoints, metrics, progress.

A stage gives it a loss and a score; the loop knows nothing of images and questions.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.training import checkpoint, distributed
from latent_vqa_ros.training.config import Recipe, StageConfig

T = TypeVar('T')
METRICS = 'metrics.jsonl'  # in the run folder
_CLIP = 1.0  # highest norm of a gradient


@dataclass(frozen=True)
class Task:
    """What a stage trains: batches of an epoch, the losses of a batch, the validation score."""

    name: str
    steps: int  # of one epoch
    epoch: Callable[[int], Iterator[Any]]
    losses: Callable[[Any], dict[str, Tensor]]  # 'loss' is what is minimized
    score: Callable[[], dict[str, float]]  # 'score' is compared with stop_at


class Metrics:
    """Adds one JSON object per epoch to ``metrics.jsonl``, and scalars for TensorBoard."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writes = distributed.rank() == 0
        self._board = _tensorboard(folder / 'tensorboard') if self._writes else None

    def write(self, stage: str, epoch: int, values: dict[str, float]) -> None:
        """Add the figures of an epoch."""
        if not self._writes:
            return
        self._replace([*self.read(self._folder), {'stage': stage, 'epoch': epoch, **values}])
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f'{stage}/{name}', value, epoch)
            self._board.flush()

    def forget(self, stage: str, epoch: int) -> None:
        """Drop lines of a stage from an epoch on, which are about to be made again."""
        if self._writes:
            self._replace([row for row in self.read(self._folder)
                           if row['stage'] != stage or row['epoch'] < epoch])

    @staticmethod
    def read(folder: Path) -> list[dict[str, Any]]:
        """Return what was written in a run folder, an object per epoch."""
        path = folder / METRICS
        lines = path.read_text('utf-8').splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def _replace(self, rows: list[dict[str, Any]]) -> None:
        text = ''.join(json.dumps(row) + '\n' for row in rows)
        checkpoint.write_atomic(self._folder / METRICS, text.encode())  # never half a line


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Return the context in which the towers compute in bfloat16 where the recipe says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.bfloat16)


def run(task: Task, model: nn.Module, config: StageConfig, folder: Path,
        metrics: Metrics) -> None:
    """Train one stage, or go on from its checkpoint; a finished stage is loaded and left.

    ConfigError where training diverges; the last whole epoch is kept.
    """
    optimizer = make_optimizer(model, config)
    path = folder / f'{task.name}.safetensors'
    first, done = _resume(path, model, optimizer)
    metrics.forget(task.name, first)
    task = replace(task, losses=distributed.shared(model, task.losses))
    for epoch in range(first, 0 if done else config.epochs):
        start = time.perf_counter()
        means = _train_epoch(task, model, optimizer, config, epoch)
        model.eval()
        # batch statistics differ between processes, and with them the scores
        scores = distributed.first(task.score())
        stop = config.stop_at is not None and scores['score'] >= config.stop_at
        done = stop or epoch + 1 == config.epochs
        seconds = time.perf_counter() - start
        metrics.write(task.name, epoch, {**means, **scores, 'seconds': seconds,
                                         'processes': distributed.world()})
        if distributed.rank() == 0:
            checkpoint.save_tensors(path, checkpoint.training_state(model, optimizer),
                                    {'epoch': epoch + 1, 'done': done})
        if done:
            break
    model.eval()


def _resume(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, bool]:
    if not path.exists():
        return 0, False
    state, about = checkpoint.load_tensors(path)
    checkpoint.restore(state, model, optimizer)
    return int(about['epoch']), bool(about['done'])


def _train_epoch(task: Task, model: nn.Module, optimizer: torch.optim.Optimizer,
                 config: StageConfig, epoch: int) -> dict[str, float]:
    model.train()
    sums: dict[str, float] = {}
    total = config.epochs * task.steps
    bar = tqdm(task.epoch(epoch), f'{task.name} {epoch + 1}/{config.epochs}', task.steps,
               leave=False, mininterval=1, disable=distributed.rank() > 0)
    for step, batch in enumerate(bar):
        rate = config.learning_rate * schedule(epoch * task.steps + step, total, config.warmup)
        for group in optimizer.param_groups:
            group['lr'] = rate
        losses = task.losses(batch)
        optimizer.zero_grad(set_to_none=True)
        losses['loss'].backward()
        if not nn.utils.clip_grad_norm_(model.parameters(), _CLIP).isfinite():
            raise ConfigError(f'{task.name}, epoch {epoch + 1}, step {step + 1}: the gradient is '
                              f'not finite; a learning_rate below {config.learning_rate:g} or a '
                              'longer warmup may help (then in another --folder)')
        optimizer.step()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        bar.set_postfix(loss=f'{sums["loss"] / (step + 1):.3f}', refresh=False)
    return {name: value / task.steps for name, value in sums.items()}


def schedule(step: int, total: int, warmup: float) -> float:
    """Return the factor on the learning rate: linear warm-up, then a half cosine to 0."""
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def make_optimizer(model: nn.Module, config: StageConfig) -> torch.optim.Optimizer:
    """Return AdamW; vectors and scalars (biases, norms, gates) do not decay."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {'params': [p for p in trained if p.ndim >= 2], 'weight_decay': config.weight_decay},
        {'params': [p for p in trained if p.ndim < 2], 'weight_decay': 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98),
                             fused=True)  # one pass over each tensor
