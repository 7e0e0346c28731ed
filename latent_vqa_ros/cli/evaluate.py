"""The verb `evaluate`: how often a bundle is right, beside what a blind model reaches.

examples:
  latent_vqa evaluate --model easy_vqa --data easy_vqa
  latent_vqa evaluate --model my_model --data my_folder --split val --report report
  latent_vqa evaluate --model my_model --data episode/ --rate 5 --report report

Prints accuracy per group of questions, the blind floor and the calibration error. DATA is
easy_vqa, tabletop, tabletop_wide, tabletop_spoken or tabletop_wide_spoken (asked as people speak,
too), a mixture ("tabletop_wide + tabletop"), or a folder with questions.jsonl or as DAQUAR, GQA
and VQA v2 are published. Questions that the model cannot be asked are left out, and a line says
how many. With --taught only what was taught is measured.
--report writes the reliability diagram, the confusion and the document to a folder. --unfamiliar
measures how well images unlike the training are noticed: noise, black, overexposed, blurred and
half covered ones, three damages that nothing is fitted to, and your own photographs.

DATA may also be a bag from `simulate bag`. Then standing questions are asked about its frames at
--rate, the answers are compared with the truth of each frame, and it is counted how many frames an
answer needs to follow a change; --report draws the timeline. --questions names other questions, a
JSON object per line: {"kind": "exists", "about": [{"color": "red", "shape": "cube"}]}, with
"question" where the words are to be others.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import (
    add_json,
    add_model,
    add_taught,
    add_taught_camera,
    add_verb,
    positive,
    use_taught,
)

if TYPE_CHECKING:
    from latent_vqa_ros.evaluation.timeline import Timeline

log = logging.getLogger(__name__)

BACKEND = 'onnxruntime'
RATE = 5.0  # frames of a bag asked about, per second


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evaluate` to the command line."""
    parser = add_verb(subparsers, 'evaluate', 'measure accuracy on data', __doc__)
    add_model(parser)
    add_taught(parser)
    add_taught_camera(parser)
    parser.add_argument('--data', required=True, metavar='NAME_OR_PATH')
    parser.add_argument('--split',
                        help='train, val or test; of tabletop also compositional, shifted or '
                        'wordings (default test)')
    parser.add_argument('--backend', choices=(BACKEND, 'openvino', 'torch'),
                        help='onnxruntime, openvino (both int8) or torch (float) of the model '
                        f'(default {BACKEND})')
    parser.add_argument('--unfamiliar', nargs='?', const='', metavar='PICTURES',
                        help='also measure unfamiliar_image, against a folder of photographs too')
    parser.add_argument('--rate', type=positive, metavar='HZ',
                        help=f'frames of a bag asked about, per second (default {RATE:g})')
    parser.add_argument('--questions', type=Path, metavar='FILE', help='about a bag')
    parser.add_argument('--report', type=Path, metavar='DIR', help='write plots and the document')
    add_json(parser, '{"model", "data", "split", "n", "accuracy", "blind_accuracy", "groups", …}')
    parser.set_defaults(run=run, fail=parser.error)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print. Exits with 2 where options do not go with the data, or each other."""
    from latent_vqa_ros.bags.truth import is_bag

    bag = is_bag(Path(args.data))
    refuse(args, ('unfamiliar', 'split') if bag else ('rate', 'questions'),
           'needs a dataset, not a bag' if bag else f'needs a bag, and {args.data} is none')
    if args.camera and (bag or not args.taught):
        args.fail('--camera goes with --taught and a dataset; frames of a bag have theirs')
    if args.taught and not bag:
        refuse(args, ('report', 'unfamiliar', 'backend'), 'is about the model; leave --taught out')
    return run_bag(args) if bag else run_data(args)


def refuse(args: argparse.Namespace, options: Sequence[str], why: str) -> None:
    """Exit with 2 where one of these options is given."""
    for option in options:
        if getattr(args, option) is not None:
            args.fail(f'--{option} {why}')


def run_data(args: argparse.Namespace) -> int:
    """Evaluate on a dataset and print."""
    from latent_vqa_ros.evaluation import evaluate, familiarity

    args.split = args.split or 'test'
    if args.taught:
        return run_taught(args)
    if args.report:
        prepare_report(args.report)
    document, curves = measure(args)
    if args.report:
        write_report(args.report, document, curves)
    text = (f'{document["model"]} on {document["data"]}, {document["split"]} split\n'
            f'{evaluate.table(document)}')
    if 'familiarity' in document:
        text += f'\n\n{familiarity.table(document["familiarity"])}'
    print(json.dumps(document) if args.json else text)
    return 0


def run_taught(args: argparse.Namespace) -> int:
    """Evaluate the questions of a dataset that were taught, and print."""
    from latent_vqa_ros import datasets
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.evaluation import taught

    pipeline = use_taught(open_pipeline(args.model), args.taught)
    dataset = datasets.load(args.data, (args.split,))
    document = taught.measure(
        pipeline, dataset.split(args.split), dataset.name, args.split, args.camera)
    print(json.dumps(document) if args.json else taught.table(document))
    return 0


def measure(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the report and the reliability curves."""
    from latent_vqa_ros import datasets
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.core.reading import Reader
    from latent_vqa_ros.datasets import mixture
    from latent_vqa_ros.datasets.images import read_rgb
    from latent_vqa_ros.datasets.record import Record, questions_of
    from latent_vqa_ros.datasets.trainable import askable
    from latent_vqa_ros.evaluation import evaluate, familiarity

    photographs = Path(args.unfamiliar) if args.unfamiliar else None
    if photographs is not None:
        for path in familiarity.pictures(photographs):  # said before minutes of work, not after
            read_rgb(Record(path, 'test', ()))
    pipeline = open_pipeline(args.model, args.backend or BACKEND)
    backend, manifest = pipeline.backend, pipeline.bundle.manifest
    reader = Reader(manifest)
    dataset = mixture.join([askable(datasets.load(name, (args.split,)), manifest.tokenizer, reader)
                            for name in datasets.parts(args.data)])
    records = dataset.split(args.split)
    blind = dataset.blind_records or records
    found = evaluate.predict(backend, manifest, records)
    never = [q.answer for (_, q), true in zip(questions_of(records), found.truth, strict=True)
             if true < 0]
    if never:
        log.warning(evaluate.NEVER, dataset.name, len(never), len(found.truth), never[0])
    document = evaluate.report(found, manifest, records, blind, dataset.name, args.split)
    if args.unfamiliar is not None:
        document['familiarity'] = familiarity.measure(backend, manifest, records, photographs)
    return document, evaluate.reliability(found, manifest)


