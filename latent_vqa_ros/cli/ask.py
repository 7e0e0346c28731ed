"""The verb `ask`: answer questions about one picture file, without ROS.

example:
  latent_vqa ask photo.jpg "what is in the tray?" "is there a red mug?"

The picture (JPEG or PNG) takes the road of a camera frame from decoding on, and is encoded once
for all questions. Exit code 1 when a question got no answer (its status is not ok).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from latent_vqa_ros.cli.common import (
    Questions,
    add_json,
    add_model,
    add_taught,
    add_taught_camera,
    add_verb,
    one_document,
    use_taught,
)

if TYPE_CHECKING:
    from latent_vqa_ros.core.answer import Detail

MAX_BYTES = 1 << 27  # no camera picture is larger


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `ask IMAGE QUESTION…` to the command line."""
    parser = add_verb(subparsers, 'ask', 'answer questions about one picture file', __doc__)
    parser.add_argument('image', metavar='IMAGE', type=Path, help='a JPEG or PNG file')
    parser.add_argument('questions', metavar='QUESTION', nargs='+', action=Questions,
                        help='each one in quotes')
    add_model(parser)
    add_taught(parser)
    add_taught_camera(parser)
    add_json(parser, 'a list of answer/detail objects')
    parser.set_defaults(run=run, fail=parser.error)


def run(args: argparse.Namespace) -> int:
    """Print one line per question; return 0 when each one was answered."""
    if args.camera and args.taught is None:
        args.fail('--camera goes with --taught')
    details = answer(args.image, args.questions, args.model, args.taught, args.camera)
    if args.json:
        print(one_document([detail.to_dict() for detail in details]))
    else:
        for detail in details:
            print(line(detail))
    return 0 if all(detail.status.value == 'ok' for detail in details) else 1


def answer(image: Path, questions: list[str], model: str,
           taught: str | None = None, camera: str = '') -> list[Detail]:
    """Return a Detail per question; BundleError and OSError for unusable files."""
    from latent_vqa_ros.backends import open_pipeline
    from latent_vqa_ros.core.compressed import compressed_to_rgb
    from latent_vqa_ros.core.pipeline import Frame
    from latent_vqa_ros.core.questions import Request, plain

    content = read_picture(image)
    pipeline = use_taught(open_pipeline(model), taught)
    frame = Frame(lambda: (compressed_to_rgb(content, upright=True), None))
    return [pipeline.respond(Request(plain(question.strip()), camera), frame)
            for question in questions]


def read_picture(path: Path) -> bytes:
    """Return the bytes of a file of ordinary size; ImageError for a larger one."""
    from latent_vqa_ros.core.image_formats import ImageError

    with path.open('rb') as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ImageError(f'{path}: larger than {MAX_BYTES} bytes')
    return content


def line(detail: Detail) -> str:
    """Return 'question: answer (confidence)', or the status and its reason."""
    if detail.status.value == 'ok':
        read = f' [{detail.reason}]' if detail.reason else ''
        return f'{detail.question}: {detail.answer} ({100 * (detail.confidence or 0):.1f} %){read}'
    return f'{detail.question}: [{detail.status.value}] {detail.reason}'
