"""VQA v2 (Goyal et al. 2017): questions of people about photographs of COCO.

A folder with the questions and annotations as they are published
(``v2_OpenEnded_mscoco_train2014_questions.json``, ``v2_mscoco_train2014_annotations.json``, the
same of val2014) and the pictures in ``train2014/`` and ``val2014/``. val2014 is the test here, as
the official one has no answers; validation is cut from the training pictures. The answer is the
one that most of the ten people gave, right or wrong without shares.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from sys import intern

from latent_vqa_ros.datasets.record import Dataset, DatasetError, Question
from latent_vqa_ros.datasets.trainable import plain, read_json, records_of, trainable

_SPLITS = {'train2014': 'train', 'val2014': 'test'}  # theirs: ours
_QUESTIONS = 'v2_OpenEnded_mscoco_{}_questions.json'
_ANSWERS = 'v2_mscoco_{}_annotations.json'
_LEAST = 9  # a rarer answer is not learned, as is usual


def fits(folder: Path) -> bool:
    """Return whether a folder looks like VQA v2."""
    return (folder / _QUESTIONS.format('train2014')).is_file()


def load(folder: Path, limit: int | None = None) -> Dataset:
    """Return the folder's records; DatasetError names the file and the question."""
    asked: dict[tuple[str, Path], list[Question]] = defaultdict(list)
    for theirs, split in _SPLITS.items():
        path = folder / _QUESTIONS.format(theirs)
        if not path.is_file():
            continue
        answers = _answers(folder / _ANSWERS.format(theirs))
        try:
            for question in read_json(path)['questions']:
                image = folder / theirs / f'COCO_{theirs}_{question["image_id"]:012d}.jpg'
                answer, kind = answers[question['question_id']]
                asked[split, image].append(Question(intern(question['question']), answer, kind))
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f'{path}: not the questions of VQA v2, or without an annotation: '
                               f'{error!r}') from None
    return trainable(folder.name, records_of(asked), _LEAST, limit)


def _answers(path: Path) -> dict[int, tuple[str, str]]:
    """Return the answer and the kind (yes_no, number, other) of each question."""
    try:
        return {each['question_id']: (intern(plain(each['multiple_choice_answer'])),
                                      intern(each['answer_type'].replace('/', '_')))
                for each in read_json(path)['annotations']}
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f'{path}: not the annotations of VQA v2: {error!r}') from None
