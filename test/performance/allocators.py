"""How long a training step takes with the allocators that a Linux machine has.

    python test/performance/allocators.py --out docs/results/allocators.json

Trains config/train/tabletop_2.yaml for a few steps from random weights, in as many processes at
once as it is trained with, each with one thread and its share of a batch. The allocators take
turns. Compare times within one run; they are of this machine. Knows nothing of ROS.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from ctypes.util import find_library
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / 'config' / 'train' / 'tabletop_2.yaml'
PROCESSES, TURNS, STEPS, WARM = 2, 3, 30, 15
KEEP = 'dirty_decay_ms:-1,muzzy_decay_ms:-1'
ALLOCATORS = {  # name -> environment
    'glibc': {},
    'glibc, huge pages': {'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold='
                                            '33554432:glibc.malloc.trim_threshold=8589934592'},
    'jemalloc': {'LD_PRELOAD': 'libjemalloc.so.2', 'MALLOC_CONF': KEEP},
    'jemalloc, huge pages': {'LD_PRELOAD': 'libjemalloc.so.2',
                             'MALLOC_CONF': f'thp:always,metadata_thp:always,{KEEP}'}}


def steps() -> float:
    """Return milliseconds per picture of the last steps of a training, data and all."""
    sys.path.insert(0, str(ROOT))
    import torch

    from latent_vqa_ros.training import finetune, loop, run
    from latent_vqa_ros.training.batches import Split
    from latent_vqa_ros.training.config import load_recipe
    from latent_vqa_ros.training.data import load_data

    torch.set_num_threads(1)
    recipe = load_recipe(RECIPE)
    size = recipe.finetune.batch // PROCESSES
    recipe = replace(recipe, finetune=replace(recipe.finetune, batch=size))
    data = load_data(recipe, size * STEPS)
    model = run.build(recipe, data)
    split = Split(data.train, recipe.preprocess, data.tokenizer, data.answers,
                  model.clip.image_encoder.grid)
    task = finetune.task(recipe, model, split, split, run.bank_ids(data), data.answers,
                         torch.device('cpu'))
    optimizer = loop.make_optimizer(model, recipe.finetune)
    model.train()
    batches, begun = task.epoch(0, 0), 0.0
    for step in range(STEPS):
        if step == WARM:
            begun = time.perf_counter()
        losses = task.losses(next(batches))
        optimizer.zero_grad(set_to_none=True)
        losses['loss'].backward()
        optimizer.step()
    return 1000 * (time.perf_counter() - begun) / (STEPS - WARM) / size


def at_once(environment: dict[str, str]) -> float:
    """Return the mean over processes that take their steps at the same time."""
    command = [sys.executable, __file__, '--steps']
    started = [subprocess.Popen(command, env={**os.environ, 'OMP_NUM_THREADS': '1', **environment},
                                stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit('a training failed')
    return statistics.mean(float(text) for text in printed)


def measure() -> dict[str, Any]:
    """Return the figures of each allocator that is installed, in turns."""
    there = {name: given for name, given in ALLOCATORS.items()
             if 'LD_PRELOAD' not in given or find_library('jemalloc')}
    turns: dict[str, list[float]] = {name: [] for name in there}
    for _ in range(TURNS):
        for name, environment in there.items():
            turns[name].append(round(at_once(environment), 1))
            print(f'{name:22s} {turns[name][-1]:6.1f} ms a picture', flush=True)
    return {'ms_per_picture': turns, 'processes': PROCESSES, 'recipe': RECIPE.name,
            'huge_pages': Path('/sys/kernel/mm/transparent_hugepage/enabled').read_text().strip()}


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, help='where the figures go, as JSON')
    parser.add_argument('--steps', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.steps:
        print(steps())
        return
    found = {'command': 'python ' + ' '.join(sys.argv), **measure()}
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + '\n')


if __name__ == '__main__':
    main()
