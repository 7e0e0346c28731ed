"""The verb `train`: a recipe, from data to a bundle.

examples:
  latent_vqa train config/train/easy_vqa.yaml
  latent_vqa train config/train/easy_vqa.yaml --smoke --out smoke_bundle
  latent_vqa train first.yaml second.yaml third.yaml

Runs pretrain, finetune, calibrate, export, quantize, and at the end answers the test split once
and prints the accuracy per group beside the blind floor. A run that was killed goes on where it
was when the command is given again; metrics.jsonl and TensorBoard scalars lie in the run folder.
Several recipes are a chain: each begins with the bundle of the one before it (`start:
runs/FIRST/bundle`), and a finished one is left as it is.
Several processes share the work under torchrun:
  torchrun --nproc-per-node 2 --no-python latent_vqa train config/train/tabletop.yaml
Needs the training packages: pip install -e '.[train]' in the source folder (docs/training.md).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import add_json, add_verb, whole
from latent_vqa_ros.core.config import ConfigError

if TYPE_CHECKING:
    import torch

    from latent_vqa_ros.training.chain import Link
    from latent_vqa_ros.training.config import Recipe
    from latent_vqa_ros.training.data import Data

SMOKE_RECORDS = 64  # of each split


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train` to the command line."""
    parser = add_verb(subparsers, 'train', 'train a model from a recipe', __doc__)
    add_recipe(parser, more=True)
    add_json(parser, '{"model", "stages", "float", "int8", "disagreement"}, a list for a chain')
    parser.set_defaults(run=run, fail=parser.error)


def add_recipe(parser: argparse.ArgumentParser, more: bool = False) -> None:
    """Add what all verbs about a training run share; ``more`` takes several recipes, a chain."""
    parser.add_argument('recipe', metavar='RECIPE.yaml', type=Path, nargs='+' if more else 1)
    parser.add_argument('--folder', type=Path, metavar='DIR',
                        help='run folder with checkpoints and metrics (default runs/RECIPE)')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder of the last bundle (default RUN/bundle)')
    parser.add_argument('--seed', type=whole, help="instead of the recipe's")
    parser.add_argument('--device',
                        help='cpu, cuda … (default: cuda where each process has a GPU)')
    parser.add_argument('--smoke', action='store_true',
                        help='every stage, cut down to less than a minute')


def run(args: argparse.Namespace) -> int:
    """Train and write the bundle of each recipe. Exits with 2 for --folder with a chain."""
    from latent_vqa_ros.training import distributed

    if args.folder and len(args.recipe) > 1:
        args.fail('--folder: each recipe of a chain has its own, runs/RECIPE')
    links, device = read(args), choose(args.device)
    documents = []
    with distributed.group(device):
        for link in links:
            if len(links) > 1 and distributed.first(done(link, args.smoke)):
                if not distributed.rank():
                    print(f'{link.out}: finished, left as it is', file=sys.stderr)
                continue
            if link is not links[0]:
                link.check_start()
            document = train(link, device, args.smoke)
            if document is not None:
                documents.append(document)
                if not args.json:
                    print(render(document), flush=True)
        if args.json and not distributed.rank():
            print(json.dumps(documents if len(links) > 1 else documents[0]))
    return 0


def read(args: argparse.Namespace) -> list[Link]:
    """Return the recipes that the arguments ask for, each with its run folder and bundle."""
    from latent_vqa_ros.training.chain import links
    from latent_vqa_ros.training.config import load_recipe

    recipes = [load_recipe(path) for path in args.recipe]
    if args.seed is not None:
        recipes = [replace(recipe, seed=args.seed) for recipe in recipes]
    if args.smoke:
        recipes = [recipe.smoke() for recipe in recipes]
    *others, last = links(recipes, '_smoke' if args.smoke else '')
    if args.folder:
        last = replace(last, folder=args.folder, out=args.folder / 'bundle')
    return [*others, replace(last, out=args.out) if args.out else last]


def choose(device: str | None) -> torch.device:
    """Return the device of that name, or CUDA where each process of torchrun's has a GPU."""
    import torch

    processes = int(os.environ.get('LOCAL_WORLD_SIZE', 1))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    try:
        chosen = torch.device(device or ('cuda' if gpus >= processes else 'cpu'))
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f'device {device!r}: {str(error).splitlines()[0]}') from None
    if chosen.type == 'cuda' and gpus < processes:
        raise ConfigError(f'device {device!r}: {processes} processes and {gpus} GPU; start as '
                          'many processes as there are GPUs, or take --device cpu')
    return chosen


def done(link: Link, smoke: bool) -> bool:
    """Return whether a link's bundle is there, made of the data as it is now."""
    from latent_vqa_ros import datasets
    from latent_vqa_ros.training import distributed
    from latent_vqa_ros.training.data import digest

    if not distributed.first(link.finished):  # all must go the same way: loading waits for all
        return False
    if all(map(datasets.version, link.recipe.names)) and not any(link.recipe.own):
        return True  # the versions tell
    data = load(link.recipe, smoke)
    return link.has(digest((*data.train, *data.val)))


def load(recipe: Recipe, smoke: bool) -> Data:
    """Return a recipe's data, which the first process draws where it must be drawn."""
    from latent_vqa_ros import datasets
    from latent_vqa_ros.training import distributed
    from latent_vqa_ros.training.data import least, load_data

    limit = SMOKE_RECORDS if smoke else None
    for name, most in recipe.sources:
        distributed.first_alone(partial(datasets.ready, name, least(limit, most), recipe.own))
    return load_data(recipe, limit)


def train(link: Link, device: torch.device, smoke: bool) -> dict[str, Any] | None:
    """Run all stages; return the report, None in all processes but the first."""
    from latent_vqa_ros.training import assemble, distributed, loop, unfamiliar
    from latent_vqa_ros.training import run as stages

    distributed.first_alone(partial(unfamiliar.check, link.recipe.unfamiliar,
                                    SMOKE_RECORDS if smoke else None))
    data = load(link.recipe, smoke)
    if link.recipe.bfloat16 and not loop.has_bfloat16(device) and not distributed.rank():
        print(f'{link.recipe.file}: this {device.type} has no instructions for bfloat16; training '
              'computes in float32', file=sys.stderr)
    model = stages.run(link.recipe, data, link.folder, device)
    if distributed.rank():
        return None
    report = assemble.assemble(link.recipe, data, model, link.folder / 'work', link.out)
    return document_of(link.out, report)


def document_of(out: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Return what --json prints of a report."""
    return {'model': str(out),
            **{key: report[key] for key in ('stages', 'float', 'int8', 'disagreement')}}


def render(document: dict[str, Any]) -> str:
    """Return the report for a reader."""
    from latent_vqa_ros.evaluation.evaluate import table

    lines = [f'{name}: {s["epochs"]} epochs, {s["seconds"]:.0f} s, validation '
             f'{s["validation"]:.2%}' for name, s in document['stages'].items()]
    for name in ('float', 'int8'):
        lines += ['', f'{name} on {document[name]["data"]}, {document[name]["split"]} split',
                  table(document[name])]
    lines += ['', f'int8 and float disagree on {document["disagreement"]["all"]:.3%}',
              f'bundle: {document["model"]}']
    return '\n'.join(lines)
