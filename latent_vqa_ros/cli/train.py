"""The verb `train`: a recipe, from data to a bundle.

examples:
  latent_vqa train config/train/easy_vqa.yaml
  latent_vqa train config/train/easy_vqa.yaml --smoke --out smoke_bundle

Runs pretrain, finetune, calibrate, export, quantize, and at the end answers the test split once
and prints the accuracy per group beside the blind floor. A run that was killed goes on where it
was when the command is given again; metrics.jsonl and TensorBoard scalars lie in the run folder.
Several processes share the work under torchrun:
  torchrun --nproc-per-node 2 --no-python latent_vqa train config/train/tabletop.yaml
Needs the training packages: pip install latent_vqa_ros[train].
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import add_json, add_verb, whole
from latent_vqa_ros.core.config import ConfigError

if TYPE_CHECKING:
    from latent_vqa_ros.training.config import Recipe

SMOKE_RECORDS = 200  # of each split


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train` to the command line."""
    parser = add_verb(subparsers, 'train', 'train a model from a recipe', __doc__)
    add_recipe(parser)
    add_json(parser, '{"model", "stages", "float", "int8", "disagreement"}')
    parser.set_defaults(run=run)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add what all verbs about a training run share."""
    parser.add_argument('recipe', metavar='RECIPE.yaml', type=Path)
    parser.add_argument('--folder', type=Path, metavar='DIR',
                        help='run folder with checkpoints and metrics (default runs/RECIPE)')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder of the bundle (default RUN/bundle)')
    parser.add_argument('--seed', type=whole, help="instead of the recipe's")
    parser.add_argument('--device', help='cpu, cuda … (default: cuda where there is one)')
    parser.add_argument('--smoke', action='store_true',
                        help='every stage, cut down to less than a minute')


def run(args: argparse.Namespace) -> int:
    """Train and write the bundle."""
    recipe, folder = read(args)
    document = train(recipe, folder, args.out or folder / 'bundle', args.device, args.smoke)
    if document is not None:
        print(json.dumps(document) if args.json else render(document))
    return 0


def read(args: argparse.Namespace) -> tuple[Recipe, Path]:
    """Return the recipe that the arguments ask for, and its run folder."""
    from latent_vqa_ros.training.config import load_recipe

    recipe = load_recipe(args.recipe)
    if args.seed is not None:
        recipe = replace(recipe, seed=args.seed)
    if args.smoke:
        recipe = recipe.smoke()
    name = Path(recipe.file).stem + ('_smoke' if args.smoke else '')
    return recipe, args.folder or Path('runs') / name


def train(recipe: Recipe, folder: Path, out: Path, device: str | None,
          smoke: bool) -> dict[str, Any] | None:
    """Run all stages; return the report, None in all processes but the first."""
    import torch

    from latent_vqa_ros import datasets
    from latent_vqa_ros.training import assemble, distributed
    from latent_vqa_ros.training import run as stages
    from latent_vqa_ros.training.data import load_data

    try:
        chosen = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f'device {device!r}: {str(error).splitlines()[0]}') from None
    with distributed.group(chosen):
        limit = SMOKE_RECORDS if smoke else None
        for name, most in recipe.sources:
            distributed.first_alone(partial(datasets.ready, name, limit or most))
        data = load_data(recipe, limit)
        model = stages.run(recipe, data, folder, chosen)
        if distributed.rank():
            return None
    report = assemble.assemble(recipe, data, model, folder / 'work', out)
    return document_of(out, report)


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
