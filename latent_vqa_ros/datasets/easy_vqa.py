"""EasyVQA (Victor Zhou, MIT licence): one flat shape per 64x64 picture, 13 answers.

The Python package ``easy-vqa`` contains all pictures and questions. A tenth of the training
pictures becomes the validation split; the package's test split stays as it is.
"""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.datasets.record import Dataset, DatasetError, Question, Record

SHAPES = ('circle', 'rectangle', 'triangle')
COLORS = ('black', 'blue', 'brown', 'gray', 'green', 'red', 'teal', 'yellow')
_VAL_SHARE, _VAL_SEED = 0.1, 2026


def load() -> Dataset:
    """Return all splits; DatasetError where the package is missing."""
    try:
        import easy_vqa
    except ImportError:
        raise DatasetError('EasyVQA is not installed: pip install easy-vqa') from None
    train = _records('train', easy_vqa.get_train_questions(), easy_vqa.get_train_image_paths())
    test = _records('test', easy_vqa.get_test_questions(), easy_vqa.get_test_image_paths())
    order = list(range(len(train)))
    random.Random(_VAL_SEED).shuffle(order)
    held_out = set(order[:round(_VAL_SHARE * len(order))])
    split = [Record(r.image, 'val', r.questions, r.captions) if i in held_out else r
             for i, r in enumerate(train)]
    return Dataset('easy_vqa', (*split, *test))


def _records(split: str, questions: tuple[list[str], list[str], list[int]],
             paths: dict[int, str]) -> list[Record]:
    asked: dict[int, list[Question]] = defaultdict(list)
    for text, answer, image in zip(*questions, strict=True):
        asked[image].append(Question(text, answer, group(answer)))
    return [Record(Path(paths[image]), split, tuple(found), caption(found))
            for image, found in sorted(asked.items())]


def group(answer: str) -> str:
    """Return the kind of a question from its answer: yes_no, shape or color."""
    if answer in ('yes', 'no'):
        return 'yes_no'
    return 'shape' if answer in SHAPES else 'color'


def caption(questions: list[Question]) -> tuple[str, ...]:
    """Return a caption with the color and shape that the questions tell, or none.

    A color or shape is told by an open answer, or by a yes (a no, where the question is negated)
    about it. A caption with one of them only would also fit other pictures, so there is none.
    """
    known: set[str] = set()
    for question in questions:
        asked = words(question.text)
        negated = 'no' in asked or 'not' in asked
        if question.group == 'yes_no':
            if (question.answer == 'no') == negated:
                known.update(asked)
        else:
            known.update((question.answer, *asked))
    color = next((c for c in COLORS if c in known), None)
    shape = next((s for s in SHAPES if s in known), None)
    return (f'a {color} {shape}',) if color and shape else ()
