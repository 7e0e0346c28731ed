"""The verb `simulate`: draws the simulated workcell.

example:
  latent_vqa simulate dataset train_scenes/ --scenes 30000 --split train --seed 1 --workers 2

`dataset` writes a folder with pictures, their truth, questions and captions, as `train` and
`evaluate` read it. The same command gives the same bytes on one machine. The folder is there whole
or not at all: it grows in OUT.part, where the same command continues after an interruption.

splits:
  train, val, test   the same ranges, other seeds
  compositional      each scene has a pair of colour and shape that no other split shows
  shifted            textures, lights and camera poses from ranges that no other split uses

Needs MuJoCo (pip install mujoco) and, on a machine without a GPU, the Debian package libosmesa6.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latent_vqa_ros.cli.common import add_json, add_verb

log = logging.getLogger(__name__)

SPLITS = ('train', 'val', 'test', 'compositional', 'shifted')  # simulation.scenes.SPLITS


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `simulate dataset OUT …` to the command line."""
    parser = add_verb(subparsers, 'simulate', 'draw the simulated workcell', __doc__)
    what = parser.add_subparsers(metavar='WHAT', required=True)
    dataset = what.add_parser('dataset', help='a folder of pictures, truth, questions, captions')
    dataset.add_argument('out', metavar='OUT', type=Path, help='folder to be made')
    dataset.add_argument('--scenes', metavar='N', type=int, required=True)
    dataset.add_argument('--split', choices=SPLITS, default='train')
    dataset.add_argument('--seed', metavar='K', type=int, default=0,
                         help='other scenes of the same split (default 0)')
    dataset.add_argument('--size', metavar='PIXELS', type=int, default=96,
                         help='width and height of the pictures (default 96)')
    dataset.add_argument('--questions', metavar='N', type=int, default=10,
                         help='questions per scene, at most (default 10)')
    dataset.add_argument('--held-out-wordings', action='store_true',
                         help='ask in the wordings that training never sees')
    dataset.add_argument('--masks', action='store_true',
                         help='also write whose pixel each one is')
    dataset.add_argument('--workers', metavar='N', type=int, default=os.cpu_count() or 1,
                         help='processes that draw (default: one per core)')
    add_json(dataset, '{"out", "split", "seed", "size", "scenes", "questions", "captions", …}')
    dataset.set_defaults(run=run_dataset)


def run_dataset(args: argparse.Namespace) -> int:
    """Write the dataset and print a summary; return 0."""
    from latent_vqa_ros.simulation.dataset import Job, make

    started = time.monotonic()
    job = Job(args.scenes, args.split, args.seed, args.size, args.questions,
              args.held_out_wordings, args.masks)
    with progress(args.scenes) as on_scenes:
        counts = make(args.out, job, args.workers, on_scenes)
    duration = time.monotonic() - started
    document = {'out': str(args.out), 'split': args.split, 'seed': args.seed, 'size': args.size,
                **counts, 'duration_s': round(duration, 2),
                'scenes_per_s': round(args.scenes / duration, 1)}
    print(json.dumps(document) if args.json else sentence(document))
    return 0


def sentence(document: dict[str, Any]) -> str:
    """Return the summary for people."""
    return ('{out}: {scenes} scenes, {questions} questions, {captions} captions in '
            '{duration_s:.1f} s ({scenes_per_s:.0f} scenes a second)').format(**document)


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], object]]:
    """Yield a function that is told of finished scenes; it draws a bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit='scene', leave=False) as bar:
        yield bar.update
