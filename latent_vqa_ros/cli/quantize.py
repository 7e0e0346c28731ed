"""The verb `quantize`: the last stages of a recipe on their own, without training.

examples:
  latent_vqa quantize config/train/easy_vqa.yaml --folder runs/easy_vqa --out models/easy_vqa
  latent_vqa quantize config/train/easy_vqa.yaml --model models/easy_vqa --out again

Takes the finished run of `latent_vqa train`, or with --model the float weights of a bundle. It
calibrates, exports, quantizes to int8, checks int8 against float, measures and writes the bundle.
With --model the direction to what the recipe calls `unfamiliar` stays that of these weights.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from latent_vqa_ros.cli.common import add_json, add_verb
from latent_vqa_ros.cli.train import add_recipe, choose, document_of, read, render, train


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `quantize` to the command line."""
    parser = add_verb(subparsers, 'quantize', 'make the int8 bundle of a finished training',
                      __doc__)
    add_recipe(parser)
    parser.add_argument('--model', metavar='DIR',
                        help='make the graphs of this bundle anew, from its float weights')
    add_json(parser, '{"model", "stages", "float", "int8", "disagreement"}')
    parser.set_defaults(run=run, fail=parser.error)


def run(args: argparse.Namespace) -> int:
    """Assemble the bundle from the run folder, or from a bundle, which takes no --device."""
    if args.model and args.device is not None:
        args.fail('--device: with --model the graphs are made on the CPU')
    if args.model and args.smoke:
        args.fail('--smoke: goes without --model, whose bundle has the whole recipe')
    document = from_bundle(args) if args.model else from_run(args)
    if document is not None:
        print(json.dumps(document) if args.json else render(document))
    return 0


def from_run(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return the report on the bundle of a finished training."""
    from latent_vqa_ros.training import distributed
    from latent_vqa_ros.training.run import require_finished

    (link,), device = read(args), choose(args.device)
    require_finished(link.folder)
    with distributed.group(device):
        return train(link, device, args.smoke)


def from_bundle(args: argparse.Namespace) -> dict[str, Any]:
    """Return the report on a bundle whose graphs are made anew."""
    from latent_vqa_ros.core.bundle import load
    from latent_vqa_ros.core.models import find_model
    from latent_vqa_ros.training.assemble import assemble_again

    (link,) = read(args)
    bundle = load(find_model(args.model))
    return document_of(link.out, assemble_again(link.recipe, bundle, link.out))
