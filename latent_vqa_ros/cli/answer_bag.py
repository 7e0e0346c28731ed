"""The verb `answer-bag`: answers about every frame of a bag, offline and deterministic.

example:
  latent_vqa answer-bag run7/ --question "what is in the tray?" --out answers.csv

Reads sqlite3 and mcap bags with sensor_msgs/Image, CompressedImage or organized, coloured
PointCloud2. Each frame is encoded once for all questions. A frame that cannot be decoded gives a
row with the status bad_image. The same bag, model and questions give the same bytes.

The ending of --out chooses what is written:
  answers.csv    a row per frame and question
  answers.jsonl  an answer/detail document per line, with topic and bag_stamp, without latency_ms
  answers_bag/   (or no ending, or .mcap) a new mcap bag with the topics answer and answer/detail

CSV and JSONL grow in FILE.part, which takes its place at the end, over an older FILE. After an
interruption the same command continues there; another command with the same --out is refused
until FILE.part is finished or removed. A bag is there whole or not at all, and starts anew.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from latent_vqa_ros.cli.common import (
    Questions,
    add_json,
    add_model,
    add_taught,
    add_verb,
    count,
    counting,
    end_cleanly,
    one_document,
    use_taught,
)

if TYPE_CHECKING:
    from latent_vqa_ros.bags.answer_output import Tally
    from latent_vqa_ros.bags.read import BagReader
    from latent_vqa_ros.core.pipeline import Pipeline

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `answer-bag BAG --question Q… --out FILE` to the command line."""
    parser = add_verb(subparsers, 'answer-bag', 'answer questions about every frame of a bag',
                      __doc__)
    parser.add_argument('bag', metavar='BAG', help='bag directory, or an .mcap or .db3 file')
    parser.add_argument('--question', dest='questions', metavar='Q', nargs='+', action=Questions,
                        required=True, help='each one in quotes')
    parser.add_argument('--out', metavar='FILE', required=True,
                        help='answers.csv, answers.jsonl or answers_bag/')
    parser.add_argument('--topic', dest='topics', metavar='T', nargs='+', action='extend',
                        default=[], help='default: every topic with pictures, but for depth and '
                        'image_annotated; a compressed one only without its raw twin, point '
                        'clouds only without pictures')
    parser.add_argument('--every', metavar='N', type=count, default=1,
                        help='only each N-th frame of a topic (default 1)')
    add_model(parser)
    add_taught(parser)
    add_json(parser, '{"bag", "out", "frames", "rows", "statuses", "topics", "resumed_frames", …}')
    parser.set_defaults(run=run, fail=parser.error)


def run(args: argparse.Namespace) -> int:
    """Answer, then print a summary; return 0 when each frame has its rows.

    Exits with 2 where nobody knows what --out is to be.
    """
    from latent_vqa_ros.bags.answer_output import why_not

    end_cleanly()
    if why_not(args.out):
        args.fail(f'--out {why_not(args.out)}')
    started = time.monotonic()
    tally, resumed, left = answer_bag(args)
    document = {'bag': args.bag, 'out': args.out, 'frames': tally.frames,
                'rows': sum(tally.statuses.values()), 'statuses': dict(tally.statuses),
                'topics': dict(tally.topics), 'left_out': left, 'resumed_frames': resumed,
                'duration_s': round(time.monotonic() - started, 3)}
    print(one_document(document) if args.json else sentence(document))
    return 0


def answer_bag(args: argparse.Namespace) -> tuple[Tally, int, list[str]]:
    """Write the answers; return what the output holds, and how many frames it held before.

    The third are the topics with pictures that were left out.

    Raises BagError, BundleError and OSError.
    """
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.bags.answer import (
        TaughtByCamera,
        answers,
        clean_question,
        left_out,
        picture_topics,
    )
    from latent_vqa_ros.bags.answer_output import open_output
    from latent_vqa_ros.bags.read import BagReader

    questions = [clean_question(question) for question in args.questions]
    with BagReader(args.bag) as bag:
        topics = picture_topics(bag, args.topics)
        log.info('answering about %s', ', '.join(topics))
        left = {} if args.topics else left_out(bag, topics)
        if left:
            log.info('left out unless --topic names them: %s', ', '.join(
                f'{name} ({why})' for name, why in left.items()))
        pipeline = use_taught(open_pipeline(args.model), args.taught)
        if pipeline.taught:
            pipeline.taught = TaughtByCamera(pipeline.taught)
        warn_of_questions(pipeline, questions, topics)
        job = describe_job(bag, pipeline, topics, questions, args.every)
        with open_output(args.out, job) as output, counting(bag.message_count, 'msg') as done:
            resumed = output.tally.frames
            if resumed:
                log.info('continuing after %d frames', resumed)
            for answered in answers(bag, pipeline, topics, questions, args.every, resumed,
                                    lambda: done(1)):
                output.write(answered)
    return output.tally, resumed, list(left)


def warn_of_questions(pipeline: Pipeline, questions: Sequence[str],
                      topics: Sequence[str] = ('',)) -> None:
    """Log which questions will get no answer about any frame, before hours are spent on them.

    Also those that are taught, but for other cameras than those of the topics.
    """
    from latent_vqa_ros.bags.answer import camera_of

    for question in questions:
        said: dict[tuple[str, str], list[str]] = {}
        for topic in topics:
            said.setdefault(_prospect(pipeline, question, camera_of(topic)), []).append(topic)
        said.pop(('', ''), None)
        for (what, why), about in said.items():
            where = '' if len(about) == len(topics) else f' about {", ".join(about)}'
            log.warning('%r %s%s: %s', question, what, where, why)


def _prospect(pipeline: Pipeline, question: str, camera: str) -> tuple[str, str]:
    """Return what will become of a question about a camera, and why; '' where it is as meant."""
    from latent_vqa_ros.core.questions import Request
    from latent_vqa_ros.core.statuses import Status

    detail, taught = pipeline.respond(Request(question, camera), None), pipeline.taught
    other = (f'it is taught, but not for the camera {camera!r}' if taught
             and taught.find(question, '') and not taught.find(question, camera) else '')
    if detail.status is Status.NO_IMAGE:
        return 'is answered by the model' if other else '', other
    why = f'{detail.status.value}: {detail.reason}'
    return 'will get no answer', f'{why}; {other}' if other else why


def describe_job(bag: BagReader, pipeline: Pipeline, topics: list[str], questions: list[str],
                 every: int) -> dict[str, Any]:
    """Return everything that decides the bytes of the output."""
    from latent_vqa_ros import __version__
    from latent_vqa_ros.bags.answer import camera_of
    from latent_vqa_ros.bags.answer_output import bag_identity

    found = [pipeline.taught and pipeline.taught.find(question, camera_of(topic))
             for topic in topics for question in questions]
    taught = {'taught': [one and one.identity for one in found]} if any(found) else {}
    return {'bag': bag_identity(bag), 'model': pipeline.bundle.sha256, 'questions': questions,
            'topics': topics, 'every': every, 'version': __version__, **taught}


def sentence(document: dict[str, Any]) -> str:
    """Return the summary for people."""
    statuses = ', '.join(f'{count} {name}' for name, count in document['statuses'].items())
    return (f'{document["out"]}: {document["rows"]} rows about {document["frames"]} frames '
            f'({statuses or "no frame in the bag"}) in {document["duration_s"]:.1f} s')
