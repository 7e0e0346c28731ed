"""The verb `questions`: what a model can be asked.

example:
  latent_vqa questions --model easy_vqa

Prints example questions (one for each way to begin; --json has all), the answers it can give and
the words it knows. A question may use these words only, and in the ways that the examples show
(--json): any other word is answered with the status unknown_words, many another way, such as
"near the ball" where only "near the edge" was taught, with bad_question.
"""

from __future__ import annotations

import argparse
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import add_json, add_model, add_verb, one_document

if TYPE_CHECKING:
    from latent_vqa_ros.core.manifest import Manifest

BEGINNINGS = 24  # questions that are printed at most


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `questions` to the command line."""
    parser = add_verb(subparsers, 'questions', 'print what the model can be asked', __doc__)
    add_model(parser)
    add_json(parser, '{"model", "questions", "answers", "words"}')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the questions, answers and words of a bundle."""
    from latent_vqa_ros.core.bundle import load
    from latent_vqa_ros.core.manifest import VQA
    from latent_vqa_ros.core.models import find_model

    bundle = load(find_model(args.model))
    bundle.require(VQA)
    document = describe(bundle.manifest)
    if args.json:
        print(one_document(document))
        return 0
    print(f'{document["model"]} can be asked, for example:')
    print(textwrap.indent('\n'.join(_of_each_kind(document['questions'])), '  '))
    for name in ('answers', 'words'):
        print(f'{name} ({len(document[name])}):')
        print(textwrap.fill(', '.join(document[name]), 99, initial_indent='  ',
                            subsequent_indent='  '))
    return 0


def _of_each_kind(questions: Sequence[str]) -> list[str]:
    """Return the plainest question of each way to begin (two words), frequent ways first."""
    ways = defaultdict(list)
    for question in questions:
        ways[tuple(question.lower().split()[:2])].append(question)
    often = sorted(ways.values(), key=len, reverse=True)[:BEGINNINGS]
    return [min(way, key=lambda text: (text.isupper(), len(text.split()), text)) for way in often]


def describe(manifest: Manifest) -> dict[str, Any]:
    """Return what is printed, as plain types."""
    return {'model': manifest.name, 'questions': list(manifest.questions),
            'answers': list(manifest.answers), 'words': list(manifest.words)}
