"""The one training loop of all stages: optimizer, schedule, checkpoints, metrics, progress.

A stage gives it a loss and a score; the loop knows nothing of images and questions.
"""

from __future__ import annotations

import difflib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from latent_vqa_ros.core.config import ConfigError
from latent_vqa_ros.training import checkpoint, distributed
from latent_vqa_ros.training.config import PartConfig, Recipe, StageConfig

T = TypeVar('T')
METRICS = 'metrics.jsonl'  # in the run folder
_CLIP = 1.0  # highest norm of a gradient
_SAVE_EVERY = 600.0  # seconds, within an epoch
_CPU = Path('/proc/cpuinfo')
_BFLOAT16 = {'avx512_bf16', 'amx_bf16', 'bf16'}  # as it names them


@dataclass(frozen=True)
class Task:
    """What a stage trains: batches of an epoch, the losses of a batch, the validation score.

    ``epoch`` yields the batches of an epoch from a step on. ``seed`` decides what
    dropout leaves out.
    """

    name: str
    steps: int  # of one epoch
    epoch: Callable[[int, int], Iterator[Any]]
    losses: Callable[[Any], dict[str, Tensor]]  # 'loss' is what is minimized
    score: Callable[[], dict[str, float]]  # 'score' is compared with stop_at
    seed: tuple[int, ...] = ()


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
    """Return the context in which the towers compute in bfloat16 where the recipe says so.

    They stay in float32 on a device without instructions for it.
    """
    return torch.autocast(device.type, torch.bfloat16,
                          enabled=recipe.bfloat16 and has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a GPU or CPU has instructions for bfloat16.

    Without, a step takes ten times as long as in float32. Linux names those of a CPU; on another
    system it counts as without.
    """
    if device.type == 'cuda':
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(_BFLOAT16 & _flags(_CPU))


@cache  # asked in each step
def _flags(path: Path) -> frozenset[str]:
    return frozenset(path.read_text().split()) if path.exists() else frozenset()


@dataclass
class Progress:
    """How far a stage is, and what its present epoch has summed up; stands in a checkpoint."""

    epoch: int = 0
    done: bool = False
    step: int = 0  # of the epoch
    seconds: float = 0.0  # of the epoch
    sums: dict[str, float] = field(default_factory=dict)  # of the losses of the epoch


def run(task: Task, model: nn.Module, config: StageConfig, folder: Path,
        metrics: Metrics) -> None:
    """Train one stage, or go on from its checkpoint; a finished stage is loaded and left.

    ConfigError where training diverges (the last checkpoint is kept), and for a part of the
    configuration that is no part of the model.
    """
    optimizer = make_optimizer(model, config)
    path = folder / f'{task.name}.safetensors'
    at = _resume(path, model, optimizer)
    metrics.forget(task.name, at.epoch)
    task = replace(task, losses=distributed.shared(model, task.losses))
    while not at.done:
        start = time.perf_counter() - at.seconds
        _train_epoch(task, model, optimizer, config, at, path)
        model.eval()
        # batch statistics differ between processes, and with them the scores
        scores = distributed.first(task.score())
        means = {name: value / task.steps for name, value in at.sums.items()}
        metrics.write(task.name, at.epoch, {**means, **scores, 'processes': distributed.world(),
                                            'seconds': time.perf_counter() - start})
        stop = config.stop_at is not None and scores['score'] >= config.stop_at
        at = Progress(at.epoch + 1, stop or at.epoch + 1 == config.epochs)
        _save(path, model, optimizer, at)
    model.eval()


def _resume(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    if not path.exists():
        return Progress()
    state, about = checkpoint.load_tensors(path)
    checkpoint.restore(state, model, optimizer)
    return Progress(**about)


def _save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, at: Progress) -> None:
    if distributed.rank() == 0:
        checkpoint.save_tensors(path, checkpoint.training_state(model, optimizer), asdict(at))


def _train_epoch(task: Task, model: nn.Module, optimizer: torch.optim.Optimizer,
                 config: StageConfig, at: Progress, path: Path) -> None:
    """Train the rest of an epoch; ``at`` moves on with each step and is saved now and then."""
    model.train()
    for name in sorted(config.parts, key=len):
        model.get_submodule(name).train(not config.parts[name].frozen)  # batch statistics stay
    for module in model.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout1d)):
            module.p = config.dropout
    total, begun = config.epochs * task.steps, time.perf_counter() - at.seconds
    saved = time.perf_counter()
    bar = tqdm(task.epoch(at.epoch, at.step), f'{task.name} {at.epoch + 1}/{config.epochs}',
               task.steps, initial=at.step, leave=False, mininterval=1,
               disable=distributed.rank() > 0)
    for batch in bar:
        share = schedule(at.epoch * task.steps + at.step, total, config.warmup)
        for group in optimizer.param_groups:
            group['lr'] = share * group['rate']
        if config.dropout:  # so that a run that goes on leaves out the same
            seed = np.random.SeedSequence((*task.seed, at.epoch, at.step, distributed.rank()))
            torch.manual_seed(int(seed.generate_state(1)[0]))
        losses = task.losses(batch)
        if not losses['loss'].requires_grad:
            raise ConfigError(f'{task.name}: parts: all that this stage trains is frozen')
        optimizer.zero_grad(set_to_none=True)
        losses['loss'].backward()
        trained = (each for each in model.parameters() if each.requires_grad)  # others keep theirs
        if not nn.utils.clip_grad_norm_(trained, _CLIP).isfinite():
            raise ConfigError(f'{task.name}, epoch {at.epoch + 1}, step {at.step + 1}: the '
                              'gradient is not finite; a learning_rate below '
                              f'{config.learning_rate:g} or a longer warmup may help (then in '
                              'another --folder)')
        optimizer.step()
        at.step += 1
        for name, value in losses.items():
            at.sums[name] = at.sums.get(name, 0.0) + float(value.detach())
        bar.set_postfix(loss=f'{at.sums["loss"] / at.step:.3f}', refresh=False)
        if time.perf_counter() - saved >= _SAVE_EVERY:
            saved = time.perf_counter()
            at.seconds = saved - begun
            _save(path, model, optimizer, at)


def schedule(step: int, total: int, warmup: float) -> float:
    """Return the factor on the learning rate: linear warm-up, then a half cosine to 0."""
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def make_optimizer(model: nn.Module, config: StageConfig) -> torch.optim.Optimizer:
    """Return AdamW over what is trained; vectors and scalars (biases, norms, gates) do not decay.

    Sets which parameters are trained. A group's ``rate`` is its highest learning rate.
    """
    modules = [name for name, _ in model.named_modules() if name]
    unknown = sorted(set(config.parts) - set(modules))
    if unknown:
        near = difflib.get_close_matches(unknown[0], modules, 3, 0.3)
        raise ConfigError(f'parts: the model has no part {unknown[0]!r}; near: {", ".join(near)}')
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for matrices in (True, False):
        for name, parameter in model.named_parameters():
            part = _part(name, config)
            parameter.requires_grad_(not part.frozen)
            if not part.frozen and (parameter.ndim >= 2) == matrices:
                rate = part.learning_rate or config.learning_rate
                groups.setdefault((rate, matrices), []).append(parameter)
    if not groups:
        raise ConfigError('parts: all of the model is frozen')
    return torch.optim.AdamW(
        [{'params': found, 'rate': rate, 'weight_decay': config.weight_decay if matrices else 0.0}
         for (rate, matrices), found in groups.items()],
        lr=config.learning_rate, betas=(0.9, 0.98), fused=True)  # one pass over each tensor


def _part(parameter: str, config: StageConfig) -> PartConfig:
    """Return the configuration of the smallest part that a parameter belongs to."""
    fits = [name for name in config.parts if parameter.startswith(f'{name}.')]
    return config.parts[max(fits, key=len)] if fits else PartConfig(config.learning_rate)
