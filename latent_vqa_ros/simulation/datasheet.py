"""The datasheet of the data set `tabletop`: counts of its drawn splits, and example pictures.

    latent_vqa simulate datasheet docs/

The headings are those of Gebru et al. 2021, Datasheets for Datasets. Draws what the cache lacks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import wrap

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.datasets import tabletop
from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.survey import Survey, lines, survey
from latent_vqa_ros.simulation.truth import COLORS, MIN_VISIBLE, SHAPES, SIZES
from latent_vqa_ros.simulation.version import VERSION
from latent_vqa_ros.simulation.world.scenes import HELD_OUT

SHOWN = ('train', 'compositional', 'shifted')  # splits with example pictures
COLUMNS, ROWS = 4, 3  # of pictures
SIDE, BELOW = 240, 62  # pixels: a picture, and the text below it
_LETTERS, _LINE = 38, 16  # of the text: letters and pixels of a line
_QUALITY = 85  # JPEG

_HEAD = """# Datasheet of `tabletop`

Made from version {version} of the data by

    latent_vqa simulate datasheet docs{limit}

## Motivation

To train and measure models that answer questions about what a robot's camera sees on a table,
with a truth that is known exactly and answers that the question alone gives away as little as can
be. Made by the maintainers of this package, for it.

## Composition

An instance is a picture of {size}x{size} pixels of a simulated workcell, with its truth (objects,
poses, boxes, visible shares), at most ten questions with their answers, and captions. The splits
differ by seed, and further:

- `compositional`: each scene has one of the pairs of colour and shape that no other split shows:
  {pairs}.
- `shifted`: textures, tints, lights and camera poses from ranges that no other split uses.
- `wordings`: scenes like those of `test`, asked in wordings that no other split uses.

No picture shows a person or a place, nothing is confidential, nothing links to other data.
"""

_TAIL = """## Collection and labelling

Scenes are drawn at random from stated ranges, settled by physics and drawn by MuJoCo
([simulation.md](simulation.md)); noise, blur and JPEG are added as a camera does. Pictures in
which an object is between 20 and 40 % visible are rejected, so that no object is borderline; the
tray and the gripper have no such range and are there from 30 %. Truth and answers follow from the
scene by rule; nobody labelled anything. Questions are chosen so that their answers are even within
each group, and within each wording of colours and shapes.

## Uses

Training and testing of this package's models, and tests of what they have learned: the further
splits, the blind floor and the shortcut floor say what an accuracy is worth. Not fit for
measuring how a model does on real cameras, nor for anything about people.

## Limits

Six shapes, eight colours, two sizes, one table, one tray, one gripper. Only the shapes are things:
pens, cables, cards, washers, the tray and the gripper stand in the picture and are no answer to
"what", "anything" or "how many things".
The colours are plain, and white and light gray are hard to tell in strong light. Cylinders, cones
and mugs always stand upright, nothing stands in a bowl, every scene has an object. The pictures
are small and simulated; that a model is right here says nothing certain about a camera. Questions
are made from templates: people ask otherwise. All of it is English.

## Distribution and maintenance

Not distributed: the package draws it into the cache when it is asked for, under the package's
licence (Apache-2.0), with the same bytes on the same machine. Whoever changes what is drawn raises
`VERSION` in `simulation/version.py` and makes this page again.
"""

_FLOORS = """Answers and floors are those of `test`. The blind floor is the share of the group's
most frequent answer. The shortcut floor is what one who knows which objects are in the picture,
but not where, reaches by one guess: what most of them are, or yes. It may lie below the blind
floor, and stands where every question of the group has such a guess.
`latent_vqa evaluate` prints another blind floor: its guesser knows the most frequent answer to
each single question.
"""


def write(out: Path, limit: int | None = None) -> dict[str, Survey]:
    """Write ``datasheet.md`` and its pictures; ``limit`` takes the first scenes of each split."""
    folders = {name: tabletop.ready(name, limit) for name in tabletop.SPLITS}
    surveys = {name: survey(folder, limit) for name, folder in folders.items()}
    out.mkdir(parents=True, exist_ok=True)
    for name in SHOWN:
        path = str(out / picture_name(name))
        cv2.imwrite(path, sheet(folders[name]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    pairs = ', '.join(f'{color} {shape}' for color, shape in HELD_OUT)
    parts = (_HEAD.format(version=VERSION, size=tabletop.SIZE, pairs=pairs,
                          limit=f' --scenes {limit}' if limit else ''),
             _counts(surveys), _things(surveys), _groups(surveys['train'], surveys['test']),
             _examples(), _TAIL)
    (out / 'datasheet.md').write_text('\n'.join(parts), encoding='utf-8')
    return surveys


def picture_name(split: str) -> str:
    """Return the file name of a split's example pictures."""
    return f'datasheet_{split}.jpg'