def prepare_report(folder: Path) -> None:
    """Make the folder and load what draws: what is missing is said before minutes of work."""
    importlib.import_module('matplotlib')
    folder.mkdir(parents=True, exist_ok=True)


def write_report(folder: Path, document: dict[str, Any], curves: dict[str, Any]) -> None:
    """Write report.json, reliability.png, groups.png and confusion.png."""
    from latent_vqa_ros.evaluation import plots

    (folder / 'report.json').write_text(json.dumps(document, indent=1), encoding='utf-8')
    plots.draw_reliability(curves, folder / 'reliability.png')
    plots.draw_groups(document, folder / 'groups.png')
    plots.draw_confusion(document, folder / 'confusion.png')


def run_bag(args: argparse.Namespace) -> int:
    """Evaluate on a bag and print."""
    from latent_vqa_ros.evaluation import timeline

    if args.report:
        prepare_report(args.report)
    found = follow(args)
    document = timeline.report(found)
    if args.report:
        from latent_vqa_ros.evaluation.timeline_plot import draw_timeline

        (args.report / 'report.json').write_text(json.dumps(document, indent=1), encoding='utf-8')
        draw_timeline(found, args.report / 'timeline.png')
    text = (f'{document["model"]} on {document["data"]}, {document["rate"]:g} frames a second, '
            f'{document["ambiguous_frames"]} of {document["frames"]} ambiguous\n'
            f'{timeline.table(document)}')
    print(json.dumps(document) if args.json else text)
    return 0


def follow(args: argparse.Namespace) -> Timeline:
    """Ask about the bag; say once which questions will get no answer."""
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.cli.answer_bag import warn_of_questions
    from latent_vqa_ros.evaluation import timeline
    from latent_vqa_ros.simulation.language import episode_questions

    pipeline = use_taught(open_pipeline(args.model, args.backend or BACKEND), args.taught)
    asked = episode_questions.read(args.questions) if args.questions else ()
    taught = pipeline.taught
    found = timeline.follow(pipeline, args.data, args.rate or RATE, asked,
                            (lambda text: taught.find(text, '')) if taught else None)
    if taught and not any(taught.find(row.question, '') for row in found.rows):
        log.warning('no answer to a taught question stands on /truth of %s: all that follows is '
                    "the model's own", args.data)
    warn_of_questions(pipeline, [row.question for row in found.rows])
    return found
