"""The verb `quantize`: the last stages of a recipe on their own, from a trained checkpoint.

example:
  latent_vqa quantize config/train/easy_vqa.yaml --folder runs/easy_vqa --out models/easy_vqa

Takes the finished run of `latent_vqa train`, calibrates, exports, quantizes to int8, checks int8
against float and writes the bundle. Trains nothing.
"""

from __future__ import annotations

import argparse
import json

from latent_vqa_ros.cli.common import add_json, add_verb
from latent_vqa_ros.cli.train import add_recipe, read, render, train


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `quantize` to the command line."""
    parser = add_verb(subparsers, 'quantize', 'make the int8 bundle of a finished training',
                      __doc__)
    add_recipe(parser)
    add_json(parser, '{"model", "stages", "float", "int8", "disagreement"}')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Assemble the bundle from the run folder."""
    from latent_vqa_ros.training.run import require_finished

    recipe, folder = read(args)
    require_finished(folder)
    document = train(recipe, folder, args.out or folder / 'bundle', args.device, args.smoke)
    if document is not None:
        print(json.dumps(document) if args.json else render(document))
    return 0
