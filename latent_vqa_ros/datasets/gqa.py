"""GQA (Hudson and Manning 2019): questions about photographs, made from scene graphs.

A folder with ``images/`` and, in it or in a folder of it, the balanced questions as they are
published: ``train_balanced_questions.json``, ``val_…`` and ``testdev_…``, which is the test here.
What is not there of val and testdev is cut from the training pictures.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from sys import intern

from latent_vqa_ros.datasets.record import Dataset, DatasetError, Question
from latent_vqa_ros.datasets.trainable import plain, read_json, records_of, trainable

_SPLITS = {'train': 'train', 'val': 'val', 'testdev': 'test'}  # theirs: ours
_NAME = '{}_balanced_questions.json'
_LEAST = 10  # a rarer answer is not learned


def fits(folder: Path) -> bool:
    """Return whether a folder looks like GQA."""
    return _file(folder, 'train') is not None


def load(folder: Path, limit: int | None = None) -> Dataset:
    """Return the folder's records; DatasetError names the file and the question."""
    asked: dict[tuple[str, Path], list[Question]] = defaultdict(list)
    for theirs, split in _SPLITS.items():
        path = _file(folder, theirs)
        for number, question in read_json(path).items() if path else ():
            try:
                image = folder / 'images' / f'{_image_id(question["imageId"])}.jpg'
                asked[split, image].append(Question(
                    intern(question['question']), intern(plain(question['answer'])),
                    intern(question['types']['structural'])))
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise DatasetError(f'{path}: question {number}: not of GQA: {error!r}') from None
    return trainable(folder.name, records_of(asked), _LEAST, limit)


def _image_id(name: object) -> str:
    """Return the name of a picture; ValueError for one that could lead out of the folder."""
    if not re.fullmatch(r'\w+', str(name)):
        raise ValueError(f'imageId {name!r:.80}')
    return str(name)


def _file(folder: Path, theirs: str) -> Path | None:
    name = _NAME.format(theirs)
    return next((path for path in (folder / name, *sorted(folder.glob(f'*/{name}')))
                 if path.is_file()), None)