def _counts(surveys: dict[str, Survey]) -> str:
    known = surveys['train'].texts
    new = set(HELD_OUT)
    counts: dict[str, Callable[[Survey], str]] = {
        'scenes': lambda s: f'{s.scenes["all"]:,}',
        'objects': lambda s: f'{s.things["all"]:,}',
        'held-out pairs shown': lambda s: f'{len(s.pairs & new)} of {len(new)}',
        'questions': lambda s: f'{s.questions:,}',
        'captions': lambda s: f'{s.captions:,}',
        'distinct questions': lambda s: f'{len(s.texts):,}',
        'of them in `train`': lambda s: f'{len(s.texts & known) / len(s.texts):.1%}',
        'words, mean': lambda s: f'{_mean(s.lengths):.1f}',
        'words, most': lambda s: f'{max(s.lengths)}'}
    rows = ((name, *map(count, surveys.values())) for name, count in counts.items())
    return _table(('', *surveys), rows)


def _things(surveys: dict[str, Survey]) -> str:
    scenes = ('1 thing', *(f'{n} things' for n in range(2, 7)), 'tray seen', 'gripper seen')
    things = (*SHAPES, *COLORS, *SIZES, 'held by the gripper', 'in the tray', 'on another thing',
              'at the edge', 'hidden too much to be asked about')
    of_scenes = _table(('share of scenes', *surveys), (
        (name, *(f'{s.scenes[name] / s.scenes["all"]:.1%}' for s in surveys.values()))
        for name in scenes))
    of_things = _table(('share of objects', *surveys), (
        (name, *(f'{s.things[name] / s.things["all"]:.1%}' for s in surveys.values()))
        for name in things))
    return (f'{of_scenes}\n{of_things}\nHidden too much is less than {MIN_VISIBLE:.0%} visible.\n')


def _groups(train: Survey, test: Survey) -> str:
    rows = []
    for name, counts in sorted(test.answers.items()):
        most, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
        total = counts.total()
        guessed = f'{test.guessed[name] / total:.1%}' if test.guessable[name] == total else ''
        rows.append((name, f'{train.answers[name].total():,}', f'{total:,}', str(len(counts)),
                     most, f'{n / total:.1%}', guessed))
    answers: Counter[str] = sum(train.answers.values(), Counter())
    said = ', '.join(f'{answer} {n / train.questions:.1%}' for answer, n in answers.most_common())
    return (_table(('questions', '`train`', '`test`', 'answers', 'most frequent', 'blind floor',
                    'shortcut floor'), rows)
            + f'\n{_FLOORS}\n'
            f'The {len(answers)} answers of `train`: {said}.\n')


def _examples() -> str:
    pictures = (f'The first {COLUMNS * ROWS} scenes of `{name}`, each with one of its questions:'
                f'\n\n![Scenes of {name}]({picture_name(name)})\n' for name in SHOWN)
    return '\n'.join(pictures)


def sheet(folder: Path) -> NDArray[np.uint8]:
    """Return the first pictures of a split, BGR (H, W, 3), each above one of its questions."""
    names = [json.loads(line)['image'] for line in lines(folder / 'truth.jsonl', COLUMNS * ROWS)]
    asked: dict[str, list[str]] = {name: [] for name in names}
    for line in map(json.loads, lines(folder / 'questions.jsonl', 10 * COLUMNS * ROWS)):
        if line['image'] in asked:
            asked[line['image']].append(f'{line["question"]} -> {line["answer"]}')
    blank = np.full((SIDE + BELOW, SIDE, 3), 255, np.uint8)
    cells = [_cell(folder / name, texts[index % len(texts)])
             for index, (name, texts) in enumerate(asked.items())]
    cells += [blank] * (COLUMNS * ROWS - len(cells))
    return np.asarray(cv2.vconcat([cv2.hconcat(cells[row:row + COLUMNS])
                                   for row in range(0, len(cells), COLUMNS)]), np.uint8)


def _cell(path: Path, text: str) -> NDArray[np.uint8]:
    cell = np.full((SIDE + BELOW, SIDE, 3), 255, np.uint8)
    inside = SIDE - 8
    picture = read_bgr(path)
    cell[4:4 + inside, 4:4 + inside] = cv2.resize(picture, (inside, inside),
                                                  interpolation=cv2.INTER_CUBIC)
    for row, line in enumerate(wrap(text, _LETTERS)[:3]):
        cv2.putText(cell, line, (4, SIDE + 12 + row * _LINE), cv2.FONT_HERSHEY_SIMPLEX, 0.38,
                    (0, 0, 0), 1, cv2.LINE_AA)
    return cell


def read_bgr(path: Path) -> NDArray[np.uint8]:
    """Return a picture of a split, BGR (H, W, 3)."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise DatasetError(f'{path}: not a picture')
    return np.asarray(picture, np.uint8)


def _mean(lengths: Counter[int]) -> float:
    return sum(words * n for words, n in lengths.items()) / lengths.total()


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = ('---', *('--:' for _ in titles[1:]))
    return '\n'.join(f'| {" | ".join(line)} |' for line in (titles, marks, *rows)) + '\n'
