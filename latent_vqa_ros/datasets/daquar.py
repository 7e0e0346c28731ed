"""DAQUAR (Malinowski and Fritz 2014): questions about photographs of rooms, in its text format.

A folder with ``qa*train.txt``, pictures in ``images/`` (``image12.jpg`` or ``.png``) and, if it
is there, ``qa*test.txt``. A line asks, the next one answers; several answers stand between commas
and are one answer here, in the order of the alphabet; the question names its picture.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.datasets.record import Dataset, DatasetError, Question
from latent_vqa_ros.datasets.trainable import plain, records_of, trainable

_FILES = {'train': 'qa*train.txt', 'test': 'qa*test.txt'}
_PICTURES = ('.jpg', '.jpeg', '.png')
_LEAST = 2  # a rarer answer is not learned
_PICTURE = re.compile(r'\b(image\d+)\b')


def fits(folder: Path) -> bool:
    """Return whether a folder looks like DAQUAR."""
    return any(folder.glob(_FILES['train']))


def load(folder: Path, limit: int | None = None) -> Dataset:
    """Return the folder's records; DatasetError names file and line of what is wrong.

    Validation is cut by picture, and so is a test where the official one is not there.
    """
    pictures = {path.stem: path for path in sorted((folder / 'images').glob('image*'))
                if path.suffix.lower() in _PICTURES}
    asked: dict[tuple[str, Path], list[Question]] = defaultdict(list)
    for split, pattern in _FILES.items():
        files = sorted(folder.glob(pattern))
        if len(files) > 1:
            raise DatasetError(f'{folder}: two files of the split {split}, {files[0].name} and '
                               f'{files[1].name}; leave one of them')
        for path in files:
            text = path.read_text(encoding='utf-8', errors='replace').rstrip()
            lines = text.split('\n') if text else []
            for number in range(0, len(lines), 2):
                name, question = _question(f'{path}:{number + 1}', *lines[number:number + 2])
                asked[split, pictures.get(name, folder / 'images' / name)].append(question)
    return trainable(folder.name, records_of(asked), _LEAST, limit)


def _question(where: str, asked: str, answered: str = '') -> tuple[str, Question]:
    """Return the name of the picture, and the question without it."""
    named = _PICTURE.search(asked)
    if named is None or not answered.strip():
        raise DatasetError(f'{where}: expected a question that names its picture (image12), and '
                           'its answer in the next line')
    answer = ', '.join(sorted({plain(part) for part in answered.split(',')} - {''}))
    text = asked.replace(named[1], 'image').strip()
    return named[1], Question(text, answer, _kind(text, answer))


def _kind(asked: str, answer: str) -> str:
    """Return the kind of a question: several, number, color or object."""
    if ',' in answer:
        return 'several'
    if answer.isdecimal():
        return 'number'
    return 'color' if {'color', 'colour'} & set(words(asked)) else 'object'
