"""How many questions of strangers the shipped model answers, as a node would, and how many right.

    python test/performance/strangers.py test/data/strangers/*.jsonl --images FOLDER

asks each question of these files (JSON lines: image, question, answer) about its picture: beside
the file, or in FOLDER. Unlike `latent_vqa evaluate`, what is not answered with the status `ok`
counts as not answered: unknown words, refused pictures, unsure answers.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.models import DEFAULT_MODEL
from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.questions import Request

SURE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('files', nargs='+', type=Path, help='files of questions')
    parser.add_argument('--images', type=Path, help='where pictures are that lie not beside them')
    parser.add_argument('--model', default=DEFAULT_MODEL, help='name or folder (%(default)s)')
    args = parser.parse_args()
    pipeline = open_pipeline(args.model, num_threads=1)
    total = Counter[str]()
    for path in args.files:
        try:
            found = count(pipeline, path, args.images)
        except OSError as error:
            parser.error(f'{error.filename}: {error.strerror}; photographs lie in --images')
        print(line(str(path), found))
        total += found
    if len(args.files) > 1:
        print(line('all', total))


def count(pipeline: Pipeline, path: Path, images: Path | None) -> Counter[str]:
    """Return how many questions a file has, and how many are answered, right, and surely so."""
    found = Counter[str]()
    for row in map(json.loads, path.read_text('utf-8').splitlines()):
        picture = path.parent / row['image']
        if images is not None and not picture.exists():
            picture = images / picture.name
        content = picture.read_bytes()
        detail = pipeline.respond(Request(row['question']), Frame(
            lambda content=content: (compressed_to_rgb(content), None)))
        ok, right = detail.status.value == 'ok', detail.answer == row['answer']
        sure = ok and detail.confidence >= SURE
        found.update(asked=1, right=ok and right, sure=sure, sure_right=sure and right)
        found[detail.status.value] += 1
    return found


def line(name: str, found: Counter[str]) -> str:
    """Return one line: answered and right of them, the same of the sure ones, other statuses."""
    other = ', '.join(f'{status} {found[status]}' for status in sorted(found)
                      if status not in ('asked', 'ok', 'right', 'sure', 'sure_right'))
    return (f'{name}: {found["ok"]} of {found["asked"]} answered, {found["right"]} right '
            f'({100 * found["right"] / max(1, found["ok"]):.1f} %); with a confidence of {SURE} '
            f'and above {found["sure"]}, {found["sure_right"]} right '
            f'({100 * found["sure_right"] / max(1, found["sure"]):.1f} %); {other}')


if __name__ == '__main__':
    main()
