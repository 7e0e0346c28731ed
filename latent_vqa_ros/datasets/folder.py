"""A folder with ``questions.jsonl`` and, if it has captions, ``captions.jsonl``.

One object per line: {"image": "relative/path.png", "question": "…", "answer": "…",
"split": "train|val|test", "group": "optional"} and {"image": "…", "caption": "…"}.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latent_vqa_ros.datasets.record import SPLITS, Dataset, DatasetError, Question, Record

_DEFAULT_GROUP = 'all'
_KEYS = ('image', 'question', 'answer', 'split')


def load(folder: Path) -> Dataset:
    """Return the folder's records; DatasetError names file and line of what is wrong."""
    questions: dict[str, list[Question]] = defaultdict(list)
    splits: dict[str, str] = {}
    for where, line in _lines(folder / 'questions.jsonl', _KEYS):
        image, split = line['image'], line['split']
        if split not in SPLITS:
            raise DatasetError(f'{where}: split {split!r} is none of {", ".join(SPLITS)}')
        if splits.setdefault(image, split) != split:
            raise DatasetError(f'{where}: {image} is in {splits[image]} and in {split}; '
                               'an image belongs to one split')
        group = str(line.get('group', _DEFAULT_GROUP))
        questions[image].append(Question(line['question'], line['answer'], group))
    captions: dict[str, list[str]] = defaultdict(list)
    if (folder / 'captions.jsonl').exists():
        for _, line in _lines(folder / 'captions.jsonl', ('image', 'caption')):
            captions[line['image']].append(line['caption'])
    return Dataset(folder.name, tuple(
        Record(_inside(folder, image), splits[image], tuple(asked), tuple(captions[image]))
        for image, asked in questions.items()))


def _lines(path: Path, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f'{path}: cannot be read: {error}') from None
    for number, line in enumerate(text.split('\n'), start=1):
        if not line.strip():
            continue
        where = f'{path}:{number}'
        try:
            value = json.loads(line)
        except ValueError:
            raise DatasetError(f'{where}: not JSON') from None
        fields = value if isinstance(value, dict) else {}
        wrong = [key for key in keys if not isinstance(fields.get(key), str)]
        if wrong:
            raise DatasetError(f'{where}: no text under {", ".join(wrong)}')
        yield where, value


def _inside(folder: Path, image: str) -> Path:
    path = folder / image
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DatasetError(f'{folder}: image {image!r} lies outside the folder')
    if not path.is_file():
        raise DatasetError(f'{folder}: image {image!r} does not exist')
    return path
